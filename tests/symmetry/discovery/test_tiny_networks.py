"""find_symmetry finds all there is: every permutation of every axis is tried on tiny networks."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from architecture import Architecture, found_groups, random_values
from tiny_networks import TINY

from onebasin import find_symmetry
from onebasin.types import Params

MOST_CANDIDATES = 20_000
pytestmark = [pytest.mark.usefixtures("ranks_promote", "float64"), pytest.mark.slow]


def versions(leaf: np.ndarray) -> np.ndarray:
    """An array under every permutation of each of its axes."""
    orders = (itertools.permutations(range(size)) for size in leaf.shape)
    return np.stack([leaf[np.ix_(*one)] for one in itertools.product(*orders)])


def num_that_preserve(net: Architecture, params: Params, inputs: tuple) -> int:
    """How many of all combinations of versions of the params compute the same function."""
    every = {name: jnp.asarray(versions(leaf)) for name, leaf in params.items()}
    counts = [len(leaf) for leaf in every.values()]
    assert math.prod(counts) <= MOST_CANDIDATES

    def outputs(choice: dict) -> jax.Array:
        return net.apply({name: leaf[choice[name]] for name, leaf in every.items()}, *inputs)

    # One by one: convolutions with a batch of kernels take XLA a hundred times as long on a CPU.
    choices = dict(zip(every, np.indices(counts).reshape(len(counts), -1), strict=True))
    found = np.asarray(jax.lax.map(outputs, choices)).reshape(math.prod(counts), -1)
    # The first version of every leaf is the leaf itself.
    gaps = np.abs(found - found[0]).max(axis=1)
    return int((gaps <= 1e-9 * np.abs(found[0]).max()).sum())


@pytest.mark.parametrize("net", TINY, ids=repr)
def test_as_many_permutations_are_found_as_preserve_the_function(net: Architecture) -> None:
    symmetry = find_symmetry(net.apply, net.params, *net.inputs)
    assert found_groups(symmetry) == net.groups, f"\n{symmetry}"
    params, inputs = random_values((net.params, net.inputs), seed=2)
    found = round(10 ** symmetry.with_signs([]).log10_num_equivalent())
    assert found == num_that_preserve(net, params, inputs)
