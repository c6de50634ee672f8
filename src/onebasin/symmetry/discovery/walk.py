"""walk: from a function and its arguments to the labels of every block of its params.

The function is traced once to a jaxpr. Then it is walked through several times (see `analysis`):

1. *Labels.* Every axis of the params begins with a free label. If a walk finds that an argument
   has to be cut, as `params["qkv"][:, :8]` cuts it at 8, the walk is repeated with an argument of
   several blocks, until no more cuts are requested. Labels of outputs are frozen, and so are those
   that no equation used.
2. *Roles* and *signs*: two more walks with marks on the labels (see `marks`). `scalings_in` takes
   the walk for scales, which only `balance` needs.
3. *Nesting* is read off the index sets of the last walk for labels.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr

from onebasin import _trees
from onebasin.symmetry.axes_values import Roles
from onebasin.symmetry.discovery.analysis import Analysis
from onebasin.symmetry.discovery.labels import (
    MISFIT,
    Label,
    freeze,
    labels_in,
    resolve,
    segment_labels,
    segments_of,
)
from onebasin.symmetry.discovery.parity import MarkedFactor, SignConstraints
from onebasin.symmetry.discovery.positions import freeze_positions
from onebasin.symmetry.discovery.roles import RoleEvidence
from onebasin.symmetry.discovery.rules import RULES
from onebasin.symmetry.discovery.scales import ScaleConstraints, Scaling
from onebasin.symmetry.discovery.sources import given_value, param_value
from onebasin.symmetry.discovery.values import Value
from onebasin.types import Params

_MAX_WALKS = 20
NOT_USED = "not used"
"""The reason for freezing labels with which no equation computes."""


class WalkResult(NamedTuple):
    """What is known of a function after all walks.

    - `leaves` are the values of the params by path: their labels are the result.
    - `index_sets` are the sets of labels that index one array together, with how often each label
      occurs (twice in a square array of one label).
    - `notes` are warnings for the user.
    - `roles` say which axes make units and which read them.
    - `signs` are the places in the params that change sign with the units of a label.
    """

    leaves: dict[str, Value]
    index_sets: list[Counter[Label]]
    notes: list[str]
    roles: Roles
    signs: list[tuple[Label, list[MarkedFactor]]]


def walk(apply: Callable[..., Any], params: Params, *inputs: Any) -> WalkResult:
    """The labels, roles and signs of a function's params. Arguments may be shapes.

    Raises:
        ValueError: If shapes or branches of the function depend on the values of arrays.
    """
    labelled = _label_arguments(apply, params, *inputs)
    constraints = SignConstraints()
    params_with_signs = _new_variables(constraints, labelled)
    roles = _find_roles(labelled)
    arguments = [*params_with_signs, *labelled.inputs]
    _walk(Analysis(RULES, constraints), labelled.closed, arguments)
    analysis = labelled.analysis
    return WalkResult(
        labelled.leaves,
        _expanded_index_sets(analysis),
        list(analysis.notes),
        roles,
        constraints.solutions(),
    )


def roles_in(apply: Callable[..., Any], params: Params, *inputs: Any) -> Roles:
    """The role of each axis of the params, by the path of the leaf."""
    return _find_roles(_label_arguments(apply, params, *inputs))


def scalings_in(apply: Callable[..., Any], params: Params, *inputs: Any) -> list[Scaling]:
    """Independent ways to scale units that leave the function as it is."""
    labelled, constraints = _label_arguments(apply, params, *inputs), ScaleConstraints()
    arguments = [*_new_variables(constraints, labelled), *labelled.inputs]
    _walk(Analysis(RULES, constraints), labelled.closed, arguments)
    return constraints.scalings(labelled.leaves)


class _LabelledFunction(NamedTuple):
    """A traced function with arguments that are cut as far as needed.

    `leaves` are its params by path, `inputs` its other arguments, `analysis` the last walk.
    """

    closed: ClosedJaxpr
    leaves: dict[str, Value]
    inputs: list[Value]
    analysis: Analysis


def _label_arguments(apply: Callable[..., Any], params: Params, *inputs: Any) -> _LabelledFunction:
    """Walk through a function until no argument has to be cut any further."""
    shapes = jax.eval_shape(lambda *args: args, params, *inputs)
    leaves = _trees.named_leaves(shapes[0])
    closed = _trace(apply, shapes)
    cuts = [[set[int]() for _ in leaf.shape] for leaf in leaves.values()]
    values: list[Value] = []
    input_values: list[Value] = []
    analysis = Analysis(RULES)
    for _ in range(_MAX_WALKS):
        analysis = Analysis(RULES)
        values = [
            param_value(number, leaf.shape, cuts[number])
            for number, leaf in enumerate(leaves.values())
        ]
        input_values = [
            given_value(aval.shape, "an axis of the inputs")
            for aval in closed.in_avals[len(leaves) :]
        ]
        for value in values:
            for block in value.blocks.values():
                analysis.record_index_set(*block)
        _walk(analysis, closed, [*values, *input_values])
        if not analysis.requested_cuts:
            break
        for number, axis, position in analysis.requested_cuts:
            cuts[number][axis].add(position)
    named = dict(zip(leaves, values, strict=True))
    _freeze_unused(named, analysis)
    _freeze_cut_in_two_ways(named)
    return _LabelledFunction(closed, named, input_values, analysis)


def _trace(apply: Callable[..., Any], shapes: tuple[Any, ...]) -> ClosedJaxpr:
    """The jaxpr of a function for arguments of these shapes."""
    try:
        return jax.make_jaxpr(apply)(*shapes)
    except (jax.errors.ConcretizationTypeError, jax.errors.NonConcreteBooleanIndexError) as error:
        raise ValueError(
            "The shapes and branches of apply must not depend on the values of arrays. Got "
            f"{str(error).splitlines()[0]} Use jnp.where or lax.cond."
        ) from None


def _find_roles(labelled: _LabelledFunction) -> Roles:
    """The walk for roles: params have a mark on every axis, and all other inputs are data."""
    evidence = RoleEvidence([value.shape for value in labelled.leaves.values()])
    params = [evidence.mark_argument(n, value) for n, value in enumerate(labelled.leaves.values())]
    data = [value._replace(is_data=True) for value in labelled.inputs]
    _walk(Analysis(RULES, evidence=evidence), labelled.closed, [*params, *data])
    return {leaf: evidence.roles(number) for number, leaf in enumerate(labelled.leaves)}


def _new_variables(constraints: SignConstraints, labelled: _LabelledFunction) -> list[Value]:
    """The params with a variable on every free label, as the walks for signs and scales need."""
    return [
        constraints.new_variables(number, value)
        for number, value in enumerate(labelled.leaves.values())
    ]


def _walk(analysis: Analysis, closed: ClosedJaxpr, arguments: list[Value]) -> None:
    """One walk through the function, whose outputs keep their order and do not change."""
    for value in freeze_positions(analysis.interpret(closed, arguments)):
        if analysis.evidence is not None:
            analysis.evidence.record_making(value)
        for axis in range(value.ndim):
            analysis.freeze_axis(value, axis, "reaches the output")


def _freeze_unused(leaves: dict[str, Value], analysis: Analysis) -> None:
    """Freeze axes of the params none of whose labels is used, and segments that are not.

    Any permutation of weights that nothing computes with leaves the function as it is, but says
    nothing of units.
    """
    used = {inner for label in analysis.used for inner in segment_labels((label,))}
    for value in leaves.values():
        for block in value.blocks.values():
            for factors in block:
                labels = segment_labels(factors)
                if not used & set(labels):
                    freeze(factors, NOT_USED)
                for label in labels:
                    is_segment = label not in resolve(factors)
                    if is_segment and label not in used:
                        freeze((label,), NOT_USED)


def _freeze_cut_in_two_ways(leaves: dict[str, Value]) -> None:
    """Freeze segments in params that are cut on an axis as well: `Blocks` cannot say both."""
    for value in leaves.values():
        if len(value.blocks) > 1:
            for block in value.blocks.values():
                for factors in block:
                    for label in labels_in(factors):
                        freeze(label.segments, "cut inside of units that move together")


def _expanded_index_sets(analysis: Analysis) -> list[Counter[Label]]:
    """The index sets in the smallest labels, each set once.

    A label with segments stands for one set with each of them, because an entry lies in one
    segment: {heads, qk} with qk cut into q and k becomes {heads, q} and {heads, k}.
    """
    expanded = set()
    for labels in analysis.index_sets:
        choices = [segments_of(inner) for label in labels for inner in labels_in([label])]
        expanded |= {tuple(sorted(together, key=id)) for together in product(*choices)}
    return [Counter(labels) for labels in expanded]


def nesting(walked: WalkResult) -> dict[Label, list[Label]]:
    """For each free label of the params, the labels that it is nested in, outermost first.

    The units of a nested group may be permuted anew inside each unit of the outer ones. This holds
    if no array is indexed by the inner label without the outer one. In attention, q[t,h,d] and
    sum_d q[t,h,d] k[s,h,d] index every d together with a head h, so that d is nested in h. If two
    labels could each be nested in the other, the one on the later axis is nested.
    """
    order = _labels_in_order(walked.leaves.values())
    companions = _constant_companions(walked.index_sets)
    nested: dict[Label, list[Label]] = {}
    for label in reversed(order):
        if label.frozen is None:
            candidates = [outer for outer in order if outer in companions.get(label, ())]
            nested[label] = [outer for outer in candidates if not _reaches(nested, outer, label)]
    return nested


def _labels_in_order(leaves: Iterable[Value]) -> dict[Label, None]:
    """The smallest labels of all params, in the order of leaves, blocks and axes."""
    order: dict[Label, None] = {}
    for value in leaves:
        for block in value.blocks.values():
            order |= dict.fromkeys(label for factors in block for label in segment_labels(factors))
    return order


def _constant_companions(index_sets: Iterable[Counter[Label]]) -> dict[Label, set[Label]]:
    """For each free label, the other labels that are in every index set that it is in.

    A label that occurs twice in a set is no companion there: it would not be clear which of its
    two entries the other label is nested in.
    """
    companions: dict[Label, set[Label]] = {}
    for together in index_sets:
        for label in together:
            if label.frozen is None:
                here = {
                    companion
                    for companion, count in together.items()
                    if count == 1 and companion is not label and companion.frozen != MISFIT
                }
                companions[label] = companions[label] & here if label in companions else here
    return companions


def _reaches(nested: dict[Label, list[Label]], start: Label, goal: Label) -> bool:
    """Whether `start` is `goal` or is nested in it, directly or through others."""
    return start is goal or any(_reaches(nested, outer, goal) for outer in nested.get(start, ()))
