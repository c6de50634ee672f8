"""Contractions: `dot_general`, the sum of products that einsum, matmul and tensordot become."""

import itertools
from collections.abc import Sequence
from typing import Any

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import require_invariant
from onebasin.symmetry.discovery.rules.elementwise import unify_blocks
from onebasin.symmetry.discovery.unification import unify
from onebasin.symmetry.discovery.values import Block, Value

Pairs = Sequence[tuple[int, int]]
"""Axes of the left and of the right operand that have one index: (0, 1) for i in a[i,k] b[j,i]."""


def dot_general(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """dot_general: out[b,i,j] = sum_k lhs[b,i,k] rhs[b,k,j].

    Labels of k are contracted (they must agree), labels of b are joined, labels of i and j pass
    through. Each of b, i, j and k stands for any number of axes.
    """
    summed, batched = (
        list(zip(*axes, strict=True)) for axes in equation.params["dimension_numbers"]
    )
    return [contract(analysis, operands[0], operands[1], summed, batched)]


def contract(analysis: Analysis, left: Value, right: Value, summed: Pairs, batched: Pairs) -> Value:
    """out[b,i,j] = sum_k left[b,i,k] right[b,k,j], with k the `summed` and b the `batched` axes.

    Axes of the result are b, the other axes i of the left operand, and those j of the right one.
    Blocks are paired if they lie in the same segments of b and k. Those that differ in k alone are
    added up, so that their labels of b, i and j are joined.
    """
    paired = (*summed, *batched)
    for i, j in paired:
        left, right = analysis.cut_axes_alike([left, right], [i, j])
    free_left = _axes_except(left, [i for i, _ in paired])
    free_right = _axes_except(right, [j for _, j in paired])

    def arrange(of_left: Sequence[Any], of_right: Sequence[Any]) -> tuple[Any, ...]:
        """An item for each axis of the result, from one for each axis of the operands."""
        of_batch = [of_left[i] for i, _ in batched]
        return (*of_batch, *(of_left[i] for i in free_left), *(of_right[j] for j in free_right))

    blocks: dict[tuple[int, ...], Block] = {}
    for (left_key, left_block), (right_key, right_block) in itertools.product(
        left.blocks.items(), right.blocks.items()
    ):
        if any(left_key[i] != right_key[j] for i, j in paired):
            continue
        terms = [unify(left_block[i], right_block[j], is_product=True) for i, j in summed]
        for factors in terms:
            require_invariant(factors)
        batch = [unify(left_block[i], right_block[j], is_product=True) for i, j in batched]
        block: Block = (*batch, *arrange(left_block, right_block)[len(batch) :])
        # Products that are not summed yet are indexed by k as well.
        analysis.record_index_set(*block, *terms)
        key = arrange(left_key, right_key)
        blocks[key] = unify_blocks(blocks[key], block) if key in blocks else block
    return Value(arrange(left.cuts, right.cuts), blocks)


def _axes_except(value: Value, axes: Sequence[int]) -> list[int]:
    return [axis for axis in range(value.ndim) if axis not in axes]


RULES: dict[str, Rule] = {"dot_general": dot_general}
