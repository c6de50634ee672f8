"""Mixed matching: several meanings of "similar" at once."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from onebasin.alignment.matching import Features, Matching
from onebasin.symmetry.axes import Symmetry


def mixed_matching(matchings: Sequence[Matching], weights: Sequence[float]) -> Matching:
    r"""Match units by several objectives at once: $\max_p \sum_k c_k\, O_k(p)$.

    `weights` are $c_k$, in the inverse units of each objective $O_k$: choose them so that the
    terms are of one size, or the largest decides alone.

    Raises: ValueError unless there is one positive weight for each of at least one matching.
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
    parts = {f"{number}-{part.name}": part for number, part in enumerate(matchings)}
    scales = dict(zip(parts, map(float, weights), strict=True))

    def target(mean_features: Features) -> Features:
        targets = {name: part.target(mean_features[name]) for name, part in parts.items()}
        return {
            name: jax.tree.map(lambda leaf, c=scales[name]: np.asarray(c * leaf), one)
            for name, one in targets.items()
        }

    return Matching(
        name=" and ".join(part.name for part in matchings),
        symmetry=lambda symmetry: _joined(
            symmetry, {name: part.symmetry(symmetry) for name, part in parts.items()}
        ),
        features=lambda params: {name: part.features(params) for name, part in parts.items()},
        target=target,
        constant=lambda means: sum(scales[n] * p.constant(means[n]) for n, p in parts.items()),
    )


def _joined(symmetry: Symmetry, parts: dict[str, Symmetry]) -> Symmetry:
    """The symmetry of the features of all parts; what flips in one flips in the others."""
    axes = {name: part.axes for name, part in parts.items()}
    apart = [part.within(axes, [name]).signs for name, part in parts.items()]
    signs = {
        name: sign._replace(places=tuple(p for one in apart for p in one[name].places))
        for name, sign in symmetry.signs.items()
    }
    return dataclasses.replace(symmetry, axes=axes, signs=signs)
