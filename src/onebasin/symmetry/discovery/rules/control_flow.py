"""Calls, branches and loops: what is inside is walked through."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.jax_names import CALLS, inner_function, scan_counts
from onebasin.symmetry.discovery.labels import (
    Factor,
    Flat,
    Label,
    Run,
    frozen_run,
    leaves_of,
    resolve,
    unify,
    unmarked,
)
from onebasin.symmetry.discovery.parity import unsigned
from onebasin.symmetry.discovery.positions import settled
from onebasin.symmetry.discovery.roles import origins
from onebasin.symmetry.discovery.rules.elementwise import unify_all
from onebasin.symmetry.discovery.rules.reduction import forget
from onebasin.symmetry.discovery.values import Value


def call(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """A function within the function."""
    return analysis.run(inner_function(equation.params), operands)


def cond(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Whatever branch is taken, what it gives meets what the others give."""
    branches = [settled(analysis.run(one, operands[1:])) for one in equation.params["branches"]]
    return [unify_all(analysis, some) for some in zip(*branches, strict=True)]


def while_(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """What a step gives is what the next one begins with."""
    params = equation.params
    num_test, num_body = params["cond_nconsts"], params["body_nconsts"]
    test, body = operands[:num_test], operands[num_test : num_test + num_body]

    def step(constants: Sequence[Value], carry: Sequence[Value]) -> list[Value]:
        return settled(analysis.run(params["body_jaxpr"], [*constants, *carry]))

    carry, _ = _repeat(analysis, step, body, operands[num_test + num_body :])
    analysis.run(params["cond_jaxpr"], [*test, *carry])
    return carry


def scan(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """As `while`; what is read and written step by step differs from step to step."""
    params = equation.params
    num_consts, num_carry = scan_counts(params)
    start, stacked = operands[num_consts:][:num_carry], operands[num_consts + num_carry :]
    stacked = analysis.align(stacked, [0] * len(stacked))
    for value in stacked:
        if analysis.evidence is not None and not value.is_data:
            analysis.evidence.make(value, [0])  # each step makes units of its own
    sizes = stacked[0].cuts[0] if stacked else (params["length"],)
    steps = _steps(stacked, sizes, in_order=num_carry > 0)
    # Segments of the leading axis meet, for one body reads them all.
    slices = [forget(value, [0]) for value in stacked]

    def step(given: Sequence[Value], carry: Sequence[Value]) -> list[Value]:
        with analysis.inside(steps[0] if len(steps) == 1 else ()):
            # What all steps are given holds the entries of other steps beside their own.
            for value in given[:num_consts]:
                analysis.mix(value)
            return analysis.run(params["jaxpr"], [*given[:num_consts], *carry, *given[num_consts:]])

    carry, found = _repeat(analysis, step, [*operands[:num_consts], *slices], start)
    return [*carry, *(_with_steps(value, steps, sizes) for value in found)]


def _steps(stacked: Sequence[Value], sizes: Sequence[int], *, in_order: bool) -> list[Run]:
    """What lies along the steps of a loop, in each segment of what it reads step by step.

    Where nothing is handed on, steps have no order; where nothing is read either, they are equal.
    """
    steps = [
        frozen_run(size, "steps of a loop") if in_order else resolve([Flat(size)]) for size in sizes
    ]
    for value in stacked:
        for key, runs in unsigned(value).blocks.items():
            steps[key[0]] = unify(steps[key[0]], runs[0])
    return steps


Step: TypeAlias = Callable[[Sequence[Value], Sequence[Value]], list[Value]]
"""A step of a loop: from what all steps are given and what is handed on to what it gives."""


def _repeat(
    analysis: Analysis, step: Step, given: Sequence[Value], start: Sequence[Value]
) -> tuple[list[Value], list[Value]]:
    """What a loop hands on from step to step, and what else its steps give."""
    if analysis.evidence is not None:
        return _followed(analysis, step, given, start)
    # What a loop begins with holds other numbers later.
    carry = [unsigned(value)._replace(known=None) for value in start]
    plain, found = [unsigned(value) for value in given], list[Value]()
    before: list[tuple[Any, ...]] | None = None
    while (now := _content([*plain, *carry])) != before:  # each round hands labels on by one array
        before, found = now, step(plain, carry)
        carry = [_meet(analysis, *pair) for pair in zip(carry, found, strict=False)]
    if analysis.unknowns is not None:
        carry = [analysis.unknowns.ask_again(value) for value in carry]
        for value, first in zip(carry, start, strict=True):
            if not first.is_zero:  # zeros have any sign
                unify_all(analysis, [value, first])
        found = step(given, carry)
        carry = [_meet(analysis, *pair) for pair in zip(carry, found, strict=False)]
    return carry, found[len(carry) :]


def _followed(
    analysis: Analysis, step: Step, given: Sequence[Value], start: Sequence[Value]
) -> tuple[list[Value], list[Value]]:
    """The same, where each step hands on what comes from arguments and what depends on data."""
    carry = [value._replace(known=None) for value in start]
    while True:
        found = step(given, carry)
        before = [origins(value) for value in carry]
        carry = [_meet(analysis, *pair) for pair in zip(carry, found, strict=False)]
        if [origins(value) for value in carry] == before:
            return carry, found[len(carry) :]


def _content(values: Sequence[Value]) -> list[tuple[Any, ...]]:
    """What values hold by now: how they are cut, and which labels are the same, split or frozen.

    Labels are told apart by where they come first, as steps make some of their own and join them.
    """
    numbers: dict[Label, int] = {}

    def described(factor: Factor) -> tuple[Any, ...]:
        (label,) = unmarked([factor])
        if isinstance(label, Flat):
            return (label,)
        sizes = [leaf.size for leaf in leaves_of(label)]
        return numbers.setdefault(label, len(numbers)), label.frozen, sizes

    runs_in = lambda value: (run for runs in value.blocks.values() for run in runs)
    return [
        (value.cuts, [list(map(described, resolve(run))) for run in runs_in(value)])
        for value in values
    ]


def _meet(analysis: Analysis, one: Value, other: Value) -> Value:
    found = unify_all(analysis, [one, other])
    for runs in found.blocks.values():
        analysis.meet(*runs)
    return found


def _with_steps(value: Value, steps: Sequence[Run], sizes: Sequence[int]) -> Value:
    blocks = {
        (at, *key): (run, *runs)
        for at, run in enumerate(steps)
        for key, runs in value.blocks.items()
    }
    return Value((tuple(sizes), *value.cuts), blocks, is_data=value.is_data)


RULES: dict[str, Rule] = {
    **dict.fromkeys(CALLS, call),
    "cond": cond,
    "while": while_,
    "scan": scan,
}
