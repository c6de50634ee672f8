"""Weight matching: units are similar where all weights that touch them are."""

from collections.abc import Iterable

import numpy as np

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin._types import Array, Params
from onebasin.alignment.matching import Features, Matching
from onebasin.symmetry.axes import Symmetry


def weight_matching(importance: Params | None = None) -> Matching:
    r"""Match units by all tensors that touch them: incoming, bias and outgoing weights.

    $\max_p \langle c \odot W_a, P_p(W_b) \rangle$ over every leaf, with `importance` $c$: a tree
    like the params whose leaves (numbers will do) broadcast to them. It must be the same for all
    units, so that the distance $\sum c\, (W_a - P_p(W_b))^2$ is what is minimized. Without
    it, large output weights dominate where scales differ between layers. Running statistics are
    no weights and are left out.

    Raises: ValueError for an importance that is negative, does not fit or differs between units.
    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 3.2.
    """
    if importance is None:
        return Matching(
            name="weights",
            symmetry=lambda symmetry: symmetry.of_weights,
            features=without_statistics,
            target=lambda mean_features: mean_features,
        )
    importances = _trees.named_leaves(without_statistics(importance))
    scales = {name: np.asarray(scale, np.float64) for name, scale in importances.items()}
    for name, scale in scales.items():
        if not (np.isfinite(scale).all() and (scale >= 0).all()):
            raise ValueError(f"Importances must be finite and not negative. Got {name}: {scale}.")
    return Matching(
        name="weighted weights",
        symmetry=lambda symmetry: _check(scales, symmetry.of_weights),
        features=without_statistics,
        target=lambda mean_features: _scaled(scales, mean_features),
    )


def _check_names(scales: dict[str, np.ndarray], names: Iterable[str]) -> None:
    if set(scales) != set(names):
        raise ValueError(
            "Importances must have one leaf for each of the params. "
            f"{_trees.difference(scales, names)}"
        )


def _check(scales: dict[str, np.ndarray], symmetry: Symmetry) -> Symmetry:
    symmetry.check_simple("An importance of weights")
    _check_names(scales, symmetry.leaves)
    for name, axes in symmetry.leaves.items():
        scale = scales[name]
        if scale.ndim > len(axes.names):
            raise ValueError(
                f"Importances must broadcast to the params. Got {name} of shape {scale.shape} "
                f"for {axes}."
            )
        # NumPy broadcasts from the last axis.
        for axis, group in enumerate(axes.names[len(axes.names) - scale.ndim :]):
            if group is not None and (scale != scale.take([0], axis)).any():
                raise ValueError(
                    "Importances must be the same for all units that may trade places. "
                    f"Got units of {group!r} that differ in {name}. Take their mean over "
                    f"axis {axis}, keepdims=True."
                )
    return symmetry


def _scaled(scales: dict[str, np.ndarray], mean_features: Features) -> Features:
    leaves = _trees.named_leaves(mean_features)
    _check_names(scales, leaves)
    scaled = {name: _times(name, scales[name], leaf) for name, leaf in leaves.items()}
    return _trees.rebuild(scaled, mean_features)


def _times(name: str, scale: np.ndarray, leaf: Array) -> np.ndarray:
    try:
        return np.asarray(np.broadcast_to(scale, np.shape(leaf)) * leaf)
    except ValueError:
        raise ValueError(
            f"Importances must broadcast to the params. Got {name} of shape {scale.shape} "
            f"for params of shape {np.shape(leaf)}."
        ) from None
