"""Permutations of hidden units: apply, compose, invert, count transpositions, draw at random.

A permutation is a dict with an index array for each group; leading batch axes are allowed
everywhere. Which axes a group touches is said by a `Symmetry`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin._types import Array, Key, Params, Permutation
from onebasin.symmetry.axes import Symmetry


def permute(symmetry: Symmetry, permutation: Permutation, params: Params) -> Params:
    r"""Params whose unit $i$ of each group is the old unit `permutation[group][i]`.

    Batch axes that lead the permutation lead every leaf as well. NumPy leaves stay on the
    host. For one hidden layer: $W_1[p, :],\ b_1[p],\ W_2[:, p]$.

    Raises: ValueError where params do not fit the symmetry.
    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 2.
    """
    if not symmetry.sizes:
        return params
    num_batch_axes = next((p.ndim - 1 for p in permutation.values()), 0)
    symmetry.check(params, num_batch_axes)
    leaves = {
        name: _permute_leaf(leaf, symmetry.leaves[name].names, permutation, num_batch_axes)
        for name, leaf in _trees.named_leaves(params).items()
    }
    return _trees.rebuild(leaves, params)


def _permute_leaf(
    leaf: Array, names: tuple[str | None, ...], permutation: Permutation, num_batch_axes: int
) -> Array:
    for axis, group in enumerate(names):
        if group is not None:
            leaf = take_units(leaf, permutation[group], axis + num_batch_axes)
    return leaf


def take_units(leaf: Array, units: Int[Array, "*batch units"], axis: int) -> Array:
    """Entries `units` along `axis` of a leaf, whose leading axes are the batch axes of `units`."""
    num_batch_axes = units.ndim - 1
    xp: Any = np if isinstance(leaf, np.ndarray) else jnp
    if num_batch_axes == 0:
        return xp.take(leaf, units, axis=axis)
    # Whole rows behind the unit axis are copied at once: far faster than entry by entry.
    rows = xp.moveaxis(leaf, axis, num_batch_axes)
    batch = np.indices((*units.shape[:-1], 1), sparse=True)[:-1]
    return xp.moveaxis(rows[(*batch, units)], num_batch_axes, axis)


def compose(second: Permutation, first: Permutation) -> Permutation:
    """The permutation that does `first` and then `second`.

    `permute(s, compose(p, q), x) == permute(s, p, permute(s, q, x))`.
    """
    return {
        group: np.take_along_axis(np.asarray(first[group]), np.asarray(second[group]), axis=-1)
        for group in first
    }


def invert(permutation: Permutation) -> Permutation:
    """The permutation that undoes another: composed with it, nothing moves."""
    return {group: np.argsort(np.asarray(p), axis=-1) for group, p in permutation.items()}


def num_transpositions(permutation: Permutation) -> dict[str, Int[np.ndarray, "*batch"]]:
    r"""The fewest swaps that make up each group's permutation, $\mathrm{NoT}(p) = n - c(p)$.

    $n$ is the number of units and $c$ the number of cycles. Two unrelated networks already
    sit near `random_num_transpositions`: print that beside it.

    Source: Xiao, Liu and Bamler (2024), arXiv 2401.00611, section 3.
    """
    return {
        group: np.asarray(p.shape[-1] - _num_cycles(np.asarray(p)))
        for group, p in permutation.items()
    }


def _num_cycles(permutation: Int[np.ndarray, "*batch units"]) -> Int[np.ndarray, "*batch"]:
    # Pointer doubling: after k rounds a unit knows the smallest of the next 2^k on its cycle,
    # so units that find themselves smallest are one to a cycle.
    units = np.broadcast_to(np.arange(permutation.shape[-1]), permutation.shape)
    smallest, jump = units, permutation
    for _ in range(int(permutation.shape[-1]).bit_length()):
        smallest = np.minimum(smallest, np.take_along_axis(smallest, jump, axis=-1))
        jump = np.take_along_axis(jump, jump, axis=-1)
    return np.asarray(np.sum(smallest == units, axis=-1))


def random_num_transpositions(symmetry: Symmetry) -> tuple[float, float]:
    r"""Mean and standard deviation of the NoT of uniform permutations, summed over groups.

    $\mathrm E = n - H_n$ and $\mathrm{Var} = H_n - H_n^{(2)}$ for each group of $n$ units,
    with the harmonic numbers $H_n = \sum_k 1/k$ and $H_n^{(2)} = \sum_k 1/k^2$.
    """
    inverses = [1.0 / np.arange(1, size + 1) for size in symmetry.sizes.values()]
    mean = sum(len(inverse) - inverse.sum() for inverse in inverses)
    variance = sum((inverse - inverse**2).sum() for inverse in inverses)
    return float(mean), float(np.sqrt(variance))


def random_permutation(
    key: Key,
    symmetry: Symmetry,
    *batch: int,
    num_transpositions: int | dict[str, int] | None = None,
) -> Permutation:
    """A uniform random permutation of each group, or uniform among those of an exact NoT.

    Pass an int for a symmetry of one group, a dict otherwise; groups left out do not move.

    Raises: ValueError for a NoT outside [0, units - 1] or an unknown group.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    if num_transpositions is None:
        return {g: rng.permuted(p, axis=-1) for g, p in symmetry.identity(*batch).items()}
    wanted = _check_num_transpositions(num_transpositions, symmetry)
    drawn: Permutation = {}
    for group, size in symmetry.sizes.items():
        log_counts = _log_stirling(size)
        rows = [
            _permutation_with_cycles(rng, log_counts, size, size - wanted.get(group, 0))
            for _ in range(int(np.prod(batch, dtype=int)))
        ]
        drawn[group] = np.stack(rows).reshape(*batch, size)
    return drawn


