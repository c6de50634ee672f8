"""Slow and obviously right: what fast code is compared against, in float64."""

import itertools
import math

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.stats

from onebasin.symmetry import Permutation, Symmetry
from onebasin.types import Params


def all_permutations(num_units: int) -> np.ndarray:
    """Every permutation of the units, one a row."""
    return np.array(list(itertools.permutations(range(num_units))), int).reshape(-1, num_units)


def all_joint_permutations(symmetry: Symmetry) -> list[Permutation]:
    """Every combination of one permutation for each group."""
    rows = [all_permutations(size) for size in symmetry.sizes.values()]
    return [
        Permutation(dict(zip(symmetry.sizes, combination, strict=True)))
        for combination in itertools.product(*rows)
    ]


def permute_by_hand(symmetry: Symmetry, permutation: Permutation, params: Params) -> Params:
    """Nested dicts of params, each axis indexed by its group's permutation and then flipped."""
    flips = {
        place: permutation.signs[name]
        for name, sign in symmetry.signs.items()
        for place in sign.places
    }

    def go(axes, leaf, path):
        if isinstance(leaf, dict):
            return {name: go(axes[name], leaf[name], [*path, name]) for name in leaf}
        for axis, group in enumerate(axes.names):
            if group is not None:
                rows = np.moveaxis(leaf, axis, 0)[permutation.units[group]]
                signs = flips.get(("/".join(path), axis), np.ones(len(rows)))
                rows = rows * np.reshape(signs, (-1, *[1] * (rows.ndim - 1)))
                leaf = np.moveaxis(rows, 0, axis)
        return leaf

    return go(symmetry.axes, params, [])


def inner_product(first: Params, second: Params) -> float:
    """The inner product of two nested dicts of arrays, in float64."""
    if isinstance(first, dict):
        return sum(inner_product(first[name], second[name]) for name in first)
    return float(np.sum(np.asarray(first, np.float64) * np.asarray(second, np.float64)))


def best_objective(symmetry: Symmetry, target: Params, params: Params) -> float:
    """The largest inner product of target and permuted params over all permutations."""
    return max(
        inner_product(target, permute_by_hand(symmetry, permutation, params))
        for permutation in all_joint_permutations(symmetry)
    )


def assignment_objectives(similarity: np.ndarray) -> np.ndarray:
    """The sum of the chosen entries for every permutation, in the order of all_permutations."""
    rows = np.arange(len(similarity))
    return similarity[rows, all_permutations(len(similarity))].sum(axis=1)


def scipy_assignment_objective(similarity: np.ndarray) -> float:
    """The largest assignment objective by SciPy's solver."""
    rows, columns = scipy.optimize.linear_sum_assignment(similarity, maximize=True)
    return float(similarity[rows, columns].sum())


def count_cycles(permutation: np.ndarray) -> int:
    """The cycles of one permutation: connected components of the graph from unit to image."""
    size = len(permutation)
    edges = (np.ones(size), (np.arange(size), permutation))
    graph = scipy.sparse.coo_array(edges, (size, size))
    return scipy.sparse.csgraph.connected_components(graph, return_labels=False)


def stirling_first_kind(num_units: int, num_cycles: int) -> int:
    """The number of permutations with so many cycles, in exact integers."""
    row = [1]
    for m in range(num_units):
        row = [
            (row[k - 1] if k > 0 else 0) + (m * row[k] if k < len(row) else 0)
            for k in range(len(row) + 1)
        ]
    return row[num_cycles]


def uniform_num_transpositions(num_units: int) -> tuple[float, float]:
    """Mean and std of the NoT of a uniform permutation, summed over its exact distribution."""
    total = math.factorial(num_units)
    counts = range(num_units)
    shares = [stirling_first_kind(num_units, num_units - t) / total for t in counts]
    mean = sum(t * share for t, share in zip(counts, shares, strict=True))
    square = sum(t * t * share for t, share in zip(counts, shares, strict=True))
    return mean, math.sqrt(max(square - mean**2, 0.0))


def z_bound(failure_rate: float, num_comparisons: int = 1) -> float:
    """How many standard errors all comparisons stay within, but for this failure rate."""
    return float(scipy.stats.norm.isf(failure_rate / (2 * num_comparisons)))


def chi_square_bound(failure_rate: float, num_cells: int) -> float:
    """What the chi-square statistic of uniform counts stays below, but for this failure rate."""
    return float(scipy.stats.chi2.isf(failure_rate, num_cells - 1))
