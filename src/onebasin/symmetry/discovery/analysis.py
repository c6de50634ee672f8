"""Analysis: one walk through a jaxpr, which gives a label to every axis of every array.

A walk evaluates the jaxpr of a function on `Value`s (see `values`). For each equation, the *rule*
of its primitive says what becomes of the labels of its operands (see `rules`). A primitive without
a rule freezes the labels of its operands: a symmetry may be missed, but none is invented.

**A network of two layers, step by step.** The params are w1 of shape (3, 4), b1 of shape (4,) and
w2 of shape (4, 2), the input is a batch x of shape (5, 3):

    apply = lambda params, x: relu(x @ params["w1"] + params["b1"]) @ params["w2"]

Each axis of an argument gets a label. Those of x are frozen from the start ("an axis of the
inputs"). Frozen labels are written in small letters, others in capital ones:

    b1 [A]        w1 [B, C]        w2 [D, E]        x [n, i]

    equation of the jaxpr                 result    what its rule does
    h[n,c] = sum_i x[n,i] w1[i,c]         [n, C]    contracts i with B: one label, now frozen
    b[1,c] = broadcast_in_dim b1[c]       [1, A]    adds an axis of length 1
    g[n,c] = h[n,c] + b[1,c]              [n, C]    joins C and A: one label of 4 units
    r[n,c] = max(g[n,c], 0)               [n, C]    keeps labels (relu is elementwise)
    y[n,e] = sum_c r[n,c] w2[c,e]         [n, E]    contracts C with D: one label
    the output is y                                 freezes n and E ("reaches the output")

The label C of 4 units is left free, and lies on b1's axis 0, w1's axis 1 and w2's axis 0. It is the
only group, named "b1" after the vector that lists it: `Axes("b1")`, `Axes(None, "b1")`,
`Axes("b1", None)`. Axis 0 of w1 and axis 1 of w2 are frozen, each with its reason.

Two things are recorded as well. The *index sets* are the labels that index one array together:
{n, C} of h, and {n, i, C} of the products before they are summed. `walk.nesting` reads off them
which groups may be permuted anew inside each unit of another one; no other free label is in the
sets of C, so it is nested in none. The *used* labels are those that some equation computed with: a
param that is only sliced and dropped is frozen as "not used".

The three later walks go through the same equations with marks on the labels (see `marks`):

- signs: variables s(b1), s(w1), s(w2) of 0 or 1 say whether an array flips with a unit. The sum
  needs s(w1) = s(b1), relu needs s(w1) = 0, and the last product s(w1) + s(w2) = 0 (mod 2). All are
  0, so no unit may flip. With tanh in place of relu the second condition falls away, and all three
  arrays flip together.
- scales: powers p(w1) = p(b1) and p(w1) + p(w2) = 0 are solved by 1, 1 and -1: a unit behind relu
  may be scaled by s > 0, if w2 is divided by s. With tanh, all powers are 0.
- roles: axis 0 of w1 is summed with data, so it *reads* units; axis 1 *makes* them, and so does b1.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Primitive

from onebasin.symmetry.discovery.folding import fold_constants
from onebasin.symmetry.discovery.jax_names import CALLS, INDICES, body_and_constants
from onebasin.symmetry.discovery.labels import (
    Factor,
    Factors,
    Flat,
    Label,
    Marked,
    freeze,
    frozen_like,
    labels_in,
    require_invariant,
    resolve,
    size_of,
    with_mark,
    without_marks,
)
from onebasin.symmetry.discovery.parity import SignConstraints, product_with_zero
from onebasin.symmetry.discovery.positions import (
    constant_choice,
    constant_comparison,
    freeze_positions,
    one_hot_axis,
    one_hot_mask,
    propagate_positions,
)
from onebasin.symmetry.discovery.provenance import with_provenance
from onebasin.symmetry.discovery.roles import RoleEvidence
from onebasin.symmetry.discovery.sources import constant_value
from onebasin.symmetry.discovery.unification import cut_label, range_of
from onebasin.symmetry.discovery.values import Value, cut_alike, cut_axes_alike, frozen_value

_CUT = "cut in pieces"


class Equation(NamedTuple):
    """An equation of a jaxpr: a primitive with its parameters.

    `shapes` are the shapes of its results, `is_read` whether each of them is used later.
    """

    primitive: Primitive
    params: dict[str, Any]
    shapes: list[tuple[int, ...]]
    is_read: list[bool]

    @property
    def name(self) -> str:
        """The name that JAX has for the primitive."""
        return self.primitive.name


Rule: TypeAlias = Callable[["Analysis", Equation, list[Value]], list[Value]]
"""What a primitive does to labels: from the analysis, an equation and its operands to results."""

_VIEWS = CALLS | {
    "slice", "split", "stack", "unstack", "reshape", "broadcast_in_dim", "squeeze", "transpose",
    "copy", "convert_element_type", "concatenate", "pad", "rev", "tile",
}  # fmt: skip
"""Primitives that move entries without computing with them, so that none counts as used."""

_TAKING_POSITIONS = CALLS | {"gather"}
"""Primitives whose rules handle operands that point to entries (see `positions`)."""


class Analysis:
    """One walk through a jaxpr, and what it records.

    With `constraints` the walk asks which entries may change sign, or be scaled; with `evidence`
    which axes make units and which read them. Both kinds of walk need arguments that are cut as far
    as earlier walks have requested.

    - `requested_cuts` are cuts that arguments need: (argument, axis, position). The walk has frozen
      those entries, so it has to be repeated with the arguments cut there.
    - `notes` are the warnings for the user, without repetitions.
    - `index_sets` are sets of labels that index one array together.
    - `used` are the labels of entries that some equation computed with.
    """

    def __init__(
        self,
        rules: dict[str, Rule],
        constraints: SignConstraints | None = None,
        evidence: RoleEvidence | None = None,
    ):
        self.rules = rules
        self.constraints = constraints
        self.evidence = evidence
        self.requested_cuts: set[tuple[int, int, int]] = set()
        self.notes: dict[str, None] = {}
        self.index_sets: list[tuple[Label, ...]] = []
        self.used: set[Label] = set()
        self._outer_labels: tuple[Label, ...] = ()

    def interpret(self, function: ClosedJaxpr | Jaxpr, arguments: Sequence[Value]) -> list[Value]:
        """Evaluate a jaxpr on values: the outputs that it has for these arguments.

        Equations on which no output depends are left out.
        """
        jaxpr, constants = body_and_constants(function)
        env: dict[Any, Value] = dict(zip(jaxpr.invars, arguments, strict=True))
        env |= {v: _constant(x, v.aval) for v, x in zip(jaxpr.constvars, constants, strict=True)}
        read = lambda x: _constant(x.val, x.aval) if isinstance(x, Literal) else env[x]
        equations, read_variables = _needed_equations(jaxpr)
        for eqn in equations:
            operands = [read(x) for x in eqn.invars]
            shapes = [tuple(getattr(v.aval, "shape", ())) for v in eqn.outvars]
            is_read = [v in read_variables for v in eqn.outvars]
            results = self._evaluate(Equation(eqn.primitive, eqn.params, shapes, is_read), operands)
            env |= dict(zip(eqn.outvars, results, strict=True))
        return [read(x) for x in jaxpr.outvars]

    def _evaluate(self, equation: Equation, operands: list[Value]) -> list[Value]:
        """The results of one equation: folded if they are constants, else by its rule.

        A later walk changes the marks of the operands before the rule sees them, as relu lets no
        sign through. The index sets of the results are recorded, and their provenance is set.
        """
        arrays = None
        if equation.name in self.rules:
            arrays = fold_constants(equation.primitive, equation.params, operands, equation.shapes)
        if arrays is not None:
            return [constant_value(array) for array in arrays]
        zeros = product_with_zero(equation.name, equation.params, operands, equation.shapes)
        if zeros is None:
            self._record_use(equation, operands)
        if self.constraints is not None:
            operands = self.constraints.constrain_operands(equation.name, equation.params, operands)
        given = operands
        if self.evidence is not None:
            operands = self.evidence.observe_operands(equation.name, equation.params, operands)
        results = self._apply_rule(equation, operands)
        if equation.name not in CALLS:
            results = with_provenance(equation.name, equation.params, given, results)
        for value, shape in zip(results, equation.shapes, strict=True):
            assert value.shape == shape, (equation.name, value.shape, shape)
            for block in value.blocks.values():
                self.record_index_set(*block)
        if self.evidence is not None:
            results = self.evidence.with_data_flags(equation.name, given, results)
        return results if zeros is None else [results[0]._replace(concrete=zeros)]

    def _apply_rule(self, equation: Equation, operands: list[Value]) -> list[Value]:
        """What the rule of a primitive gives; without a rule, all operands are frozen."""
        rule = self.rules.get(equation.name)
        if rule is None:
            self.notes[
                f"Only primitives with a rule can be followed. Got {equation.name!r}, which has "
                "none: its operands keep their order, so that symmetries may be missed. Compute "
                "it with other functions of jax.numpy, or declare the symmetry with Symmetry.of."
            ] = None
            reason = f"position-dependent: {equation.name}"
            return self.freeze_operands(freeze_positions(operands), equation, reason)
        is_pointing = any(value.positions is not None for value in operands)
        if not is_pointing or equation.name in _TAKING_POSITIONS:
            return rule(self, equation, operands)
        return self._apply_rule_to_positions(rule, equation, operands)

    def _apply_rule_to_positions(
        self, rule: Rule, equation: Equation, operands: list[Value]
    ) -> list[Value]:
        """What a rule gives if some operands point to entries (see `positions`)."""
        name, shape = equation.name, equation.shapes[0]
        answer, case = constant_comparison(name, operands, shape), constant_choice(name, operands)
        if answer is not None:
            return [constant_value(answer)]
        if case is not None and case.shape == shape:
            return [case]
        one_hot = one_hot_axis(name, operands)
        if one_hot is not None:
            return rule(self, equation, [*one_hot_mask(*one_hot, shape)])
        operands, positions = propagate_positions(name, equation.params, operands)
        return [x._replace(positions=positions) for x in rule(self, equation, operands)]

    def _record_use(self, equation: Equation, operands: Sequence[Value]) -> None:
        """Record the labels that an equation computes with; views and reads at indices do not."""
        used = [] if equation.name in _VIEWS else operands
        if equation.name in INDICES:
            used = operands[INDICES[equation.name]]
        self.used.update(
            label
            for value in used
            for block in value.blocks.values()
            for factors in block
            for label in labels_in(factors)
        )

    def freeze_operands(
        self, operands: list[Value], equation: Equation, reason: str
    ) -> list[Value]:
        """The results of a primitive that may be any function of its operands: all is frozen."""
        for value in operands:
            for axis in range(value.ndim):
                self.freeze_axis(value, axis, reason)
        return [frozen_value(shape, reason) for shape in equation.shapes]

    def freeze_axis(self, value: Value, axis: int, reason: str) -> None:
        """Freeze the labels along an axis in every block."""
        for factors in value.factors_at(axis):
            freeze(factors, reason)

    def record_index_set(self, *axes: Sequence[Factor]) -> None:
        """Record that the labels of these axes index the entries of one array together.

        For h[n, c] that is the set {n, c}. Inside of a loop, the labels of its steps belong to it.
        """
        labels = tuple(label for axis in axes for label in labels_in(axis)) + self._outer_labels
        if labels:
            self.index_sets.append(labels)

    def record_mixture(self, value: Value) -> Value:
        """The value itself; its labels are recorded without those of axes that were mixed.

        `value` lacks the axes along which a primitive mixes entries, or picks some of them. Inside
        of these no group may be nested: a running sum of v[i, k] along i adds entries of different
        i, so that a permutation of k has to be the same for every i.
        """
        for block in value.blocks.values():
            self.record_index_set(*block)
        return value

    @contextmanager
    def repeated_along(self, factors: Factors) -> Generator[None]:
        """Whatever is recorded meanwhile is indexed by an outer axis too, as the body of a scan."""
        before = self._outer_labels
        self._outer_labels = (*before, *labels_in(factors))
        yield
        self._outer_labels = before

    def cut_axes_alike(self, values: Sequence[Value], axes: Sequence[int]) -> list[Value]:
        """The values, `values[n]` cut on `axes[n]` at every position at which any of them is."""
        return cut_axes_alike(values, axes, self.cut)

    def cut_alike(self, values: Sequence[Value]) -> list[Value]:
        """Values of one shape, with every axis cut at every position at which any of them is."""
        return cut_alike(values, self.cut)

    def cut(self, factors: Factors, position: int) -> tuple[Factors, Factors]:
        """The factors of an axis before a position, and from the position on.

        The outermost factor is cut; it must be possible to do so between its entries, else all is
        frozen. What happens to its label depends on what it lists:

        - `Flat` entries are equal, so that both parts are flat.
        - A label that is the axis of an argument is frozen, and the cut is requested: the next walk
          begins with the argument cut there, and need not freeze it.
        - A label that lies inside of other units is cut into segments at once.
        """
        outermost, *rest = require_invariant(resolve(factors))
        step = size_of(rest)
        if position % step:
            freeze(factors, "cut inside of units that move together")
            size = size_of(factors)
            return frozen_like([factors], position, ""), frozen_like([factors], size - position, "")
        place = position // step
        sizes = (place, outermost.size - place)
        mark = outermost.mark if isinstance(outermost, Marked) else None
        (label,) = without_marks([outermost])
        if isinstance(label, Flat):
            return (Flat(sizes[0]), *rest), (Flat(sizes[1]), *rest)
        if label.frozen is None and label.origin is None:
            cut_label(label, place)
            ranges = ((0, place), (place, label.size))
            before, after = (with_mark(range_of(label, *ends), mark) for ends in ranges)
            return (before, *rest), (after, *rest)
        if label.frozen in (None, _CUT) and label.origin is not None:
            argument, axis, start, stride = label.origin
            self.requested_cuts.add((argument, axis, start + stride * place))
        freeze((label,), _CUT)
        parts = [
            _frozen_range(label, start, stop) for start, stop in ((0, place), (place, label.size))
        ]
        before, after = (with_mark(part, mark) for part in parts)
        return (before, *rest), (after, *rest)


def _needed_equations(jaxpr: Jaxpr) -> tuple[list[Any], set[Any]]:
    """The equations that outputs depend on or that have effects, in order, and what they read."""
    read = {x for x in jaxpr.outvars if not isinstance(x, Literal)}
    needed: list[Any] = []
    for eqn in reversed(jaxpr.eqns):
        if eqn.effects or any(v in read for v in eqn.outvars):
            needed.append(eqn)
            read.update(x for x in eqn.invars if not isinstance(x, Literal))
    return needed[::-1], read


def _constant(array: Any, aval: Any) -> Value:
    """The value of a literal or a constant of a jaxpr, with the dtype that the jaxpr gives it."""
    dtype = getattr(aval, "dtype", None)
    is_number = isinstance(dtype, np.dtype) and isinstance(
        array, np.ndarray | int | float | complex
    )
    return constant_value(np.asarray(array, dtype) if is_number else array)


def _frozen_range(label: Label, start: int, stop: int) -> Label:
    """The frozen label of entries `start` to `stop`; the same range has the same label."""
    origin = label.origin
    if origin is not None:
        origin = origin._replace(start=origin.start + start * origin.step)
    return label.ranges.setdefault((start, stop), Label(stop - start, origin, label.frozen))
