"""Samples: weights with leading (chain, draw) axes, and their statistics.

How samples are drawn lives in `methods`, how they are stored in `store`.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Shaped

from onebasin import _trees
from onebasin._arguments import check_arrays
from onebasin._stored_array import StoredArray, indexed_as_numpy
from onebasin.types import Array, Params

__all__ = ["Samples"]

_BLOCK_SIZE = 2**21
"""How many entries of draws a mean or a std takes at once: 16 MiB in float64."""


class Samples(eqx.Module):
    """Draws of params, with the statistics of the sampler.

    Samples from a store have stored arrays as leaves, which are read when they are used. `draw`,
    `thin` and `select_chains` read no more than they give, `mean` and `std` a block of draws at a
    time, `flatten` and `load` everything.

    Args:
        params: Any pytree of arrays. Every leaf leads with (chain, draw).
        stats: Statistics of each draw by ArviZ's names (`lp`, `diverging`, `acceptance_rate`,
            `energy`, `step_size`), shaped (chain, draw). Default: none.
        last_state: The sampler's state after the last draw, by which it can go on. Default: None,
            if it is not known.
        convergence: What `sample(..., until=...)` found of these draws when it checked them last,
            as `ob.diagnostics.convergence` says it. Default: None, if they were not checked.

    Raises:
        ValueError: If leading axes differ between leaves, there is no draw, or a leaf is complex.
        TypeError: If a leaf is not an array of NumPy or JAX.

    Examples:
        >>> one_layer = {"kernel": np.zeros((4, 100, 3, 2)), "bias": np.zeros((4, 100, 2))}
        >>> draws = ob.Samples(one_layer)  # 4 chains of 100 draws each
        >>> draws.num_chains, draws.num_draws
        (4, 100)
    """

    params: Params
    stats: Mapping[str, Shaped[Array | StoredArray, "chain draw"]] = eqx.field(default_factory=dict)
    last_state: Any = None
    convergence: Mapping[str, float | None] | None = None

    def __check_init__(self):
        check_arrays("Samples", (self.params, dict(self.stats)))
        leading = {
            name: tuple(np.shape(leaf)[:2])
            for name, leaf in _trees.named_leaves(self.params).items()
        }
        leading |= {name: tuple(np.shape(leaf)[:2]) for name, leaf in self.stats.items()}
        if len(set(leading.values())) != 1 or len(next(iter(leading.values()))) != 2:
            raise ValueError(
                "Every leaf of samples must lead with the same (chain, draw) axes. "
                f"Got {leading}. Stack draws along axis 1 and chains along axis 0."
            )
        if 0 in next(iter(leading.values())):
            raise ValueError(
                f"Samples must hold a draw. Got (chain, draw) {next(iter(leading.values()))}."
            )
        for name, leaf in _trees.named_leaves(self.params).items():
            if np.iscomplexobj(leaf):
                raise ValueError(
                    f"Samples must be real numbers. Got {leaf.dtype} in {name}. Sample its real "
                    "and imaginary parts as two arrays, of which apply makes one."
                )

    @property
    def num_chains(self) -> int:
        """The number of chains (or ensemble members)."""
        return int(np.shape(jax.tree.leaves(self.params)[0])[0])

    @property
    def num_draws(self) -> int:
        """The number of draws in each chain."""
        return int(np.shape(jax.tree.leaves(self.params)[0])[1])

    def load(self) -> "Samples":
        """The same samples in memory: stored arrays become arrays of NumPy.

        Raises:
            StoreError: If a chunk of the store is damaged or lost.

        Examples:
            >>> ob.save_samples("hmc.zarr", samples)
            >>> in_memory = ob.load_samples("hmc.zarr").load()
            >>> type(in_memory.stats["lp"])
            <class 'numpy.ndarray'>
        """
        params, stats = _trees.loaded(self.params), _trees.loaded(self.stats)
        return Samples(params, stats, self.last_state, self.convergence)

    def flatten(self) -> Params:
        """All draws of all chains along one leading axis, chain after chain.

        Examples:
            >>> samples.flatten()["out"]["bias"].shape  # of 2 chains with 10 draws each
            (20, 10)
        """
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), self.params)

    def draw(self, chain: int, draw: int) -> Params:
        """The params of one draw.

        Examples:
            >>> samples.draw(0, 3)["out"]["bias"].shape  # of chain 0, draw 3
            (10,)
        """
        return jax.tree.map(lambda leaf: leaf[chain, draw, ...], self.params)

    def select_chains(self, *indices: int) -> "Samples":
        """The chains with these numbers, in this order, without the sampler's last state.

        Examples:
            >>> samples.select_chains(1, 0).num_chains
            2
        """
        rows = list(indices)
        take = lambda leaf: indexed_as_numpy(leaf)[rows]
        return Samples(jax.tree.map(take, self.params), jax.tree.map(take, self.stats))

    def thin(self, step: int) -> "Samples":
        """Every `step`-th draw of each chain, from the first.

        Examples:
            >>> samples.thin(5).num_draws
            2
        """
        take = lambda leaf: leaf[:, ::step]
        return Samples(jax.tree.map(take, self.params), jax.tree.map(take, self.stats))

    def mean(self) -> Params:
        """The mean of each weight over chains and draws, summed in float64.

        It is given in at least float32.
        """
        return jax.tree.map(_mean, self.params)

    def std(self) -> Params:
        """The standard deviation of each weight (ddof = 1), summed in float64.

        It is given in at least float32. Blocks of draws are joined by equation 2.1 of Chan, Golub
        and LeVeque (1983), "Algorithms for computing the sample variance".
        """
        return jax.tree.map(_std, self.params)


def mean_of(leaf: Shaped[Array, "draw *shape"]) -> Float[np.ndarray, "*shape"]:
    """The mean over draws of one array of numbers."""
    return _mean(np.asarray(leaf)[None])


def _blocks(leaf: Any) -> Iterator[Shaped[np.ndarray, "rows *shape"]]:
    """The draws of an array (chain, draw, ...), a number of them from all chains at a time."""
    num_chains, num_draws, *shape = leaf.shape
    length = max(1, _BLOCK_SIZE // max(1, num_chains * math.prod(shape)))
    for first in range(0, num_draws, length):
        yield np.asarray(indexed_as_numpy(leaf)[:, first : first + length]).reshape(-1, *shape)


def _mean(leaf: Any) -> np.ndarray:
    total = 0.0
    for block in _blocks(leaf):
        total = total + np.sum(block, axis=0, dtype=np.float64)
    return np.asarray(total / math.prod(leaf.shape[:2]), _dtype_of_moments(leaf))


def _dtype_of_moments(leaf: Any) -> np.dtype:
    """Half precision would round a moment by more than its error, and integers cut it off."""
    return np.result_type(leaf.dtype, np.float32)


def _std(leaf: Any) -> np.ndarray:
    if math.prod(leaf.shape[:2]) < 2:
        raise ValueError(
            "A standard deviation needs at least 2 draws. Got 1. "
            "Draw more, or use the draw itself as a point estimate."
        )
    count, mean, square = 0, 0.0, 0.0  # square is the sum of squared distances from the mean
    for block in _blocks(leaf):
        rows, own_mean = len(block), np.mean(block, axis=0, dtype=np.float64)
        step = own_mean - mean
        square = square + np.sum(np.square(block - own_mean), axis=0)
        square = square + step**2 * (count * rows / (count + rows))
        mean = mean + step * (rows / (count + rows))
        count += rows
    return np.asarray(np.sqrt(square / (count - 1)), _dtype_of_moments(leaf))


def concatenate_draws(parts: list[Samples]) -> Samples:
    """Samples of the same chains joined along the draw axis; keeps the last part's state."""
    join = lambda *leaves: np.concatenate([np.asarray(x) for x in leaves], axis=1)
    params = jax.tree.map(join, *[part.params for part in parts])
    stats = jax.tree.map(join, *[part.stats for part in parts])
    return Samples(params, stats, parts[-1].last_state)
