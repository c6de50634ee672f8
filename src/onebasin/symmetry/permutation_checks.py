"""What is no permutation is refused, before anything moves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.core import Tracer

from onebasin._words import did_you_mean
from onebasin.types import Array

if TYPE_CHECKING:
    from onebasin.symmetry.permutation import Permutation


def checked_units(units: Mapping[str, Any]) -> dict[str, Array]:
    """Index arrays that are permutations along their last axis.

    Raises:
        ValueError: For anything else. Values that JAX traces are not looked at.
    """
    entries = {group: _as_array(entry) for group, entry in units.items()}
    for group, entry in entries.items():
        if entry.ndim == 0 or not np.issubdtype(entry.dtype, np.integer):
            raise ValueError(
                f"units[{group!r}] must be an array of indices. "
                f"Got {entry.dtype} of shape {entry.shape}."
            )
        if not isinstance(entry, Tracer):
            _check_indices(group, np.asarray(entry))
    return entries


def checked_signs(signs: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays of 1 and -1.

    Raises:
        ValueError: For anything else. Values that JAX traces are not looked at.
    """
    entries = {name: _as_array(entry) for name, entry in signs.items()}
    for name, entry in entries.items():
        is_number = any(np.issubdtype(entry.dtype, kind) for kind in (np.integer, np.floating))
        if entry.ndim == 0 or not is_number:
            raise ValueError(
                f"signs[{name!r}] must be an array of signs. "
                f"Got {entry.dtype} of shape {entry.shape}."
            )
        if isinstance(entry, Tracer):
            continue
        bad = np.abs(np.asarray(entry)) != 1
        if bad.any():
            place = _first(bad)
            raise ValueError(
                f"signs[{name!r}] must hold 1 and -1. "
                f"Got {np.asarray(entry)[place]} at {_index(place)}."
            )
    return entries


def batch_of(
    units: Mapping[str, Array],
    signs: Mapping[str, Array],
    nested: Mapping[str, tuple[str, ...]],
    sign_groups: Mapping[str, str],
) -> tuple[int, ...]:
    """The batch axes that all entries share.

    Raises:
        ValueError: If they differ, or if entries of one group have other units.
    """
    sizes = {group: entry.shape[-1] for group, entry in units.items()}
    batches: dict[str, tuple[int, ...]] = {}
    for what, entries in (("units", units), ("signs", signs)):
        for name, entry in entries.items():
            group = sign_groups[name] if what == "signs" else name
            outer = nested.get(group, ())
            shape = (*(sizes.get(one) for one in outer), sizes.get(group))
            num_batch_axes = entry.ndim - len(shape)
            own = entry.shape[max(0, num_batch_axes) :]
            if num_batch_axes < 0 or any(
                want not in (None, got) for want, got in zip(shape, own, strict=True)
            ):
                wanted = ", ".join("any" if size is None else str(size) for size in shape)
                raise ValueError(
                    f"{what}[{name!r}] must have a shape that ends in ({wanted}), the units of "
                    f"{', '.join(map(repr, (*outer, group)))}. Got {entry.shape}."
                )
            batches[f"{what}[{name!r}]"] = entry.shape[:num_batch_axes]
    if len(set(batches.values())) > 1:
        raise ValueError(
            f"All entries of a permutation must have the same batch axes. Got {batches}."
        )
    return next(iter(batches.values()), ())


def check_pair(second: "Permutation", first: "Permutation") -> None:
    """Raise ValueError unless two permutations can be composed: shapes and nesting agree."""
    for what, mine, others in (
        ("units", first.units, second.units), ("signs", first.signs, second.signs)
    ):  # fmt: skip
        for name in mine.keys() & others.keys():
            if mine[name].shape != others[name].shape:
                raise ValueError(
                    "Permutations to compose must be of the same units and batch axes. Got shapes "
                    f"{others[name].shape} and {mine[name].shape} of {what}[{name!r}]."
                )
    for what, mine, others in (
        ("The nesting of a group", first.nested, second.nested),
        ("The group of a sign", first.sign_groups, second.sign_groups),
    ):
        for name in mine.keys() & others.keys():
            if mine[name] != others[name]:
                raise ValueError(
                    f"{what} must be the same in permutations to compose. "
                    f"Got {others[name]!r} and {mine[name]!r} for {name!r}."
                )


def check_known(what: str, name: str, known: Mapping[str, Any]) -> None:
    """Raise ValueError for a group or sign that a symmetry does not have."""
    if name not in known:
        raise ValueError(
            f"{what} of a permutation must be those of the symmetry, {list(known)}. "
            f"Got {name!r}.{did_you_mean(name, known)}"
        )


def _as_array(entry: Any) -> Array:
    return entry if isinstance(entry, jax.Array) else np.asarray(entry)


def _check_indices(group: str, indices: np.ndarray) -> None:
    units = indices.shape[-1]
    rule = f"units[{group!r}] must hold each of 0 to {units - 1} once."
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
