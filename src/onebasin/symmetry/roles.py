"""roles_of: which axes make units and which read them, said by a symmetry or by its function."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin._types import Params
from onebasin.symmetry.axes import Roles, Symmetry
from onebasin.symmetry.discovery.walk import roles_in
from onebasin.symmetry.notation import Function


def roles_of(symmetry: Symmetry, params: Params) -> Roles:
    """The role of every axis of every leaf, by path; None where it is not known.

    An axis *makes* the units that it lists where it is the output of a product, a bias or a
    scale, and *reads* them where a product sums over it. What the symmetry does not say itself is
    read off the function that it is declared of, once. An axis that does both, as of embeddings
    that are read out by their own transpose, has no role.

    Example:
        >>> roles_of(ob.mlp(5, (4,), 3).symmetry, params)["out/kernel"]
        ('reads', 'makes')
    """
    leaves, function = _trees.named_leaves(params), symmetry.function
    known = symmetry.roles
    if function is not None and not leaves.keys() <= known.keys():
        known = {**_of_function(function, params), **known}
    return {leaf: known.get(leaf, (None,) * np.ndim(array)) for leaf, array in leaves.items()}


def _of_function(function: Function, params: Params) -> Roles:
    if function.roles is None:
        precision = jnp.result_type(*map(_dtype, jax.tree.leaves(params)))
        shape = lambda leaf: jax.ShapeDtypeStruct(leaf.shape, _in(precision, leaf.dtype))
        shapes = jax.tree.map(lambda leaf: shape(jax.eval_shape(jnp.asarray, leaf)), params)
        function.roles = roles_in(function.apply, shapes, *jax.tree.map(shape, function.inputs))
    return function.roles


def _dtype(leaf: Any) -> Any:
    return jax.dtypes.canonicalize_dtype(leaf.dtype)


def _in(precision: Any, dtype: Any) -> Any:
    return precision if jnp.issubdtype(dtype, jnp.floating) else dtype


def unknown_role(purpose: str, leaf: str, axis: int) -> ValueError:
    """What to raise where the role of an axis is needed and not known."""
    return ValueError(
        f"{purpose} needs the role of axis {axis} of {leaf!r}: whether it makes units or reads "
        "them. Got none, or both. Let find_symmetry find the symmetry, or say it, as in "
        f'Symmetry.of(axes, params, roles={{{leaf!r}: ("reads", "makes")}}).'
    )
