"""Permutations drawn at random: uniform, or uniform among those of an exact NoT."""

import math

import numpy as np
from jaxtyping import Float, Int

from onebasin._arguments import check_key
from onebasin._random import numpy_rng
from onebasin._words import did_you_mean
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.types import Key


def random_num_transpositions(symmetry: Symmetry) -> tuple[float, float]:
    r"""Mean and standard deviation of the NoT of uniform permutations, summed over groups.

    $\mathrm E = n - H_n$ and $\mathrm{Var} = H_n - H_n^{(2)}$ for each group of $n$ units,
    with the harmonic numbers $H_n = \sum_k 1/k$ and $H_n^{(2)} = \sum_k 1/k^2$.

    Examples:
        >>> mean, std = ob.symmetry.random_num_transpositions(symmetry)  # one group of 8 units
        >>> print(f"{mean:.2f} ± {std:.2f}")
        5.28 ± 1.09
    """
    inverses = [
        1.0 / np.arange(1, size + 1)
        for group, size in symmetry.sizes.items()
        for _ in range(math.prod(symmetry.around(group)))
    ]
    mean = sum(len(inverse) - inverse.sum() for inverse in inverses)
    variance = sum((inverse - inverse**2).sum() for inverse in inverses)
    return float(mean), float(np.sqrt(variance))


def random_permutation(
    symmetry: Symmetry,
    *batch: int,
    key: Key,
    num_transpositions: int | dict[str, int] | None = None,
) -> Permutation:
    """A uniform random permutation of each group, or uniform among those of an exact NoT.

    Args:
        symmetry: The groups and signs.
        batch: The shape of the batch axes; a single permutation without any.
        key: Fixes what is drawn.
        num_transpositions: How many transpositions each group's permutation must be apart from
            none: an int for a symmetry of one group, else a dict. Groups that it leaves out do
            not move, and nothing flips. Default: permutations and signs are uniform.

    Raises:
        ValueError: For a number outside [0, units - 1] or an unknown group.

    Examples:
        >>> swap = ob.symmetry.random_permutation(symmetry, key=key, num_transpositions=1)
        >>> int(swap.num_transpositions()["hidden_0"])
        1
    """
    check_key(key)
    rng = numpy_rng(key)
    still = symmetry.identity(*batch)
    if num_transpositions is None:
        units = {group: rng.permuted(p, axis=-1) for group, p in still.units.items()}
        signs = {name: p * rng.choice([-1, 1], p.shape) for name, p in still.signs.items()}
        return symmetry.joined(units, signs)
    wanted = _check_num_transpositions(num_transpositions, symmetry)
    drawn: dict[str, np.ndarray] = {}
    for group, size in symmetry.sizes.items():
        log_counts = _log_stirling(size)
        shape = (*batch, *symmetry.around(group))
        rows = [
            _permutation_with_cycles(rng, log_counts, size, size - wanted.get(group, 0))
            for _ in range(math.prod(shape))
        ]
        drawn[group] = np.stack(rows).reshape(*shape, size)
    return symmetry.joined(drawn, still.signs)


def _check_num_transpositions(wanted: int | dict[str, int], symmetry: Symmetry) -> dict[str, int]:
    if not isinstance(wanted, dict):
        if len(symmetry.sizes) != 1:
            raise ValueError(
                "num_transpositions must be a dict if a symmetry has several groups. "
                f"Got {wanted} for groups {list(symmetry.sizes)}."
            )
        wanted = {next(iter(symmetry.sizes)): wanted}
    for group, count in wanted.items():
        if group not in symmetry.sizes:
            raise ValueError(
                f"num_transpositions must name groups of the symmetry, {list(symmetry.sizes)}. "
                f"Got {group!r}.{did_you_mean(group, symmetry.sizes)}"
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
