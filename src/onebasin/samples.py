"""Samples: weights with leading (chain, draw) axes, and their statistics.

How samples are drawn lives in `methods`, how they are stored in `store`.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Shaped

from onebasin import _trees
from onebasin._arguments import check_arrays
from onebasin.types import Array, Params

__all__ = ["Samples"]


class Samples(eqx.Module):
    """Draws of params, with the statistics of the sampler.

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
    stats: Mapping[str, Shaped[Array, "chain draw"]] = eqx.field(default_factory=dict)
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
        take = lambda leaf: np.asarray(leaf)[rows]
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
        return jax.tree.map(mean_of, self.flatten())

    def std(self) -> Params:
        """The standard deviation of each weight (ddof = 1), summed in float64.

        It is given in at least float32.
        """
        return jax.tree.map(_std, self.flatten())


def mean_of(leaf: Shaped[Array, "draw *shape"]) -> Float[np.ndarray, "*shape"]:
    """The mean over draws of one array of numbers."""
    # np.asarray twice: JAX would not accumulate in float64, and a scalar leaf's mean is no array.
    mean = np.mean(np.asarray(leaf), axis=0, dtype=np.float64)
    return np.asarray(mean, _dtype_of_moments(leaf))


def _dtype_of_moments(leaf: Shaped[Array, "..."]) -> np.dtype:
    """Half precision would round a moment by more than its error, and integers cut it off."""
    return np.result_type(leaf.dtype, np.float32)


def _std(leaf: Shaped[Array, "draw *shape"]) -> Float[np.ndarray, "*shape"]:
    if leaf.shape[0] < 2:
        raise ValueError(
            f"A standard deviation needs at least 2 draws. Got {leaf.shape[0]}. "
            "Draw more, or use the draw itself as a point estimate."
        )
    std = np.std(np.asarray(leaf), axis=0, dtype=np.float64, ddof=1)
    return np.asarray(std, _dtype_of_moments(leaf))


def concatenate_draws(parts: list[Samples]) -> Samples:
    """Samples of the same chains joined along the draw axis; keeps the last part's state."""
    join = lambda *leaves: np.concatenate([np.asarray(x) for x in leaves], axis=1)
    params = jax.tree.map(join, *[part.params for part in parts])
    stats = jax.tree.map(join, *[part.stats for part in parts])
    return Samples(params, stats, parts[-1].last_state)
