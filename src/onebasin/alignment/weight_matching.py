"""Weight matching: units are similar if all weights that touch them are."""

from collections.abc import Iterable

import equinox as eqx
import jax
import numpy as np

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.alignment.matching import Features
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Array, Params


def weight_matching(importance: Params | None = None) -> "WeightMatching":
    r"""Match units by all tensors that touch them: incoming, bias and outgoing weights.

    $\max_p \langle c \odot W_a, P_p(W_b) \rangle$ over every leaf, with `importance` $c$: a tree
    like the params whose leaves (numbers will do) broadcast to them. It must be the same for all
    units, so that the distance $\sum c\, (W_a - P_p(W_b))^2$ is what is minimized. Without
    it, large output weights dominate if scales differ between layers. Running statistics are
    no weights and are left out.

    Raises:
        ValueError: For an importance that is negative or not finite; and in `align` for one that
            does not fit the params or differs between units.

    Examples:
        >>> ob.align(samples, symmetry, ob.weight_matching()).matching
        'weights'

    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 3.2.
    """
    if importance is None:
        return WeightMatching(None)
    scales = jax.tree.map(
        lambda scale: np.asarray(scale, np.float64), without_statistics(importance)
    )
    for name, scale in _trees.named_leaves(scales).items():
        if not (np.isfinite(scale).all() and (scale >= 0).all()):
            raise ValueError(f"Importances must be finite and not negative. Got {name}: {scale}.")
    return WeightMatching(scales)


class WeightMatching(eqx.Module):
    """Units are similar if all weights that touch them are."""

    importance: Params | None

    @property
    def name(self) -> str:
        """What reports call it."""
        return "weights" if self.importance is None else "weighted weights"

    def symmetry(self, symmetry: Symmetry) -> Symmetry:
        """That of the weights, which the importance must fit."""
        if self.importance is None:
            return symmetry.of_weights
        return _check(_trees.named_leaves(self.importance), symmetry.of_weights)

    def features(self, params: Params) -> Features:
        """The weights."""
        return without_statistics(params)

    def target(self, mean_features: Features) -> Features:
        """The mean weights, times their importance."""
        if self.importance is None:
            return mean_features
        return _scaled(_trees.named_leaves(self.importance), mean_features)

    def constant(self, mean_features: Features) -> float:
        """The objective is the inner product alone."""
        return 0.0


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
