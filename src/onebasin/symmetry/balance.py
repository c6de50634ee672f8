"""balance: the scales of units removed where the activation is positively homogeneous.

Permutations are one symmetry of such networks, scales another; this module fixes the second.
"""

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import statistics_in
from onebasin._types import Array, Params
from onebasin.symmetry.axes import Place, Symmetry
from onebasin.symmetry.scalings import Powers, scalings_of


def balance(
    symmetry: Symmetry,
    params: Params,
    *,
    num_batch_axes: int = 0,
    tolerance: float = 1e-12,
    max_rounds: int = 1000,
) -> Params:
    r"""Params of the same function whose units have incoming and outgoing weights of one norm.

    Unit $i$ of each group gets $(s_i\, w_{in}, w_{out} / s_i)$ with
    $s_i^2 = \lVert w_{out} \rVert / \lVert w_{in} \rVert$, bias among the incoming, group after
    group until no $|\log s_i|$ exceeds `tolerance`. A unit with a zero norm stays. Units may have
    more than one scale, as in front of BatchNorm and behind it: `scalings_of` finds all of them
    in the function that the symmetry is declared of, whatever the layout of arrays. The result has
    the least norm of all weights that are scaled so; running statistics go along.

    It takes an activation with $f(s x) = s f(x)$, s > 0, as relu. A Gaussian prior is not
    invariant: posterior draws so scaled are draws of the posterior over functions, no longer of the
    one over weights.

    Raises: ValueError for a group whose units cannot be scaled, or stand on two axes of one array;
    without a function, for roles that are not known.
    Source: Stock et al. (2019), arXiv 1902.10416, section 3, with p = 2.
    """
    if symmetry.nested:
        symmetry.check_simple("Balancing scales")
    symmetry.check(params, num_batch_axes)
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            np.shape(leaf)[num_batch_axes:], jax.dtypes.canonicalize_dtype(leaf.dtype)
        ),
        params,
    )
    scalings = [powers for some in scalings_of(symmetry, shapes).values() for powers in some]
    wide = jax.tree.map(
        lambda leaf: np.array(leaf, np.complex128 if np.iscomplexobj(leaf) else np.float64), params
    )
    unfolded = symmetry.unfold(wide, num_batch_axes)
    leaves = _trees.named_leaves(unfolded)
    held = statistics_in(params)
    statistics = {name for name, piece in symmetry.pieces.items() if piece.leaf in held}
    for _ in range(max_rounds):
        steps = [_balance(leaves, powers, statistics, num_batch_axes) for powers in scalings]
        if max(steps, default=0.0) <= tolerance:
            break
    balanced = symmetry.fold(_trees.rebuild(leaves, unfolded), wide, num_batch_axes)
    return jax.tree.map(lambda new, old: np.asarray(new, old.dtype), balanced, params)


def _balance(
    leaves: dict[str, np.ndarray], powers: Powers, statistics: set[str], num_batch_axes: int
) -> float:
    r"""Scale every unit to the least norm, and give the largest $|\log s|$ that this took.

    The squared norm is $\sum_j n_j s^{2 p_j}$ with the squared norms $n_j$ at powers $p_j$. It is
    least where $\sum_j p_j n_j s^{2 p_j}$ is 0: where terms of either sign have one power, a
    Newton step on the logarithm of their ratio is exact; else it is one of many. Statistics are
    scaled, but are no weights and not in the norm.
    """
    counted = {place: power for place, power in powers.items() if place.leaf not in statistics}
    squares = {place: _square_norms(leaves, place, num_batch_axes) for place in counted}
    up, down = (
        [(abs(p), squares[place]) for place, p in counted.items() if sign * p > 0]
        for sign in (1, -1)
    )
    growing, falling = (np.sum([p * n for p, n in side], axis=0) for side in (up, down))
    alive = (growing > 0) & (falling > 0)
    slopes = [
        np.divide(np.sum([2 * p**2 * n for p, n in side], axis=0), total, where=alive,
                  out=np.ones(alive.shape))
        for side, total in ((up, growing), (down, falling))
    ]  # fmt: skip
    ratio = np.divide(falling, growing, out=np.ones(alive.shape), where=alive)
    log_scale = np.log(ratio) / (slopes[0] + slopes[1])
    for place, power in powers.items():
        _scale(leaves, place, np.exp(power * log_scale), num_batch_axes)
    return float(np.abs(log_scale).max(initial=0.0))


def _square_norms(
    leaves: dict[str, np.ndarray], place: Place, num_batch_axes: int
) -> Float[np.ndarray, "*batch units"]:
    leaf, axis = leaves[place.leaf], place.axis + num_batch_axes
    others = (a for a in range(num_batch_axes, leaf.ndim) if a != axis)
    return np.square(np.abs(leaf)).sum(axis=tuple(others))


def _scale(
    leaves: dict[str, np.ndarray],
    place: Place,
    scale: Float[Array, "*batch units"],
    num_batch_axes: int,
) -> None:
    num_behind = leaves[place.leaf].ndim - num_batch_axes - place.axis - 1
    batch, units = scale.shape[:-1], scale.shape[-1]
    shape = (*batch, *[1] * place.axis, units, *[1] * num_behind)
    leaves[place.leaf] = leaves[place.leaf] * scale.reshape(shape)
