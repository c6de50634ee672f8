"""Mixed matching: several meanings of "similar" at once."""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np

from onebasin.alignment.matching import Features, Matching
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Params


def mixed_matching(matchings: Sequence[Matching], weights: Sequence[float]) -> "MixedMatching":
    r"""Match units by several objectives at once: $\max_p \sum_k c_k\, O_k(p)$.

    `weights` are $c_k$, in the inverse units of each objective $O_k$: choose them so that the
    terms are of one size, or the largest decides alone.

    Raises:
        ValueError: Unless there is one positive weight for each of at least one matching.

    Examples:
        >>> put_out = lambda params: network.activations(params, data.train.inputs)
        >>> parts = [ob.weight_matching(), ob.alignment.activation_matching(put_out)]
        >>> ob.align(samples, symmetry, ob.alignment.mixed_matching(parts, [1.0, 0.01])).matching
        'weights and activations'
    """
    if not matchings or len(weights) != len(matchings):
        raise ValueError(
            "mixed_matching needs at least one matching and a weight for each. "
            f"Got {len(matchings)} matchings and {len(weights)} weights."
        )
    if not all(0 < weight < float("inf") for weight in weights):
        raise ValueError(
            f"Weights of matchings must be positive and finite. Got {list(weights)}. "
            "Leave a matching out to give it no weight."
        )
    return MixedMatching(tuple(matchings), tuple(map(float, weights)))


class MixedMatching(eqx.Module):
    """Units are similar if they are by several matchings together."""

    matchings: tuple[Matching, ...]
    weights: tuple[float, ...] = eqx.field(static=True)

    @property
    def name(self) -> str:
        """What reports call it."""
        return " and ".join(part.name for part in self.matchings)

    @property
    def parts(self) -> dict[str, Matching]:
        """The matchings by the names of their features."""
        return {f"{number}-{part.name}": part for number, part in enumerate(self.matchings)}

    @property
    def scales(self) -> dict[str, float]:
        """The weight of each part."""
        return dict(zip(self.parts, self.weights, strict=True))

    def symmetry(self, symmetry: Symmetry) -> Symmetry:
        """That of the features of all parts: what flips in one flips in the others."""
        return _joined(
            symmetry, {name: part.symmetry(symmetry) for name, part in self.parts.items()}
        )

    def features(self, params: Params) -> Features:
        """The features of all parts."""
        return {name: part.features(params) for name, part in self.parts.items()}

    def target(self, mean_features: Features) -> Features:
        """The targets of all parts, each times its weight."""
        return {
            name: jax.tree.map(
                lambda leaf, c=self.scales[name]: np.asarray(c * leaf),
                part.target(mean_features[name]),
            )
            for name, part in self.parts.items()
        }

    def constant(self, mean_features: Features) -> float:
        """The weighted sum of the parts' constants."""
        constants = {name: part.constant(mean_features[name]) for name, part in self.parts.items()}
        return sum(scale * constants[name] for name, scale in self.scales.items())


def _joined(symmetry: Symmetry, parts: dict[str, Symmetry]) -> Symmetry:
    """The symmetry of the features of all parts; what flips in one flips in the others."""
    axes = {name: part.axes for name, part in parts.items()}
    apart = [part.within(axes, [name]).signs for name, part in parts.items()]
    signs = {
        name: sign._replace(places=tuple(p for one in apart for p in one[name].places))
        for name, sign in symmetry.signs.items()
    }
    return dataclasses.replace(symmetry, axes=axes, signs=signs)
