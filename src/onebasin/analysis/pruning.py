"""Pruning: keep the weights with the highest scores, set the rest to zero."""

import math

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Key, Params
from onebasin.gaussian import DiagonalGaussian

KEEPS: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01)
"""The shares of weights kept in the paper's protocol."""


def prune(params: Params, scores: Params, keep: float) -> Params:
    """Params with only a share `keep` of all weights left, those with the highest scores.

    Layers compete with each other; ties are broken by position. Scores say what to keep: pass
    the negated std, the signal-to-noise ratio or the magnitude.

    Raises: ValueError for a share outside (0, 1] or scores that are NaN or of another shape.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep must lie in (0, 1]. Got {keep}. For ten per cent pass keep=0.1.")
    shapes, wanted = (
        {name: np.shape(leaf) for name, leaf in _trees.named_leaves(tree).items()}
        for tree in (scores, params)
    )
    if shapes != wanted:
        raise ValueError(f"scores must be shaped like params, {wanted}. Got {shapes}.")
    flat = _trees.ravel_batch(scores, 0)
    if np.isnan(flat).any():
        raise ValueError(f"scores must not be NaN. Got {int(np.isnan(flat).sum())} of {flat.size}.")
    kept = np.zeros(flat.size, bool)
    # A product like .55 * 100 lies a hair above the whole number that is meant.
    num_kept = math.ceil(keep * flat.size * (1 - 1e-12))
    kept[np.argsort(-flat, kind="stable")[:num_kept]] = True
    return jax.tree.map(
        lambda leaf, mask: np.where(mask, leaf, np.zeros_like(leaf)),
        _trees.to_host(params),
        _trees.unravel_batch(kept, params),
    )


def pruning_scores(params: Params, gaussian: DiagonalGaussian, key: Key) -> dict[str, Params]:
    """What to keep by each order: small std, |weight| / std, magnitude, or at random.

    The std is the Gaussian's, the weights are the params': the two must share a basin.

    Source: Blundell et al. (2015), arXiv 1505.05424, section 3.5, for signal to noise.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    params = _trees.to_host(params)
    return {
        "std": jax.tree.map(lambda std: -np.asarray(std), gaussian.std),
        "signal-to-noise": _trees.to_host(DiagonalGaussian(params, gaussian.std).signal_to_noise),
        "magnitude": jax.tree.map(np.abs, params),
        "random": jax.tree.map(lambda leaf: rng.random(np.shape(leaf)), params),
    }


def pruned_copies(params: Params, scores: Params, keeps: tuple[float, ...] = KEEPS) -> Params:
    """The pruned params for each share, stacked along a new leading axis."""
    return _trees.stack([prune(params, scores, keep) for keep in keeps])
