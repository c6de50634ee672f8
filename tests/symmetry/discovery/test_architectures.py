"""find_symmetry on networks whose symmetry is known: all of it is found, and nothing else."""

import jax
import numpy as np
import pytest
from architecture import Architecture, found_groups, random_values
from architectures import ARCHITECTURES

from onebasin import find_symmetry, permute
from onebasin.symmetry import random_permutation
from onebasin.types import Params

NUM_DRAWS = 20
pytestmark = [pytest.mark.usefixtures("ranks_promote"), pytest.mark.slow]
every_architecture = pytest.mark.parametrize("net", ARCHITECTURES, ids=repr)
_TWICE = "groups nested in units that one array lists twice are permuted alike in all of these"
_MARKED = "a constant that tells units apart ends what may be permuted, though both may move alike"
MISSED = {
    "kernel_from_heads_to_heads": _TWICE,
    "one_unit_overwritten": "what is written to at indices keeps its order",
    "products_of_all_units_in_groups": _TWICE,
    "square_kernel_between_grouped_units": _TWICE,
}
"""Symmetries that are there and are not found, and why: none of them is a wrong one."""


@pytest.fixture
def known_limits(net: Architecture, request: pytest.FixtureRequest) -> None:
    """What is known to fail is expected to, for its reason."""
    is_of_groups = "groups" in request.node.originalname
    if is_of_groups and net.name in MISSED:
        request.applymarker(pytest.mark.xfail(strict=True, reason=MISSED[net.name]))


@every_architecture
def test_the_groups_are_those_worked_out_by_hand(net: Architecture, known_limits: None) -> None:
    symmetry = find_symmetry(net.apply, net.params, *net.inputs)
    assert found_groups(symmetry) == net.groups, f"\n{symmetry}"


@every_architecture
def test_the_function_is_preserved_under_random_joint_elements(
    net: Architecture, key: jax.Array, known_limits: None, float64: None
) -> None:
    symmetry = find_symmetry(net.apply, net.params, *net.inputs)
    params, inputs = random_values((net.params, net.inputs), seed=1)
    copies = jax.tree.map(lambda leaf: np.stack([leaf] * NUM_DRAWS), params)
    moved = permute(copies, symmetry, random_permutation(symmetry, NUM_DRAWS, key=key))
    draws = [jax.tree.map(lambda leaf, n=n: leaf[n], moved) for n in range(NUM_DRAWS)]

    apply = jax.jit(net.apply)
    flat = lambda one: np.concatenate([np.ravel(x) for x in jax.tree.leaves(apply(one, *inputs))])
    expected = flat(params)
    gaps = [np.abs(flat(one) - expected).max() for one in draws]
    assert np.isfinite(expected).all()
    assert max(gaps) <= 1e-10 * np.abs(expected).max()
    assert any(_has_moved(params, one) for one in draws) == bool(symmetry.sizes)


def _has_moved(params: Params, moved: Params) -> bool:
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(moved), strict=True)
    return any((one != other).any() for one, other in pairs)


def test_names_of_architectures_are_distinct() -> None:
    names = [net.name for net in ARCHITECTURES]
    assert len(set(names)) == len(names) >= 44
