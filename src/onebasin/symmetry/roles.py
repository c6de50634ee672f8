"""roles_of: which axes of the params make units, and which read them.

An axis *makes* the units that it lists if it is the output of a product, a bias or a scale. It
*reads* them if a product sums over it. Roles come from the symmetry, if it says them, and else from
the function that it is declared of (see `discovery.roles`).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin.symmetry.axes import Role, Roles, Symmetry
from onebasin.symmetry.axes_values import Function
from onebasin.symmetry.discovery.walk import roles_in
from onebasin.symmetry.layout import split_axes
from onebasin.types import Params


def roles_of(symmetry: Symmetry, params: Params) -> Roles:
    """The role of every axis of every leaf by path: "makes", "reads", or None if not known.

    Roles that the symmetry lacks are read off the function that it is declared of, once. An axis
    that does both, such as that of embeddings which are read out by their own transpose, has no
    role.

    Examples:
        >>> roles_of(ob.mlp(5, (4,), 3).symmetry, params)["out/kernel"]
        ('reads', 'makes')
    """
    leaves, function = _trees.named_leaves(params), symmetry.function
    known = symmetry.roles
    if function is not None and not leaves.keys() <= known.keys():
        known = {**_of_function(function, params), **known}
    return {leaf: known.get(leaf, (None,) * np.ndim(array)) for leaf, array in leaves.items()}


def roles_of_leaves(symmetry: Symmetry, params: Params) -> Roles:
    """The role of every axis of every piece, by the name of the piece.

    These are the axes of `symmetry.leaves`. Each has the role of the axis that it is a part of.
    """
    roles, leaves = roles_of(symmetry, params), _trees.named_leaves(params)
    roles_of_pieces: Roles = {}
    for name, piece in symmetry.pieces.items():
        shape = np.shape(leaves[piece.leaf])
        axes = split_axes(shape, shape if piece.split is None else piece.split)
        known: list[Role | None] = []
        for axis, factors in zip(axes, piece.factors, strict=True):
            known.extend(roles[piece.leaf][axis] for _ in factors)
        roles_of_pieces[name] = tuple(known)
    return roles_of_pieces


def _of_function(function: Function, params: Params) -> Roles:
    """The roles that the function shows; they are kept with the function."""
    if function.roles is None:
        function.roles = roles_in(function.apply, *argument_shapes(function, params))
    return function.roles


def argument_shapes(function: Function, params: Params) -> tuple[Any, ...]:
    """The shapes of the params and the other inputs of a function.

    All real arrays have the dtype of the params, so that float64 params, say, can be used with a
    function that was declared with float32 inputs.
    """
    shapes = jax.eval_shape(lambda *leaves: leaves, params, *function.inputs)
    is_real = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    real = [leaf for leaf in jax.tree.leaves(shapes[0]) if is_real(leaf)]
    if not real:
        return shapes
    precise = lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.result_type(*real))
    return jax.tree.map(lambda leaf: precise(leaf) if is_real(leaf) else leaf, shapes)


def unknown_role(purpose: str, leaf: str, axis: int) -> ValueError:
    """The error to raise if the role of an axis is needed and not known."""
    return ValueError(
        f"{purpose} needs the role of axis {axis} of {leaf!r}: whether it makes units or reads "
        "them. Got none, or both. Let find_symmetry find the symmetry, or say it, as in "
        f'Symmetry.of(axes, params, roles={{{leaf!r}: ("reads", "makes")}}).'
    )
