"""Unification: two axes whose entries are combined one by one get the same labels.

`h + b` adds entry i of h to entry i of b. A permutation of h leaves the function as it is only if
it permutes b as well, so that `unify` joins the labels of the two axes. If the axes have factors of
different sizes, the larger factor is split first:

    (A of 6)          with  (B of 2, C of 3)   ->  A is split into (B, C)
    (A of 2, D of 3)  with  (B of 2, C of 3)   ->  A is B, and D is C
    (A of 2, D of 3)  with  (B of 3, C of 2)   ->  2 and 3 do not divide: all are frozen (MISFIT)

The second half of this module cuts labels that lie inside of other units into segments, as the
queries and keys of each head in a projection that is packed head by head.
"""

from collections.abc import Sequence

from onebasin.symmetry.discovery.labels import (
    MISFIT,
    Factor,
    Factors,
    Flat,
    Label,
    Marked,
    Zeros,
    combined_mark,
    freeze,
    require_invariant,
    resolve,
    segments_of,
    size_of,
    with_mark,
)


def split_factor(factor: Factor, outer_size: int) -> tuple[Factor, Factor]:
    """The factor as two: an outer one of size `outer_size`, and an inner one for the rest.

    Entry (i, j) of the two is entry `i * inner_size + j` of the factor. A label is split for
    everything that holds it. Two factors with marks get frozen labels of their own: the walks that
    use marks come after all splits were made.
    """
    inner_size = factor.size // outer_size
    if isinstance(factor, Flat):
        return type(factor)(outer_size), type(factor)(inner_size)
    if isinstance(factor, Marked):
        mark = factor.mark.require_invariant()
        labels = (Label(size, frozen=MISFIT) for size in (outer_size, inner_size))
        outer, inner = (with_mark(label, mark) for label in labels)
        return outer, inner
    label = factor.root
    if label.segments:
        freeze((label,), MISFIT)
    origin = label.origin
    if origin is not None:
        origin = origin._replace(step=origin.step * inner_size)
    parts = (Label(outer_size, origin, label.frozen), Label(inner_size, None, label.frozen))
    label.factors = parts
    return parts


def split_axis(factors: Sequence[Factor], sizes: Sequence[int]) -> list[Factors] | None:
    """The factors of the axes of these sizes that an axis is reshaped to, in row-major order.

    For example the factors (A of 6) and the sizes [2, 3] give [(B,), (C,)], and A is split into B
    and C. None if a factor would have to be split at a size that does not divide it.
    """
    rest, axes = list(resolve(factors)), []
    for size in sizes:
        axis: list[Factor] = []
        while size_of(axis) < size:
            missing = size // size_of(axis)
            factor = rest.pop(0)
            if missing % factor.size == 0:
                axis.append(factor)
            elif factor.size % missing == 0:
                outer, inner = split_factor(factor, missing)
                axis.append(outer)
                rest.insert(0, inner)
            else:
                return None
        if size_of(axis) != size:
            return None
        axes.append(tuple(axis))
    return axes


def unify(left: Sequence[Factor], right: Sequence[Factor], *, is_product: bool = False) -> Factors:
    """The factors of out[i] = f(left[i], right[i]): the labels of both axes are joined.

    `is_product` says that f is a product, so that signs multiply and powers add. For all else
    (sums, maxima, choices) both axes need the same sign and the same power.
    """
    a_rest, b_rest = ([x for x in resolve(axis) if x.size > 1] for axis in (left, right))
    if not a_rest and not b_rest:
        mark = combined_mark([*resolve(left), *resolve(right)])
        return resolve([with_mark(Label(1, frozen=""), mark)])
    unified: list[Factor] = []
    while a_rest and b_rest:
        a, b = a_rest.pop(0), b_rest.pop(0)
        if a.size != b.size:
            large, small, rest = (a, b, a_rest) if a.size > b.size else (b, a, b_rest)
            if large.size % small.size:
                freeze([*a_rest, *b_rest, a, b], MISFIT)
                return (*unified, a, *a_rest)
            large, inner = split_factor(large, small.size)
            rest.insert(0, inner)
            a, b = (large, small) if rest is a_rest else (small, large)
        unified.append(_unify_factors(a, b, is_product))
    return resolve(unified)


def _unify_factors(a: Factor, b: Factor, is_product: bool) -> Factor:
    """The factor of f(a, b) for two factors of one size.

    Zeros win in a product and give way in a sum. A mark stays in a product with a factor that has
    none; in a sum, the entries must not change. `Flat` factors give way to labels.
    """
    for first, second in ((a, b), (b, a)):
        if isinstance(first, Zeros):
            return first if is_product else second
    if isinstance(a, Marked) and isinstance(b, Marked):
        return Marked(a.label, a.mark.combine(b.mark, is_product=is_product))
    if isinstance(a, Marked) or isinstance(b, Marked):
        if not is_product:
            require_invariant((a, b))
        return a if isinstance(a, Marked) else b
    if isinstance(a, Flat):
        return b
    if isinstance(b, Flat):
        return a
    return _join(a.root, b.root)


def _join(a: Label, b: Label) -> Label:
    """One label for two: a is the root from now on, with all that is known of either.

    Frozen is what either was. If both are split, their factors are unified; if both are cut, their
    segments are. A label that is split and one that is cut have no common structure.
    """
    if a is b:
        return a
    if a.factors is not None and b.factors is not None:
        a.factors = unify(a.factors, b.factors)
    elif (a.segments or b.segments) and (a.factors or b.factors):
        freeze((a, b), MISFIT)
    elif a.segments and b.segments:
        _join_segments(a, b)
    a.factors = a.factors or b.factors
    a.segments = a.segments or b.segments
    a.origin = a.origin or b.origin
    reason = MISFIT if MISFIT in (a.frozen, b.frozen) else a.frozen or b.frozen
    b.joined = a
    if reason is not None:
        freeze((a,), reason)
    return a


def cut_label(label: Label, position: int) -> None:
    """Let a segment of the label end at a position, if none does already."""
    start = 0
    for segment in segments_of(label):
        if start < position < start + segment.size:
            if segment.factors is not None:
                freeze((segment,), MISFIT)
            sizes = (position - start, segment.size - (position - start))
            segment.segments = (
                Label(sizes[0], frozen=segment.frozen),
                Label(sizes[1], frozen=segment.frozen),
            )
        start += segment.size


def range_of(label: Label, start: int, stop: int) -> Label:
    """The label of entries `start` to `stop`, which consist of whole segments.

    The same range has the same label each time: two slices of the same entries list the same
    units. A range of several segments is a label that has these as its own.
    """
    label = label.root
    if (start, stop) == (0, label.size):
        return label
    if (start, stop) not in label.ranges:
        inside, at = list[Label](), 0
        for segment in segments_of(label):
            if start <= at and at + segment.size <= stop:
                inside.append(segment)
            at += segment.size
        whole = Label(stop - start, frozen=label.frozen, segments=tuple(inside))
        label.ranges[start, stop] = inside[0] if len(inside) == 1 else whole
    return label.ranges[start, stop]


def _join_segments(a: Label, b: Label) -> None:
    """Cut two labels at the same positions, then unify their segments one by one."""
    for label, partner in ((a, b), (b, a)):
        end = 0
        for segment in segments_of(label)[:-1]:
            end += segment.size
            cut_label(partner, end)
    for pair in zip(segments_of(a), segments_of(b), strict=True):
        unify(pair[:1], pair[1:])
