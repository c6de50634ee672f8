"""A symmetry as JSON: all of its fields but the function.

Trees of dicts, lists and tuples are written as they are. Any other node, such as a module of
Equinox, is written by the names of its leaves, and needs params of its shape to be read again.
"""

import json
from collections.abc import Mapping
from typing import Any

from onebasin import _trees
from onebasin.symmetry.axes_values import Axes, Blocks, Name, Part, Place, Sign, is_axes
from onebasin.types import Params

_FORMAT = "onebasin symmetry 1"


def as_json(fields: Mapping[str, Any]) -> str:
    """The fields of a symmetry as JSON."""
    text = {
        "format": _FORMAT,
        "axes": _encoded(fields["axes"]),
        **{name: fields[name] for name in ("sizes", "nested", "fixed", "frozen", "roles")},
        "signs": {
            name: {"group": sign.group, "places": sign.places}
            for name, sign in fields["signs"].items()
        },
        "dropped": fields["dropped"],
    }
    return json.dumps(text, indent=1)


def from_json(text: str, like: Params | None) -> dict[str, Any]:
    """The fields of a symmetry from JSON, whose axes have the tree of `like` if it is given.

    Raises: ValueError if the text is not what `as_json` wrote, or its tree needs `like`.
    """
    try:
        found = json.loads(text)
        if found["format"] != _FORMAT:
            raise ValueError(f"the format {found['format']!r}")
        tuples = lambda entries: {name: tuple(entry) for name, entry in entries.items()}
        fields = {
            "axes": _decoded(found["axes"]),
            "sizes": {str(name): int(size) for name, size in found["sizes"].items()},
            "nested": tuples(found["nested"]),
            "fixed": {str(name): int(size) for name, size in found["fixed"].items()},
            "frozen": {str(name): str(why) for name, why in found["frozen"].items()},
            "roles": tuples(found["roles"]),
            "signs": {
                name: Sign(one["group"], tuple(Place(leaf, axis) for leaf, axis in one["places"]))
                for name, one in found["signs"].items()
            },
            "dropped": tuple(Part(kind, name) for kind, name in found["dropped"]),
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"The text must be what Symmetry.to_json wrote. Got {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no message'}. Write it again."
        ) from error
    named = _trees.named_leaves(fields["axes"], is_axes)
    if like is not None:
        fields["axes"] = _trees.rebuild(named, like)
    elif _has_other_nodes(found["axes"]):
        raise ValueError(
            "Params of the network must say the tree of the axes: it has nodes that are no dicts, "
            "lists or tuples. Got none. Pass Symmetry.from_json(text, like=params)."
        )
    return fields


def _encoded(node: Any) -> Any:
    """A tree of axes as lists, which begin with the kind of the node."""
    match node:
        case Axes():
            return ["axes", node.names]
        case Blocks():
            return ["blocks", node.cuts, [_encoded(axes) for axes in node.axes]]
        case None:
            return ["none"]
        case dict() if all(isinstance(key, str) for key in node):
            return ["dict", {key: _encoded(child) for key, child in node.items()}]
        case list():
            return ["list", [_encoded(child) for child in node]]
        case tuple() if type(node) is tuple:
            return ["tuple", [_encoded(child) for child in node]]
        case _:
            leaves = _trees.named_leaves(node, is_axes)
            return ["leaves", {name: _encoded(leaf) for name, leaf in leaves.items()}]


def _decoded(node: Any) -> Any:
    """The tree of axes again. Nodes of other kinds are nested dicts."""
    match node:
        case ["axes", names]:
            return Axes(*map(_name, names))
        case ["blocks", cuts, axes]:
            return Blocks(cuts, [_decoded(one) for one in axes])
        case ["none"]:
            return None
        case ["dict", children]:
            return {key: _decoded(child) for key, child in children.items()}
        case ["list", children]:
            return [_decoded(child) for child in children]
        case ["tuple", children]:
            return tuple(_decoded(child) for child in children)
        case ["leaves", children]:
            return _trees.nest({name: _decoded(child) for name, child in children.items()})
        case _:
            raise ValueError(f"a node {str(node)[:40]!r}")


def _name(name: Any) -> Name:
    """What an axis lists: several things were a list in JSON."""
    return tuple(name) if isinstance(name, list) else name


def _has_other_nodes(node: Any) -> bool:
    match node:
        case ["leaves", _]:
            return True
        case ["dict", children]:
            return any(map(_has_other_nodes, children.values()))
        case ["list" | "tuple", children]:
            return any(map(_has_other_nodes, children))
        case _:
            return False
