"""balance: the scales of units removed where the activation is positively homogeneous.

Permutations are one symmetry of such networks, scales another; this module fixes the second.
"""

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._types import Array, Params
from onebasin.symmetry.axes import Place, Symmetry


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
    group until no $|\log s_i|$ exceeds `tolerance`. A unit with a zero norm stays.
    An array lists a unit's incoming weights on its last axis, outgoing ones on an earlier axis.

    Only for activations with $f(s x) = s f(x)$, s > 0, as relu: others get another function, and
    nothing here can tell. A Gaussian prior is not invariant: posterior draws so scaled are draws
    of the posterior over functions, no longer of the one over weights.

    Raises: ValueError for a group without incoming or outgoing arrays, or with both in one.
    Source: Stock et al. (2019), arXiv 1902.10416, section 3, with p = 2.
    """
    symmetry.check_simple("Balancing scales")
    symmetry.check(params, num_batch_axes)
    sides = {group: _sides(symmetry, group) for group in symmetry.sizes}
    given = {name: np.asarray(leaf) for name, leaf in _trees.named_leaves(params).items()}
    leaves = {name: leaf.astype(np.float64) for name, leaf in given.items()}
    for _ in range(max_rounds):
        largest = 0.0
        for incoming, outgoing in sides.values():
            square_in, square_out = (
                _square_norms(leaves, side, num_batch_axes) for side in (incoming, outgoing)
            )
            alive = (square_in > 0) & (square_out > 0)
            ratio = np.divide(square_out, square_in, out=np.ones(alive.shape), where=alive)
            scale = np.sqrt(np.sqrt(ratio))
            largest = max(largest, float(np.abs(np.log(scale)).max(initial=0.0)))
            _scale(leaves, incoming, scale, num_batch_axes)
            _scale(leaves, outgoing, 1 / scale, num_batch_axes)
        if largest <= tolerance:
            break
    return _trees.rebuild({n: leaf.astype(given[n].dtype) for n, leaf in leaves.items()}, params)


def _sides(symmetry: Symmetry, group: str) -> tuple[list[Place], list[Place]]:
    """The places of a group's incoming and of its outgoing weights."""
    last = {name: len(axes.names) - 1 for name, axes in symmetry.leaves.items()}
    places = symmetry.places(group)
    incoming = [place for place in places if place.axis == last[place.leaf]]
    outgoing = [place for place in places if place.axis != last[place.leaf]]
    if not incoming or not outgoing:
        raise ValueError(
            "To be balanced a group needs incoming arrays (units on the last axis) and outgoing "
            f"ones (units on an earlier axis). Got {[p.leaf for p in incoming]} and "
            f"{[p.leaf for p in outgoing]} for {group!r}. Transpose the arrays, or leave it out "
            "of the symmetry."
        )
    leaves = [place.leaf for place in places]
    repeated = sorted({leaf for leaf in leaves if leaves.count(leaf) > 1})
    if repeated:
        raise ValueError(
            "A group to be balanced may stand on one axis of each array. Got two of "
            f"{repeated[0]} for {group!r}. Leave the group out of the symmetry."
        )
    return incoming, outgoing


def _square_norms(
    leaves: dict[str, np.ndarray], places: list[Place], num_batch_axes: int
) -> Float[np.ndarray, "*batch units"]:
    found: list[np.ndarray] = []
    for name, axis in places:
        leaf = leaves[name]
        others = (a for a in range(num_batch_axes, leaf.ndim) if a != axis + num_batch_axes)
        found.append(np.square(leaf).sum(axis=tuple(others)))
    return np.sum(found, axis=0)


def _scale(
    leaves: dict[str, np.ndarray],
    places: list[Place],
    scale: Float[Array, "*batch units"],
    num_batch_axes: int,
) -> None:
    for place in places:
        num_behind = leaves[place.leaf].ndim - num_batch_axes - place.axis - 1
        batch, units = scale.shape[:-1], scale.shape[-1]
        shape = (*batch, *[1] * place.axis, units, *[1] * num_behind)
        leaves[place.leaf] *= scale.reshape(shape)
