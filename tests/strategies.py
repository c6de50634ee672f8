"""Hypothesis strategies: small networks with weights, and permutations of their units."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jaxtyping
import numpy as np
from hypothesis import strategies as st

from onebasin.networks import Network
from onebasin.networks.mlp import ACTIVATIONS
from onebasin.samples import Samples
from onebasin.symmetry import Permutation, Symmetry, permute, random_permutation
from onebasin.symmetry.axes import Axes
from onebasin.types import Params

# Few distinct sizes: JAX compiles every operation anew for each shape.
SIZES = (1, 2, 4)

seeds = st.integers(0, 2**32 - 1)


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """No runtime type checks: they draw random items, which Hypothesis allows in no strategy."""
    was = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", was)


class Case(NamedTuple):
    """A network with random weights and biases, and inputs to compare functions on."""

    network: Network
    params: Params
    inputs: np.ndarray


def architectures(max_depth: int = 4) -> st.SearchStrategy[tuple]:
    """Arguments of `mlp`: up to `max_depth` hidden layers and any activation.

    Networks are built in the test: runtime type checks draw random items, which Hypothesis
    allows in no strategy.
    """
    size = st.sampled_from(SIZES)
    hidden = st.lists(size, min_size=1, max_size=max_depth)
    return st.tuples(size, hidden, size, st.sampled_from(sorted(ACTIVATIONS)))


@st.composite
def permutations(draw, symmetry: Symmetry) -> Permutation:
    """One permutation for each group, and its signs."""
    units = {
        group: np.array(draw(st.permutations(range(size))), int)
        for group, size in symmetry.sizes.items()
    }
    signs: dict[str, np.ndarray] = {}
    for name, sign in symmetry.signs.items():
        size = symmetry.sizes[sign.group]
        flips = st.lists(st.sampled_from([-1, 1]), min_size=size, max_size=size)
        signs[name] = np.array(draw(flips), int)
    with unchecked():
        return symmetry.permutation(units, signs)


def make_case(network: Network, seed: int, num_inputs: int = 7, dtype=np.float32) -> Case:
    """Weights as relu networks begin, random biases, and standard normal inputs, on the host."""
    rng = np.random.default_rng(seed)
    params = _random_params(network, rng, dtype=dtype)
    num_features = params[min(params, key=lambda n: (n == "out", n))]["kernel"].shape[0]
    return Case(network, params, rng.standard_normal((num_inputs, num_features)).astype(dtype))


def random_samples(
    network: Network, seed: int, num_chains: int, num_draws: int, dtype=np.float32
) -> Samples:
    """Draws that share nothing."""
    rng = np.random.default_rng(seed)
    return Samples(_random_params(network, rng, num_chains, num_draws, dtype=dtype))


def _random_params(network: Network, rng: np.random.Generator, *lead: int, dtype) -> Params:
    def normal(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        scale = np.sqrt(2 / leaf.shape[0]) if leaf.ndim == 2 else 1.0
        return (rng.standard_normal((*lead, *leaf.shape)) * scale).astype(dtype)

    return jax.tree.map(normal, jax.eval_shape(network.init, jax.random.key(0)))


def permuted_copies(
    case: Case, key: jax.Array, num_chains: int, num_draws: int
) -> tuple[Samples, Permutation]:
    """Samples that are uniformly permuted copies of one network, and how each was permuted."""
    planted = random_permutation(case.network.symmetry, num_chains, num_draws, key=key)
    repeated = jax.tree.map(
        lambda leaf: np.broadcast_to(leaf, (num_chains, num_draws, *leaf.shape)), case.params
    )
    return Samples(permute(repeated, case.network.symmetry, planted)), planted


def one_group(num_units: int, name: str = "units") -> Symmetry:
    """The symmetry of a single array whose only axis lists the units of one group."""
    return Symmetry.of({"weights": Axes(name)}, {"weights": np.zeros(num_units)})
