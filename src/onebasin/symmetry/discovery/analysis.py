"""Analysis: walks through a jaxpr and keeps what is found on the way.

Rules, one for each primitive, say what a primitive does to the axes of its operands. What has no
rule keeps its order, which is always sound.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Primitive

from onebasin.symmetry.discovery.folding import folded
from onebasin.symmetry.discovery.jax_names import CALLS, INDICES, body_and_constants
from onebasin.symmetry.discovery.labels import (
    Factor,
    Flat,
    Label,
    Marked,
    Run,
    divide,
    freeze,
    frozen_like,
    keep_signs,
    labels_in,
    part_of,
    resolve,
    size_of,
    unmarked,
    with_mark,
)
from onebasin.symmetry.discovery.parity import Unknowns, known_product
from onebasin.symmetry.discovery.positions import (
    answered,
    chosen,
    handed_on,
    marked,
    mask_of,
    settled,
)
from onebasin.symmetry.discovery.provenance import with_provenance
from onebasin.symmetry.discovery.roles import Evidence
from onebasin.symmetry.discovery.sources import constant
from onebasin.symmetry.discovery.values import Value, align, align_all, frozen

_CUT = "cut in pieces"


class Equation(NamedTuple):
    """A primitive with its parameters, the shapes that it gives, and which of them are read."""

    primitive: Primitive
    params: dict[str, Any]
    shapes: list[tuple[int, ...]]
    is_read: list[bool]

    @property
    def name(self) -> str:
        """What JAX calls the primitive."""
        return self.primitive.name


Rule: TypeAlias = Callable[["Analysis", Equation, list[Value]], list[Value]]

_VIEWS = CALLS | {
    "slice", "split", "stack", "unstack", "reshape", "broadcast_in_dim", "squeeze", "transpose",
    "copy", "convert_element_type", "concatenate", "pad", "rev", "tile",
}  # fmt: skip
"""Primitives that hand entries on without using them."""

_TAKING_POSITIONS = CALLS | {"gather"}
"""Primitives whose rules know of numbers that say which entry of an axis is meant."""


class Analysis:
    """One walk: which labels met, which were used, and where arguments should have been cut.

    With `unknowns` it asks what may change sign, with `evidence` what makes units and what reads
    them; both walks come last.
    """

    def __init__(
        self,
        rules: dict[str, Rule],
        unknowns: Unknowns | None = None,
        evidence: Evidence | None = None,
    ):
        self.rules = rules
        self.unknowns = unknowns
        self.evidence = evidence
        self.wanted: set[tuple[int, int, int]] = set()
        self.notes: dict[str, None] = {}
        self.met: list[tuple[Label, ...]] = []
        self.used: set[Label] = set()
        self._around: tuple[Label, ...] = ()

    def run(self, function: ClosedJaxpr | Jaxpr, arguments: Sequence[Value]) -> list[Value]:
        """The values that a jaxpr gives for these arguments."""
        jaxpr, constants = body_and_constants(function)
        known: dict[Any, Value] = dict(zip(jaxpr.invars, arguments, strict=True))
        known |= {v: _typed(x, v.aval) for v, x in zip(jaxpr.constvars, constants, strict=True)}
        read = lambda x: _typed(x.val, x.aval) if isinstance(x, Literal) else known[x]
        equations, read_at_all = _needed(jaxpr)
        for eqn in equations:
            operands = [read(x) for x in eqn.invars]
            shapes = [tuple(getattr(v.aval, "shape", ())) for v in eqn.outvars]
            is_read = [v in read_at_all for v in eqn.outvars]
            found = self._apply(Equation(eqn.primitive, eqn.params, shapes, is_read), operands)
            known |= dict(zip(eqn.outvars, found, strict=True))
        return [read(x) for x in jaxpr.outvars]

    def _apply(self, equation: Equation, operands: list[Value]) -> list[Value]:
        numbers = None
        if equation.name in self.rules:
            numbers = folded(equation.primitive, equation.params, operands, equation.shapes)
        if numbers is not None:
            return [constant(array) for array in numbers]
        product = known_product(equation.name, equation.params, operands, equation.shapes)
        if product is None:
            self._use(equation, operands)
        if self.unknowns is not None:
            operands = self.unknowns.of_operands(equation.name, equation.params, operands)
        given = operands
        if self.evidence is not None:
            operands = self.evidence.of_operands(equation.name, equation.params, operands)
        found = self._ruled(equation, operands)
        if equation.name not in CALLS:
            found = with_provenance(equation.name, equation.params, given, found)
        for value, shape in zip(found, equation.shapes, strict=True):
            assert value.shape == shape, (equation.name, value.shape, shape)
            for runs in value.blocks.values():
                self.meet(*runs)
        if self.evidence is not None:
            found = self.evidence.handed_on(equation.name, given, found)
        return found if product is None else [found[0]._replace(known=product)]

    def _ruled(self, equation: Equation, operands: list[Value]) -> list[Value]:
        rule = self.rules.get(equation.name)
        if rule is None:
            self.notes[f"{equation.name}: unknown, so its operands keep their order"] = None
            reason = f"position-dependent: {equation.name}"
            return self.keep_order(settled(operands), equation, reason)
        is_pointing = any(value.positions is not None for value in operands)
        if not is_pointing or equation.name in _TAKING_POSITIONS:
            return rule(self, equation, operands)
        return self._at_positions(rule, equation, operands)

    def _at_positions(self, rule: Rule, equation: Equation, operands: list[Value]) -> list[Value]:
        name, shape = equation.name, equation.shapes[0]
        answer, case = answered(name, operands, shape), chosen(name, operands)
        if answer is not None:
            return [constant(answer)]
        if case is not None and case.shape == shape:
            return [case]
        mask = marked(name, operands)
        if mask is not None:
            return rule(self, equation, [*mask_of(*mask, shape)])
        operands, positions = handed_on(name, equation.params, operands)
        return [x._replace(positions=positions) for x in rule(self, equation, operands)]

    def _use(self, equation: Equation, operands: Sequence[Value]) -> None:
        used = [] if equation.name in _VIEWS else operands
        if equation.name in INDICES:
            used = operands[INDICES[equation.name]]  # all others are handed on
        self.used.update(
            label
            for value in used
            for runs in value.blocks.values()
            for run in runs
            for label in labels_in(run)
        )

    def keep_order(self, operands: list[Value], equation: Equation, reason: str) -> list[Value]:
        """What a primitive gives of which nothing is known but that it is a function."""
        for value in operands:
            for axis in range(value.ndim):
                self.freeze_axis(value, axis, reason)
        return [frozen(shape, reason) for shape in equation.shapes]

    def freeze_axis(self, value: Value, axis: int, reason: str) -> None:
        """All entries along an axis keep their order."""
        for run in value.at(axis):
            freeze(run, reason)

    def meet(self, *runs: Sequence[Factor]) -> None:
        """Entries of these axes are told apart by all of their labels together."""
        labels = tuple(label for run in runs for label in labels_in(run)) + self._around
        if labels:
            self.met.append(labels)

    def mix(self, value: Value) -> Value:
        """A value whose entries are from now on made of, or in place of, those of others.

        It lacks the axes along which they were mixed: inside of these nothing is nested.
        """
        for runs in value.blocks.values():
            self.meet(*runs)
        return value

    @contextmanager
    def inside(self, run: Run) -> Generator[None]:
        """Whatever is met meanwhile is met once for each entry of an axis, as in a scan."""
        before = self._around
        self._around = (*before, *labels_in(run))
        yield
        self._around = before

    def align(self, values: Sequence[Value], axes: Sequence[int]) -> list[Value]:
        """Values of which one axis each is cut where any of them is."""
        return align(values, axes, self.cut)

    def align_all(self, values: Sequence[Value]) -> list[Value]:
        """Values of one shape, cut alike on every axis."""
        return align_all(values, self.cut)

    def cut(self, run: Run, position: int) -> tuple[Run, Run]:
        """A run before and from a position on.

        A label that comes from an argument is cut there in the next walk, and keeps its order in
        this one; one that lies inside of others consists of segments from then on.
        """
        given, *rest = keep_signs(resolve(run))
        step = size_of(rest)
        if position % step:
            freeze(run, "cut inside of units that move together")
            size = size_of(run)
            return frozen_like([run], position, ""), frozen_like([run], size - position, "")
        place = position // step
        sizes = (place, given.size - place)
        mark = given.mark if isinstance(given, Marked) else None
        (first,) = unmarked([given])
        if isinstance(first, Flat):
            return (Flat(sizes[0]), *rest), (Flat(sizes[1]), *rest)
        if first.frozen is None and first.origin is None:
            divide(first, place)
            ranges = ((0, place), (place, first.size))
            before, after = (with_mark(part_of(first, *ends), mark) for ends in ranges)
            return (before, *rest), (after, *rest)
        if first.frozen in (None, _CUT) and first.origin is not None:
            argument, axis, start, stride = first.origin
            self.wanted.add((argument, axis, start + stride * place))
        freeze((first,), _CUT)
        parts = [_part(first, start, stop) for start, stop in ((0, place), (place, first.size))]
        one, other = (with_mark(part, mark) for part in parts)
        return (one, *rest), (other, *rest)


def _needed(jaxpr: Jaxpr) -> tuple[list[Any], set[Any]]:
    """The equations on which the outputs depend, in their order, and the variables they read."""
    read = {x for x in jaxpr.outvars if not isinstance(x, Literal)}
    needed: list[Any] = []
    for eqn in reversed(jaxpr.eqns):
        if eqn.effects or any(v in read for v in eqn.outvars):
            needed.append(eqn)
            read.update(x for x in eqn.invars if not isinstance(x, Literal))
    return needed[::-1], read


def _typed(array: Any, aval: Any) -> Value:
    """A number or an array of the program, in the type that the program has for it."""
    dtype = getattr(aval, "dtype", None)
    is_number = isinstance(dtype, np.dtype) and isinstance(
        array, np.ndarray | int | float | complex
    )
    return constant(np.asarray(array, dtype) if is_number else array)


def _part(label: Label, start: int, stop: int) -> Label:
    """A piece of a label whose entries keep their order; the same one each time."""
    origin = label.origin
    if origin is not None:
        origin = origin._replace(start=origin.start + start * origin.step)
    return label.parts.setdefault((start, stop), Label(stop - start, origin, label.frozen))