def _check_num_transpositions(wanted: int | dict[str, int], symmetry: Symmetry) -> dict[str, int]:
    if not isinstance(wanted, dict):
        if len(symmetry.sizes) != 1:
            raise ValueError(
                "num_transpositions must be a dict where a symmetry has several groups. "
                f"Got {wanted} for groups {list(symmetry.sizes)}."
            )
        wanted = {next(iter(symmetry.sizes)): wanted}
    for group, count in wanted.items():
        if group not in symmetry.sizes:
            raise ValueError(
                f"num_transpositions must name groups of the symmetry, {list(symmetry.sizes)}. "
                f"Got {group!r}."
            )
        if not 0 <= count <= symmetry.sizes[group] - 1:
            raise ValueError(
                f"num_transpositions of {group!r} must lie in [0, {symmetry.sizes[group] - 1}] "
                f"(units - 1). Got {count}."
            )
    return wanted


def _log_stirling(size: int) -> Float[np.ndarray, "units_plus_1 cycles_plus_1"]:
    r"""Logarithms of the unsigned Stirling numbers of the first kind.

    $c(m, k) = c(m-1, k-1) + (m-1)\, c(m-1, k)$, the permutations of m units with k cycles.
    """
    table = np.full((size + 1, size + 1), -np.inf)
    table[0, 0] = 0.0
    for m in range(1, size + 1):
        with np.errstate(divide="ignore"):
            inserted = table[m - 1] + np.log(m - 1)
        table[m] = inserted
        table[m, 1:] = np.logaddexp(table[m - 1, :-1], inserted[1:])
    return table


def _permutation_with_cycles(
    rng: np.random.Generator,
    log_counts: Float[np.ndarray, "units_plus_1 cycles_plus_1"],
    size: int,
    num_cycles: int,
) -> Int[np.ndarray, " units"]:
    # Walk the recursion of the Stirling numbers from the last unit down: it either is a cycle
    # of its own or stands behind one of the units before it, in proportion to how many
    # permutations there are of each kind. That makes the draw uniform.
    stands_alone = np.zeros(size, bool)
    cycles = num_cycles
    for m in range(size, 0, -1):
        log_share = log_counts[m - 1, cycles - 1] - log_counts[m, cycles] if cycles else -np.inf
        if np.log(rng.random()) < log_share:
            stands_alone[m - 1] = True
            cycles -= 1
    permutation = np.arange(size)
    for unit in range(size):
        if not stands_alone[unit]:
            behind = rng.integers(unit)
            permutation[unit], permutation[behind] = permutation[behind], unit
    # The labels entered in a fixed order; the recursion already counts every labelling once.
    return permutation
