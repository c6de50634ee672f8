"""walk: from a function and its arguments to the labels of every block of its params."""

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr

from onebasin import _trees
from onebasin._types import Params
from onebasin.symmetry.axes_values import Roles
from onebasin.symmetry.discovery.analysis import Analysis
from onebasin.symmetry.discovery.labels import (
    MISFIT,
    Label,
    freeze,
    labels_in,
    leaves_of,
    resolve,
    smallest,
)
from onebasin.symmetry.discovery.parity import Place, Unknowns
from onebasin.symmetry.discovery.positions import settled
from onebasin.symmetry.discovery.roles import Evidence
from onebasin.symmetry.discovery.rules import RULES
from onebasin.symmetry.discovery.scales import Scales, Scaling
from onebasin.symmetry.discovery.sources import argument, given
from onebasin.symmetry.discovery.values import Value

_MOST_WALKS = 20
NOT_USED = "not used"


class Walked(NamedTuple):
    """What is known after the last walk.

    `leaves` are the params' values by path; `met` are labels that tell entries apart together;
    `roles` say what each axis does with units; `signs` are the places in leaves, by number, that
    change sign with units of a label.
    """

    leaves: dict[str, Value]
    met: list[Counter[Label]]
    notes: list[str]
    roles: Roles
    signs: list[tuple[Label, list[Place]]]


def walk(apply: Callable[..., Any], params: Params, *inputs: Any) -> Walked:
    """What the walks through a function find out: labels first, then roles, then signs."""
    known = _labelled(apply, params, *inputs)
    unknowns = Unknowns()
    asked = [unknowns.ask(number, value) for number, value in enumerate(known.leaves.values())]
    roles = _roles(known)
    _run(Analysis(RULES, unknowns), known.closed, [*asked, *known.others])
    first = known.analysis
    return Walked(known.leaves, _met(first), list(first.notes), roles, unknowns.solutions())


def roles_in(apply: Callable[..., Any], params: Params, *inputs: Any) -> Roles:
    """What each axis of the params does with units, by their paths."""
    return _roles(_labelled(apply, params, *inputs))


def scalings_in(apply: Callable[..., Any], params: Params, *inputs: Any) -> list[Scaling]:
    """All ways to scale a unit that leave the function as it is."""
    known, scales = _labelled(apply, params, *inputs), Scales()
    asked = [scales.ask(number, value) for number, value in enumerate(known.leaves.values())]
    _run(Analysis(RULES, scales), known.closed, [*asked, *known.others])
    return scales.scalings(known.leaves)


class _Labelled(NamedTuple):
    """A function whose arguments are cut as far as they have to be, and how that was seen."""

    closed: ClosedJaxpr
    leaves: dict[str, Value]
    others: list[Value]
    analysis: Analysis


def _labelled(apply: Callable[..., Any], params: Params, *inputs: Any) -> _Labelled:
    """Walk through a function until no argument has to be cut any further."""
    shapes = jax.eval_shape(lambda *args: args, params, *inputs)
    leaves = _trees.named_leaves(shapes[0])
    try:
        closed = jax.make_jaxpr(apply)(*shapes)
    except (jax.errors.ConcretizationTypeError, jax.errors.NonConcreteBooleanIndexError) as error:
        raise ValueError(
            "The shapes and branches of apply must not depend on the values of arrays. Got "
            f"{str(error).splitlines()[0]} Use jnp.where or lax.cond."
        ) from None
    cuts = [[set[int]() for _ in leaf.shape] for leaf in leaves.values()]
    values: list[Value] = []
    others: list[Value] = []
    analysis = Analysis(RULES)
    for _ in range(_MOST_WALKS):
        analysis = Analysis(RULES)
        values = [
            argument(number, leaf.shape, cuts[number])
            for number, leaf in enumerate(leaves.values())
        ]
        others = [
            given(aval.shape, "an axis of the inputs") for aval in closed.in_avals[len(leaves) :]
        ]
        for value in values:
            for runs in value.blocks.values():
                analysis.meet(*runs)
        _run(analysis, closed, [*values, *others])
        if not analysis.wanted:
            break
        for number, axis, position in analysis.wanted:
            cuts[number][axis].add(position)
    named = dict(zip(leaves, values, strict=True))
    _freeze_unused(named, analysis)
    _freeze_cut_in_two_ways(named)
    return _Labelled(closed, named, others, analysis)


def _roles(known: _Labelled) -> Roles:
    evidence = Evidence([value.shape for value in known.leaves.values()])
    asked = [evidence.ask(number, value) for number, value in enumerate(known.leaves.values())]
    data = [value._replace(is_data=True) for value in known.others]
    _run(Analysis(RULES, evidence=evidence), known.closed, [*asked, *data])
    return {leaf: evidence.roles(number) for number, leaf in enumerate(known.leaves)}


def _run(analysis: Analysis, closed: ClosedJaxpr, arguments: list[Value]) -> None:
    for value in settled(analysis.run(closed, arguments)):
        if analysis.evidence is not None:
            analysis.evidence.make(value)
        for axis in range(value.ndim):
            analysis.freeze_axis(value, axis, "reaches the output")


def _freeze_unused(leaves: dict[str, Value], analysis: Analysis) -> None:
    used = {one for label in analysis.used for one in smallest((label,))}
    for value in leaves.values():
        for runs in value.blocks.values():
            for run in runs:
                labels = smallest(run)
                if not used & set(labels):
                    freeze(run, NOT_USED)
                for label in labels:
                    # Of what lies inside of others, each segment is used or not.
                    if label not in resolve(run) and label not in used:
                        freeze((label,), NOT_USED)


def _freeze_cut_in_two_ways(leaves: dict[str, Value]) -> None:
    """Params that are cut on an axis and inside of units on one have no notation."""
    for value in leaves.values():
        if len(value.blocks) > 1:
            for runs in value.blocks.values():
                for run in runs:
                    for label in labels_in(run):
                        freeze(label.segments, "cut inside of units that move together")


def _met(analysis: Analysis) -> list[Counter[Label]]:
    """Labels that were met together, and how often each occurs there."""
    found = set()
    for labels in analysis.met:
        flat = [leaves_of(label) for one in labels for label in labels_in([one])]
        # Entries are in one segment or another.
        found |= {tuple(sorted(together, key=id)) for together in product(*flat)}
    return [Counter(labels) for labels in found]


def nesting(walked: Walked) -> dict[Label, list[Label]]:
    """For each label that may be permuted, those inside whose entries it may be, each anew.

    Entries of such a label are never met without one entry of the others.
    """
    around: dict[Label, set[Label]] = {}
    order: dict[Label, None] = {}
    for value in walked.leaves.values():
        for runs in value.blocks.values():
            order |= dict.fromkeys(label for run in runs for label in smallest(run))
    for together in walked.met:
        for label in together:
            if label.frozen is None:
                # Where a label occurs twice, which of its entries would hold this one's?
                others = {
                    one
                    for one, count in together.items()
                    if count == 1 and one is not label and one.frozen != MISFIT
                }
                around[label] = around[label] & others if label in around else set(others)
    kept: dict[Label, list[Label]] = {}
    # Last axes first: where each could be nested in the other, outer axes hold the inner ones.
    for label in reversed(order):
        if label.frozen is None:
            inside = [one for one in order if one in around.get(label, ())]
            kept[label] = [one for one in inside if not _reaches(kept, one, label)]
    return kept


def _reaches(kept: dict[Label, list[Label]], start: Label, goal: Label) -> bool:
    return start is goal or any(_reaches(kept, one, goal) for one in kept.get(start, ()))
