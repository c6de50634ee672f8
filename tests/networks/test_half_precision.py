"""Built-in networks in half precision: copies under random joint elements come back exactly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import BUILT_IN, BuiltIn, random_params

from onebasin import Samples, align, permute
from onebasin.alignment import to
from onebasin.symmetry import random_permutation

pytestmark = pytest.mark.slow

NUM_COPIES = 100


def _marked(built_in: BuiltIn) -> Any:
    """A resnet20 takes half a minute, nearly all of it compiling."""
    return pytest.param(built_in, marks=[pytest.mark.long] if "resnet20" in repr(built_in) else [])


@pytest.mark.filterwarnings("ignore:verify")
@pytest.mark.parametrize("built_in", [_marked(b) for b in BUILT_IN], ids=map(repr, BUILT_IN))
def test_copies_in_half_precision_come_back(built_in: BuiltIn) -> None:
    network = built_in.network
    for dtype in ("float16", "bfloat16"):
        params = jax.tree.map(
            lambda leaf, dtype=dtype: leaf.astype(jnp.dtype(dtype)), random_params(network, 3)
        )
        planted = random_permutation(network.symmetry, 1, NUM_COPIES, key=jax.random.key(1))
        repeat = lambda leaf: np.broadcast_to(leaf, (1, NUM_COPIES, *leaf.shape))
        samples = Samples(permute(jax.tree.map(repeat, params), network.symmetry, planted))
        found = align(samples, network.symmetry, reference=to(params))
        assert found.converged.all()
        back = found.apply(samples).params
        same = lambda copies, leaf: bool((np.asarray(copies) == np.asarray(leaf)).all())
        assert jax.tree.all(jax.tree.map(same, back, params))
