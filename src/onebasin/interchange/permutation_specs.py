"""axes_to_perm and perm_spec: a symmetry in the words of git-re-basin and of neural functionals."""

import itertools

import jax

from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import Axes, is_axes
from onebasin.types import Params


def axes_to_perm(symmetry: Symmetry) -> dict[str, tuple[str | None, ...]]:
    """A symmetry as git-re-basin's `axes_to_perm`: the permutation of each axis of each array.

    Give it to `permutation_spec_from_axes_to_perm` of git-re-basin or of a port to PyTorch. Arrays
    have their paths as names, as in `hidden_0/kernel`, and permutations those of their groups.

    Raises:
        ValueError: If the symmetry has signs, nested groups, axes that list several groups, or an
            array that lists a group twice, which git-re-basin's matching cannot take.

    Examples:
        >>> ob.interchange.axes_to_perm(symmetry)["hidden_0/kernel"]
        (None, 'hidden_0')

    Source: Ainsworth et al. (2022), arXiv 2209.04836, `weight_matching.py` of its code.
    """
    _check("git-re-basin's axes_to_perm", symmetry)
    names = {leaf: _groups(axes, symmetry) for leaf, axes in symmetry.leaves.items()}
    for leaf, own in names.items():
        groups = [group for group in own if group is not None]
        if len(set(groups)) < len(groups):
            raise ValueError(
                "git-re-basin's axes_to_perm has no array that lists a group twice. Got "
                f"{leaf!r}, {own}. Align it here, by ob.align."
            )
    return names


def perm_spec(symmetry: Symmetry) -> Params:
    """A symmetry as the `perm_spec` of universal neural functionals (UNF).

    It is shaped like the params. For each array it has a tuple with the number of the permutation
    of each axis. UNF takes every axis for one that is permuted, so each axis that never moves gets
    a number of its own. A UNF made of it is equivariant under the symmetry, and under permutations
    of these axes too.

    Raises:
        ValueError: If the symmetry has signs, nested groups or axes that list several groups.

    Examples:
        >>> ob.interchange.perm_spec(symmetry)["hidden_0"]
        {'bias': (0,), 'kernel': (1, 0)}

    Source: Zhou, Finn and Harrison (2024), arXiv 2402.05232, `layers.py` of its code.
    """
    _check("UNF's perm_spec", symmetry)
    numbers = {group: number for number, group in enumerate(symmetry.sizes)}
    free = itertools.count(len(numbers))
    number = lambda group: next(free) if group is None else numbers[group]
    numbered = lambda axes: tuple(map(number, _groups(axes, symmetry)))
    return jax.tree.map(numbered, symmetry.axes, is_leaf=is_axes)


def _check(what: str, symmetry: Symmetry) -> None:
    """Raise ValueError if a symmetry is more than permutations of whole axes."""
    symmetry.check_simple(what)
    if symmetry.signs:
        raise ValueError(
            f"{what} has no signs. Got those of {sorted(set(symmetry.sign_groups.values()))}. "
            "Leave them out: symmetry.with_signs([])."
        )


def _groups(axes: Axes, symmetry: Symmetry) -> tuple[str | None, ...]:
    """The group that each axis lists, or None if it never moves."""
    return tuple(
        name if isinstance(name, str) and name in symmetry.sizes else None for name in axes.names
    )
