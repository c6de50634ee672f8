"""Analysis: walks through a jaxpr and keeps what is found on the way.

Rules, one for each primitive, say what a primitive does to the axes of its operands. What has no
rule keeps its order, which is always sound.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from onebasin.symmetry.discovery.labels import (
    Factor,
    Flat,
    Label,
    Marked,
    Origin,
    Run,
    freeze,
    frozen_like,
    frozen_run,
    keep_signs,
    labels_in,
    resolve,
    size_of,
    unmarked,
    with_mark,
)
from onebasin.symmetry.discovery.parity import Unknowns
from onebasin.symmetry.discovery.roles import Evidence
from onebasin.symmetry.discovery.values import FEW, Value, align, align_all, frozen, keys, whole

_CUT = "cut in pieces"


class Equation(NamedTuple):
    """A primitive with its parameters, the shapes that it gives, and which of them are read."""

    name: str
    params: dict[str, Any]
    shapes: list[tuple[int, ...]]
    is_read: list[bool]


Rule: TypeAlias = Callable[["Analysis", Equation, list[Value]], list[Value]]

_VIEWS = frozenset(
    {
        "slice", "split", "stack", "unstack", "reshape", "broadcast_in_dim", "squeeze",
        "transpose", "copy", "jit", "convert_element_type", "closed_call", "checkpoint",
        "custom_jvp_call", "custom_vjp_call",
    }
)  # fmt: skip
"""Primitives that hand entries on without using them."""


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

    def run(self, closed: ClosedJaxpr, arguments: Sequence[Value]) -> list[Value]:
        """The values that a jaxpr gives for these arguments."""
        return self.walk(closed.jaxpr, [constant(x) for x in closed.consts], arguments)

    def walk(
        self, jaxpr: Jaxpr, constants: Sequence[Value], arguments: Sequence[Value]
    ) -> list[Value]:
        """The same with constants that are given."""
        known: dict[Any, Value] = {}
        for variables, values in ((jaxpr.constvars, constants), (jaxpr.invars, arguments)):
            known |= dict(zip(variables, values, strict=True))
        read = lambda x: constant(x.val) if isinstance(x, Literal) else known[x]
        read_at_all = {x for eqn in jaxpr.eqns for x in eqn.invars if not isinstance(x, Literal)}
        read_at_all |= {x for x in jaxpr.outvars if not isinstance(x, Literal)}
        for eqn in jaxpr.eqns:
            operands = [read(x) for x in eqn.invars]
            shapes = [tuple(getattr(v.aval, "shape", ())) for v in eqn.outvars]
            is_read = [v in read_at_all for v in eqn.outvars]
            equation = Equation(eqn.primitive.name, eqn.params, shapes, is_read)
            found = self._apply(equation, operands)
            known |= dict(zip(eqn.outvars, found, strict=True))
        return [read(x) for x in jaxpr.outvars]

    def _apply(self, equation: Equation, operands: list[Value]) -> list[Value]:
        if equation.name not in _VIEWS:
            self.used.update(label for x in operands for runs in x.blocks.values()
                             for run in runs for label in labels_in(run))  # fmt: skip
        if self.unknowns is not None:
            operands = self.unknowns.of_operands(equation.name, equation.params, operands)
        given = operands
        if self.evidence is not None:
            operands = self.evidence.of_operands(equation.name, equation.params, operands)
        rule = self.rules.get(equation.name)
        if rule is None:
            self.notes[f"{equation.name}: unknown, so its operands keep their order"] = None
            found = self.keep_order(operands, equation, f"position-dependent: {equation.name}")
        else:
            found = rule(self, equation, operands)
        for value, shape in zip(found, equation.shapes, strict=True):
            assert value.shape == shape, (equation.name, value.shape, shape)
            for runs in value.blocks.values():
                self.meet(*runs)
        return (
            found if self.evidence is None else self.evidence.handed_on(equation.name, given, found)
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
        labels = tuple(label for run in runs for label in labels_in(run))
        if labels:
            self.met.append(labels + self._around)

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

        A label that comes from an argument is cut there in the next walk; in this one, and where
        it comes from nowhere, its entries keep their order.
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
        if first.frozen in (None, _CUT) and first.origin is not None:
            argument, axis, start, stride = first.origin
            self.wanted.add((argument, axis, start + stride * place))
        freeze((first,), _CUT)
        parts = [_part(first, start, stop) for start, stop in ((0, place), (place, first.size))]
        one, other = (with_mark(part, mark) for part in parts)
        return (one, *rest), (other, *rest)


def _part(label: Label, start: int, stop: int) -> Label:
    """A piece of a label whose entries keep their order; the same one each time."""
    origin = label.origin
    if origin is not None:
        origin = origin._replace(start=origin.start + start * origin.step)
    return label.parts.setdefault((start, stop), Label(stop - start, origin, label.frozen))


def constant(array: Any) -> Value:
    """An array that is part of the function: axes along which nothing changes are flat."""
    shape = np.shape(array)
    if not isinstance(array, np.ndarray | np.generic | jax.Array | int | float | complex):
        return frozen(shape, "a constant of the function")
    if isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return frozen(shape, "a constant of the function")
    array = np.asarray(array)
    runs = []
    for axis, size in enumerate(shape):
        changes = array.size and (array != array.take([0], axis)).any()
        run = frozen_run(size, "a constant of the function") if changes else (Flat(size),)
        runs.append(resolve(run))
    return whole(runs, shape)._replace(known=array if array.size <= FEW else None)


def argument(number: int, shape: Sequence[int], cuts: Sequence[set[int]]) -> Value:
    """An argument whose entries may be permuted; every block that it is cut into on its own."""
    segments = tuple(
        tuple(np.diff([0, *sorted(positions), size]).tolist())
        for size, positions in zip(shape, cuts, strict=True)
    )
    blocks = {}
    for key in keys(segments):
        starts = [sum(sizes[:at]) for sizes, at in zip(segments, key, strict=True)]
        sizes = [sizes[at] for sizes, at in zip(segments, key, strict=True)]
        blocks[key] = tuple(
            (Label(size, Origin(number, axis, start, 1)),) if size > 1 else ()
            for axis, (start, size) in enumerate(zip(starts, sizes, strict=True))
        )
    return Value(segments, blocks)
