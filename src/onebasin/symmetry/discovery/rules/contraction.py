"""dot_general: sums of products, in every form that einsum has."""

import itertools
from collections.abc import Sequence

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import keep_signs, unify
from onebasin.symmetry.discovery.rules.elementwise import unify_runs
from onebasin.symmetry.discovery.values import Runs, Value

Pairs = Sequence[tuple[int, int]]
"""Axes of two operands that list the same entries."""


def dot_general(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Batch axes first, then what is left of the first operand and of the second."""
    summed, batched = (
        list(zip(*pair, strict=True)) for pair in equation.params["dimension_numbers"]
    )
    return [contract(analysis, operands[0], operands[1], summed, batched)]


def contract(analysis: Analysis, one: Value, other: Value, summed: Pairs, batched: Pairs) -> Value:
    """Products over `batched` axes, summed over `summed` ones."""
    for i, j in (*summed, *batched):
        one, other = analysis.align([one, other], [i, j])
    free_one = _others(one, [i for i, _ in (*summed, *batched)])
    free_other = _others(other, [j for _, j in (*summed, *batched)])
    cuts = tuple(
        [one.cuts[i] for i, _ in batched]
        + [one.cuts[i] for i in free_one]
        + [other.cuts[j] for j in free_other]
    )
    blocks: dict[tuple[int, ...], Runs] = {}
    for (key, runs), (other_key, other_runs) in itertools.product(
        one.blocks.items(), other.blocks.items()
    ):
        if any(key[i] != other_key[j] for i, j in (*summed, *batched)):
            continue
        terms = [unify(runs[i], other_runs[j], is_product=True) for i, j in summed]
        for run in terms:
            keep_signs(run)
        left = tuple(
            [unify(runs[i], other_runs[j], is_product=True) for i, j in batched]
            + [runs[i] for i in free_one]
            + [other_runs[j] for j in free_other]
        )
        # Before the sum, entries are told apart by what is summed as well.
        analysis.meet(*left, *terms)
        place = tuple(
            [key[i] for i, _ in batched]
            + [key[i] for i in free_one]
            + [other_key[j] for j in free_other]
        )
        blocks[place] = unify_runs(blocks[place], left) if place in blocks else left
    return Value(cuts, blocks)


def _others(value: Value, axes: Sequence[int]) -> list[int]:
    return [axis for axis in range(value.ndim) if axis not in axes]


RULES: dict[str, Rule] = {"dot_general": dot_general}
