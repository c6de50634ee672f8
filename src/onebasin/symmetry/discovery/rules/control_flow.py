"""Calls, branches and loops: the walk goes through the functions inside.

A loop hands arrays on from step to step, its *carry*. One walk through its body must hold for every
step, so the labels of the carry before and after a step are joined. Joining may change what the
body does to labels, so the body is walked through until nothing changes (a fixed point).
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.jax_names import CALLS, inner_function, scan_counts
from onebasin.symmetry.discovery.labels import (
    Factor,
    Factors,
    Flat,
    Label,
    frozen_axis,
    resolve,
    segments_of,
    without_marks,
)
from onebasin.symmetry.discovery.positions import freeze_positions
from onebasin.symmetry.discovery.roles import argument_axes
from onebasin.symmetry.discovery.rules.elementwise import unify_values
from onebasin.symmetry.discovery.rules.reduction import drop_axes
from onebasin.symmetry.discovery.unification import unify
from onebasin.symmetry.discovery.values import Value, drop_marks


def call(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """jit, checkpoint, custom_jvp_call, ...: out = f(operands). Labels do what they do inside f."""
    return analysis.interpret(inner_function(equation.params), operands)


def cond(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """cond: out[i] = branches[which](operands)[i]. Labels of i are joined over all branches.

    Which branch is taken is a scalar, which has no labels.
    """
    branches = [
        freeze_positions(analysis.interpret(branch, operands[1:]))
        for branch in equation.params["branches"]
    ]
    return [unify_values(analysis, results) for results in zip(*branches, strict=True)]


def while_(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """while: carry[i] = body(carry)[i], repeated while a test holds.

    Labels of i are joined before and after a step. The test sees the final carry.
    """
    params = equation.params
    num_test, num_body = params["cond_nconsts"], params["body_nconsts"]
    test, body = operands[:num_test], operands[num_test : num_test + num_body]

    def step(constants: Sequence[Value], carry: Sequence[Value]) -> list[Value]:
        return freeze_positions(analysis.interpret(params["body_jaxpr"], [*constants, *carry]))

    carry, _ = _fixed_point(analysis, step, body, operands[num_test + num_body :])
    analysis.interpret(params["cond_jaxpr"], [*test, *carry])
    return carry


def scan(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """scan: carry, ys[t] = body(constants, carry, xs[t]) for t = 0, 1, ...

    Labels of the carry are joined before and after a step. Those of the steps t are joined over all
    stacked operands xs, and are on the first axis of the stacked results ys; they are frozen if
    there is a carry, for then steps have an order. All other labels do what they do in the body.
    """
    params = equation.params
    num_consts, num_carry = scan_counts(params)
    start, stacked = operands[num_consts:][:num_carry], operands[num_consts + num_carry :]
    stacked = analysis.cut_axes_alike(stacked, [0] * len(stacked))
    for value in stacked:
        if analysis.evidence is not None and not value.is_data:
            analysis.evidence.record_making(value, [0])  # each step makes units of its own
    sizes = stacked[0].cuts[0] if stacked else (params["length"],)
    steps = _labels_of_steps(stacked, sizes, in_order=num_carry > 0)
    # One body reads all segments of the leading axis, so that their labels are joined.
    slices = [drop_axes(value, [0]) for value in stacked]

    def step(given: Sequence[Value], carry: Sequence[Value]) -> list[Value]:
        with analysis.repeated_along(steps[0] if len(steps) == 1 else ()):
            # Constants are the same for all steps, so that nothing in them is nested in a step.
            for value in given[:num_consts]:
                analysis.record_mixture(value)
            arguments = [*given[:num_consts], *carry, *given[num_consts:]]
            return analysis.interpret(params["jaxpr"], arguments)

    carry, results = _fixed_point(analysis, step, [*operands[:num_consts], *slices], start)
    return [*carry, *(_with_axis_of_steps(value, steps, sizes) for value in results)]


def _labels_of_steps(
    stacked: Sequence[Value], sizes: Sequence[int], *, in_order: bool
) -> list[Factors]:
    """The factors of the axis of steps, one for each segment of the stacked operands.

    Steps are frozen if they are `in_order`. Without stacked operands, all steps are equal.
    """
    steps = [
        frozen_axis(size, "steps of a loop") if in_order else resolve([Flat(size)])
        for size in sizes
    ]
    for value in stacked:
        for key, block in drop_marks(value).blocks.items():
            steps[key[0]] = unify(steps[key[0]], block[0])
    return steps


Step: TypeAlias = Callable[[Sequence[Value], Sequence[Value]], list[Value]]
"""The body of a loop: from what all steps are given, and the carry, to the next carry and more."""


def _fixed_point(
    analysis: Analysis, step: Step, given: Sequence[Value], start: Sequence[Value]
) -> tuple[list[Value], list[Value]]:
    """The carry of a loop that begins with `start`, and what else its steps give.

    Labels come first, without marks: each round hands them on by one array of the carry. A walk
    for signs or scales then gives the carry fresh variables, so that a single round suffices. A
    carry that begins with zeros may have any sign at first.
    """
    if analysis.evidence is not None:
        return _fixed_point_of_roles(analysis, step, given, start)
    # The carry begins with numbers that it does not have later.
    carry = [drop_marks(value)._replace(concrete=None) for value in start]
    plain, results = [drop_marks(value) for value in given], list[Value]()
    before: list[tuple[Any, ...]] | None = None
    while (now := _state_of([*plain, *carry])) != before:
        before, results = now, step(plain, carry)
        carry = [_join_carry(analysis, *pair) for pair in zip(carry, results, strict=False)]
    if analysis.constraints is not None:
        carry = [analysis.constraints.fresh_variables(value) for value in carry]
        for value, first in zip(carry, start, strict=True):
            if not first.is_zero:
                unify_values(analysis, [value, first])
        results = step(given, carry)
        carry = [_join_carry(analysis, *pair) for pair in zip(carry, results, strict=False)]
    return carry, results[len(carry) :]


def _fixed_point_of_roles(
    analysis: Analysis, step: Step, given: Sequence[Value], start: Sequence[Value]
) -> tuple[list[Value], list[Value]]:
    """As `_fixed_point`, for marks that say from which axes of the params entries come.

    It ends when a step adds no axis of the params to the carry, and makes no more of it data.
    """
    carry = [value._replace(concrete=None) for value in start]
    while True:
        results = step(given, carry)
        before = [argument_axes(value) for value in carry]
        carry = [_join_carry(analysis, *pair) for pair in zip(carry, results, strict=False)]
        if [argument_axes(value) for value in carry] == before:
            return carry, results[len(carry) :]


def _state_of(values: Sequence[Value]) -> list[tuple[Any, ...]]:
    """What is known of values: how they are cut, which labels are equal, split, cut or frozen.

    Two states can be compared. Labels are numbered by their first occurrence, because a step makes
    new labels and joins them with old ones.
    """
    numbers: dict[Label, int] = {}

    def described(factor: Factor) -> tuple[Any, ...]:
        (label,) = without_marks([factor])
        if isinstance(label, Flat):
            return (label,)
        sizes = [segment.size for segment in segments_of(label)]
        return numbers.setdefault(label, len(numbers)), label.frozen, sizes

    axes_of = lambda value: (factors for block in value.blocks.values() for factors in block)
    return [
        (value.cuts, [list(map(described, resolve(factors))) for factors in axes_of(value)])
        for value in values
    ]


def _join_carry(analysis: Analysis, before: Value, after: Value) -> Value:
    """An array of the carry, with its labels before and after a step joined."""
    joined = unify_values(analysis, [before, after])
    for block in joined.blocks.values():
        analysis.record_index_set(*block)
    return joined


def _with_axis_of_steps(value: Value, steps: Sequence[Factors], sizes: Sequence[int]) -> Value:
    """ys[t,i]: what the steps give, stacked along a first axis with the labels of the steps."""
    blocks = {
        (at, *key): (factors, *block)
        for at, factors in enumerate(steps)
        for key, block in value.blocks.items()
    }
    return Value((tuple(sizes), *value.cuts), blocks, is_data=value.is_data)


RULES: dict[str, Rule] = {
    **dict.fromkeys(CALLS, call),
    "cond": cond,
    "while": while_,
    "scan": scan,
}
