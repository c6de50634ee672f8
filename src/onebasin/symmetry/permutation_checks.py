"""What is no permutation is refused, before anything moves."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from onebasin._types import Array, Permutation
from onebasin._words import did_you_mean
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import group_of, is_sign


class Checked(NamedTuple):
    """The entries of a permutation that a symmetry knows, and the batch axes that they share."""

    entries: dict[str, Array]
    batch: tuple[int, ...]


def check_of(symmetry: Symmetry, permutation: Permutation) -> Checked:
    """The entries as arrays, each of them a permutation of its group or signs of its units.

    Raises: ValueError for unknown names, for what is no permutation, and where batch axes differ.
    """
    known = {**symmetry.sizes, **symmetry.signs}
    entries: dict[str, Array] = {}
    batches: dict[str, tuple[int, ...]] = {}
    for name, entry in check_entries(permutation).items():
        group = group_of(name)
        if is_sign(name) and not symmetry.signs and group in symmetry.sizes:
            continue
        if name not in known:
            raise ValueError(
                "A permutation must name groups and signs of the symmetry. "
                f"Got {name!r}, known are {list(known)}.{did_you_mean(name, known)}"
            )
        own = (*symmetry.around(group), symmetry.sizes[group])
        if entry.shape[max(0, entry.ndim - len(own)) :] != own:
            raise ValueError(
                f"permutation[{name!r}] must have a shape that ends in {own}, the units of the "
                f"group. Got {entry.shape}."
            )
        entries[name], batches[name] = entry, entry.shape[: entry.ndim - len(own)]
    if len(set(batches.values())) > 1:
        raise ValueError(
            f"All entries of a permutation must have the same batch axes. Got {batches}."
        )
    return Checked(entries, next(iter(batches.values()), ()))


def check_entries(permutation: Permutation) -> dict[str, Array]:
    """The entries as arrays: indices that are permutations along the last axis, or signs.

    Raises: ValueError for what is neither. Values that JAX traces are not looked at.
    """
    entries: dict[str, Array] = {}
    for name, given in permutation.items():
        entry = given if isinstance(given, jax.Array) else np.asarray(given)
        _check_kind(name, entry)
        if not isinstance(entry, Tracer):
            (_check_signs if is_sign(name) else _check_indices)(name, np.asarray(entry))
        entries[name] = entry
    return entries


def check_pair(first: dict[str, Array], second: dict[str, Array]) -> None:
    """Raise ValueError where two permutations differ in the shape of an entry."""
    for name in first.keys() & second.keys():
        if first[name].shape != second[name].shape:
            raise ValueError(
                "Permutations to compose must be of the same units and batch axes. Got shapes "
                f"{second[name].shape} and {first[name].shape} of {name!r}."
            )


def _check_kind(name: str, entry: Array) -> None:
    kinds: Any = (np.integer, np.floating) if is_sign(name) else (np.integer,)
    if entry.ndim == 0 or not any(np.issubdtype(entry.dtype, kind) for kind in kinds):
        raise ValueError(
            f"permutation[{name!r}] must be an array of {'signs' if is_sign(name) else 'indices'}. "
            f"Got {entry.dtype} of shape {entry.shape}."
        )


def _check_signs(name: str, signs: np.ndarray) -> None:
    bad = np.abs(signs) != 1
    if bad.any():
        place = _first(bad)
        raise ValueError(
            f"permutation[{name!r}] must hold 1 and -1. Got {signs[place]} at {_index(place)}."
        )


def _check_indices(name: str, indices: np.ndarray) -> None:
    units = indices.shape[-1]
    rule = f"permutation[{name!r}] must hold each of 0 to {units - 1} once."
    bad = (indices < 0) | (indices >= units)
    if bad.any():
        place = _first(bad)
        raise ValueError(f"{rule} Got {indices[place]} at {_index(place)}.")
    held = np.zeros(indices.shape, bool)
    np.put_along_axis(held, indices, True, axis=-1)
    if not held.all():
        *batch, missing = _first(~held)
        where = f" at {_index(batch)}" if batch else ""
        raise ValueError(f"{rule} Got no {missing}{where}, and another twice.")


def _first(bad: np.ndarray) -> tuple[int, ...]:
    return tuple(int(index) for index in np.argwhere(bad)[0])


def _index(place: Any) -> str:
    return f"[{', '.join(map(str, place))}]"
