"""find_symmetry invents nothing: layers of all kinds and widths, composed at random."""

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from random_layers import LAYERS, TOKENS, compose_layers
from strategies import seeds

from onebasin import find_symmetry, permute
from onebasin.symmetry import random_permutation

NUM_NETWORKS, NUM_NETWORKS_LONG = 25, 500
NUM_DRAWS = 20
WIDTHS = (2, 4)

layer_lists = st.lists(
    st.tuples(st.sampled_from(sorted(LAYERS)), st.sampled_from(WIDTHS)), min_size=2, max_size=5
)


of_random_networks = given(layers=layer_lists, num_inputs=st.sampled_from(WIDTHS), seed=seeds)


@pytest.mark.slow
@settings(max_examples=NUM_NETWORKS, suppress_health_check=[HealthCheck.too_slow])
@of_random_networks
def test_random_networks_keep_their_function_under_what_is_found(layers, num_inputs, seed) -> None:
    assert_kept(layers, num_inputs, seed)


@pytest.mark.long
@settings(max_examples=NUM_NETWORKS_LONG, suppress_health_check=[HealthCheck.too_slow])
@of_random_networks
def test_many_networks_keep_their_function_under_what_is_found(layers, num_inputs, seed) -> None:
    assert_kept(layers, num_inputs, seed)


def assert_kept(layers: list[tuple[str, int]], num_inputs: int, seed: int) -> None:
    """The function of random layers is the same under every element of what is found."""
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        apply, shapes = compose_layers(layers, num_inputs)
        rng = np.random.default_rng(seed)
        params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        x = rng.standard_normal((TOKENS, num_inputs))
        symmetry = find_symmetry(apply, params, x)

        # The identity leads the draws, so that one batch holds all that is compared.
        moves = jax.tree.map(
            lambda *parts: np.concatenate(parts),
            symmetry.identity(1),
            random_permutation(symmetry, NUM_DRAWS, key=jax.random.key(seed)),
        )
        copies = {name: np.stack([leaf] * (NUM_DRAWS + 1)) for name, leaf in params.items()}
        moved = permute(copies, symmetry, moves)
        outputs = np.asarray(jax.vmap(apply, (0, None))(moved, x))
    expected = outputs[0]
    assert np.abs(outputs - expected).max() <= 1e-10 * np.abs(expected).max(), f"\n{symmetry}"
