"""Named arrays as a tree of params: which of them are taken, and how names nest."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from onebasin import _trees
from onebasin._stored_array import StoredArray
from onebasin._words import did_you_mean
from onebasin.store.errors import StoreError
from onebasin.types import Array, Params

_NOT = "~"
"""What stands before a name that is left out, as in ArviZ's `var_names`."""

Leaf = TypeVar("Leaf")


def selected(
    found: Mapping[str, Leaf], names: Sequence[str] | None, optional: Collection[str] = ()
) -> dict[str, Leaf]:
    """The leaves that `names` take.

    `names` lists those to take, or with ~ in front those to leave out. If none is listed to take,
    all are taken but the `optional` ones.

    Raises:
        ValueError: If a name is not there, or no leaf is left.
    """
    given = [names] if isinstance(names, str) else list(names or ())
    dropped = {name.removeprefix(_NOT) for name in given if name.startswith(_NOT)}
    wanted = [name for name in given if not name.startswith(_NOT)]
    for name in (*wanted, *sorted(dropped)):
        if name not in found:
            hint = did_you_mean(name, found) or f" There are: {_listed(found)}."
            raise ValueError(f"names must list variables of the draws. Got {name!r}.{hint}")
    kept = wanted or [name for name in found if name not in optional]
    left = {name: found[name] for name in kept if name not in dropped}
    if not left:
        raise ValueError(
            f"Samples must hold a variable. Got none of: {_listed(found)}. Take one by names=[...]."
        )
    return left


def tree_of(found: Mapping[str, Any], like: Params | None = None) -> Params:
    """Leaves by name as nested dicts, in which each slash or dot of a name opens a dict.

    With `like`, they are shaped like these params of one network, whose leaves have these names
    with dots or slashes.

    Raises:
        ValueError: If a name is that of a leaf and of a dict, or names or shapes are not those of
            `like`.
    """
    if like is not None:
        return _shaped_like(found, like)
    paths = {name: name.replace(".", "/") for name in found}
    taken = set(paths.values())
    for name, path in paths.items():
        parts = path.split("/")
        above = {"/".join(parts[:length]) for length in range(1, len(parts))}
        if not all(parts) or above & taken or list(paths.values()).count(path) > 1:
            raise ValueError(
                "The dots and slashes of a name open dicts, so no name may be that of another's "
                f"dict, or have an empty part. Got {name!r} among {_listed(found)}. Rename it, or "
                "pass like=params."
            )
    return _trees.nest({paths[name]: leaf for name, leaf in found.items()})


def _shaped_like(found: Mapping[str, Any], like: Params) -> Params:
    wanted = _trees.named_leaves(like)
    by_dots = {name.replace("/", "."): leaf for name, leaf in found.items()}
    names = {path: path.replace("/", ".") for path in wanted}
    if by_dots.keys() != set(names.values()):
        missing = _trees.difference(by_dots, names.values())
        raise ValueError(f"The draws must have the leaves of `like`. {missing}")
    for path, leaf in wanted.items():
        got = np.shape(by_dots[names[path]])[2:]
        if got != np.shape(leaf):
            raise ValueError(
                f"The draws must have the shapes of `like`, {np.shape(leaf)} at {path!r}. "
                f"Got {got} behind (chain, draw)."
            )
    return _trees.rebuild({path: by_dots[name] for path, name in names.items()}, like)


def check_numbers(name: str, leaf: Array | StoredArray) -> None:
    """Raise ValueError unless a leaf is made of real numbers."""
    if leaf.dtype.kind not in "biuf" and leaf.dtype.name != "bfloat16":
        raise ValueError(
            f"Samples hold real numbers. Got {leaf.dtype} in {name!r}. Leave it out by "
            f'names=["~{name}"], or make real numbers of it.'
        )


def one_line(error: BaseException) -> str:
    """The first line of what another library said, cut to a readable length."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]


def unreadable(path: Any, kind: str, error: BaseException) -> StoreError:
    """The error to raise if a file of some kind could not be read."""
    return StoreError(
        f"{path} must be a whole {kind} file. Got: {one_line(error)} "
        f"({type(error).__name__}). Restore the file, or write it again."
    )


def _listed(names: Collection[str]) -> str:
    first = ", ".join(map(repr, list(names)[:8]))
    return first + (f" and {len(names) - 8} more" if len(names) > 8 else "")
