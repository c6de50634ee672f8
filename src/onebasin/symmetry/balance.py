"""balance: one representative of all scalings of units, for positively homogeneous activations.

After relu, a unit may be scaled by s > 0 if what reads it is divided by s. Draws that differ in
such scales cannot be averaged. `balance` picks the weights of least norm; permutations are left to
`align`.
"""

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import statistics_in
from onebasin.symmetry.axes import Place, Symmetry
from onebasin.symmetry.scalings import Powers, scalings_of
from onebasin.types import Array, Params


def balance(
    symmetry: Symmetry,
    params: Params,
    *,
    num_batch_axes: int = 0,
    tolerance: float = 1e-12,
    max_rounds: int = 1000,
) -> Params:
    r"""Params of the same function with the least norm that scaling of units can give.

    Every unit $i$ gets $(s_i\, w_{in}, w_{out} / s_i)$ with
    $s_i^2 = \lVert w_{out} \rVert / \lVert w_{in} \rVert$. Here $w_{in}$ are the weights that make
    the unit, its bias included, and $w_{out}$ those that read it. Both then have the same norm.
    Groups are scaled in turns. A unit with a norm of 0 stays. Units in front of a BatchNorm have
    further scales: all of them are found in the function that the symmetry is declared of.

    The activation must have $f(s x) = s f(x)$ for s > 0, as relu has. A Gaussian prior is not
    invariant under scales: balanced draws are draws of the posterior over functions, and no longer
    of the posterior over weights.

    Args:
        symmetry: The groups whose units are scaled. Without a function, its roles say which weights
            are incoming.
        params: Weights, or draws of them. Running statistics are scaled with their units.
        num_batch_axes: How many leading axes of each array list draws.
        tolerance: Rounds end once no $|\log s_i|$ exceeds this.
        max_rounds: The largest number of rounds over all groups.

    Raises:
        ValueError: If the units of a group cannot be scaled, if an array lists them on two axes,
            or if roles are needed and not known.

    Examples:
        >>> relu = ob.mlp(inputs=64, hidden=(8,), outputs=10, activation="relu")
        >>> balanced = ob.symmetry.balance(relu.symmetry, relu.init(key))
        >>> norms = lambda name, axis: jnp.linalg.norm(balanced[name]["kernel"], axis=axis)
        >>> bool(jnp.allclose(norms("hidden_0", 0), norms("out", 1), rtol=1e-5))
        True

    Source: Stock et al. (2019), arXiv 1902.10416, section 3, with p = 2.
    """
    if symmetry.nested:
        symmetry.check_simple("Balancing scales")
    params = _trees.loaded(params)
    symmetry.check(params, num_batch_axes)
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            np.shape(leaf)[num_batch_axes:], jax.dtypes.canonicalize_dtype(leaf.dtype)
        ),
        params,
    )
    scalings = [powers for group in scalings_of(symmetry, shapes).values() for powers in group]
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
    r"""Take one step towards the least norm in `leaves`, for one scaling of every unit of a group.

    Gives the largest $|\log s|$ of the step. If a unit is scaled by $s$, the squared norm of its
    weights is $\sum_j n_j s^{2 p_j}$, with the squared norm $n_j$ and the power $p_j$ of array $j$.
    It is least if $\sum_j p_j n_j s^{2 p_j} = 0$. The step is Newton's, on the logarithm of the
    ratio of terms with $p_j < 0$ to those with $p_j > 0$. It is exact if there is one power of
    either sign. Running statistics are scaled, but are not in the norm.
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
    """The squared norm of the weights of each unit in one array."""
    leaf, axis = leaves[place.leaf], place.axis + num_batch_axes
    others = (a for a in range(num_batch_axes, leaf.ndim) if a != axis)
    return np.square(np.abs(leaf)).sum(axis=tuple(others))


def _scale(
    leaves: dict[str, np.ndarray],
    place: Place,
    scale: Float[Array, "*batch units"],
    num_batch_axes: int,
) -> None:
    """Multiply the weights of each unit in one array by its scale, in place of the array."""
    num_behind = leaves[place.leaf].ndim - num_batch_axes - place.axis - 1
    batch, units = scale.shape[:-1], scale.shape[-1]
    shape = (*batch, *[1] * place.axis, units, *[1] * num_behind)
    leaves[place.leaf] = leaves[place.leaf] * scale.reshape(shape)
