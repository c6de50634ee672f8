"""Pruning: keep the weights with the highest scores, set the rest to zero."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import jax
import numpy as np
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin._collections import map_statistics, with_statistics_of, without_statistics
from onebasin._random import numpy_rng
from onebasin._types import Array, Key, Params
from onebasin.gaussians.gaussian import DiagonalGaussian

KEEPS: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01)
"""The shares of weights kept in the paper's protocol."""


def prune(params: Params, scores: Params, keep: float) -> Params:
    """Params with only a share `keep` of all weights left, those with the highest scores.

    Layers compete with each other; ties are broken by position. Scores say what to keep: pass
    the negated std, the signal-to-noise ratio or the magnitude. Running statistics are no
    weights: they all stay and are not counted, whether or not there are scores for them.

    Raises: ValueError for a share outside (0, 1] or scores that are NaN or of another shape.
    """
    copies = pruned_copies(params, scores, (keep,))
    return jax.tree.map(lambda leaf: leaf[0, ...], copies)


def pruned_copies(params: Params, scores: Params, keeps: tuple[float, ...] = KEEPS) -> Params:
    """The pruned params for each share, stacked along a new leading axis."""
    for keep in keeps:
        if not 0 < keep <= 1:
            raise ValueError(
                f"keep must lie in (0, 1]. Got {keep}. For ten per cent pass keep=0.1."
            )
    weights = _trees.to_host(without_statistics(params))
    ranks = _ranks(weights, without_statistics(scores))
    # A product like .55 * 100 lies a hair above the whole number that is meant.
    counts = [math.ceil(keep * ranks.size * (1 - 1e-12)) for keep in keeps]
    kept = _trees.unravel_batch(ranks < np.array(counts)[:, None], weights)
    pruned = jax.tree.map(
        lambda leaf, mask: np.where(mask, leaf, np.zeros_like(leaf)), weights, kept
    )
    repeated = lambda leaf: np.repeat(np.asarray(leaf)[None], len(keeps), axis=0)
    return with_statistics_of(map_statistics(repeated, params), pruned)


def _ranks(params: Params, scores: Params) -> Int[np.ndarray, " weights"]:
    """The place of every weight in the order of being kept, 0 for the highest score."""
    shapes, wanted = (
        {name: np.shape(leaf) for name, leaf in _trees.named_leaves(tree).items()}
        for tree in (scores, params)
    )
    if shapes != wanted:
        raise ValueError(f"scores must be shaped like params, {wanted}. Got {shapes}.")
    flat = _trees.ravel_batch(scores, 0)
    if np.isnan(flat).any():
        raise ValueError(f"scores must not be NaN. Got {int(np.isnan(flat).sum())} of {flat.size}.")
    ranks = np.empty(flat.size, int)
    ranks[np.argsort(-flat, kind="stable")] = np.arange(flat.size)
    return ranks


def pruning_scores(
    params: Params,
    gaussian: DiagonalGaussian,
    key: Key,
    curvatures: Mapping[str, Params] = MappingProxyType({}),
) -> dict[str, Params]:
    r"""What to keep by each order: small std, |weight| / std, magnitude, or at random.

    Each of `curvatures` (such as a Fisher diagonal $F$) adds, by its name, the loss increase
    $\tfrac12 F_{ii} w_i^2$ of zeroing a weight. The std is the Gaussian's, the weights are the
    params': the two must share a basin. Where the std is that of a posterior that is Gaussian,
    half the square of |weight| / std is the loss increase after all others were re-fitted.
    Running statistics get no scores.

    Source: Blundell et al. (2015), arXiv 1505.05424, section 3.5, for signal to noise; LeCun et
    al. (1989), Optimal Brain Damage, for the increase; Hassibi and Stork (1992) after re-fitting.
    """
    rng = numpy_rng(key)
    params, std = (_trees.to_host(without_statistics(x)) for x in (params, gaussian.std))
    return {
        "std": jax.tree.map(np.negative, std),
        "signal-to-noise": _trees.to_host(DiagonalGaussian(params, std).signal_to_noise),
        "magnitude": jax.tree.map(np.abs, params),
        "random": jax.tree.map(lambda leaf: rng.random(np.shape(leaf)), params),
    } | {
        name: jax.tree.map(_loss_increase, without_statistics(curvature), params)
        for name, curvature in curvatures.items()
    }


def _loss_increase(
    curvature: Float[Array, "*shape"], leaf: Float[Array, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    return np.asarray(0.5 * np.asarray(curvature, np.float64) * np.asarray(leaf, np.float64) ** 2)


def layer_wise(scores: Params) -> Params:
    """Scores that rank weights in their own array: each array keeps the same share.

    An array's best weight scores 1 and its worst 1 / size; among equals the first ranks higher.
    """
    return jax.tree.map(_share_outranked, _trees.to_host(scores))


def _share_outranked(leaf: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    order = np.argsort(-leaf.reshape(-1), kind="stable")
    shares = np.empty(leaf.size)
    shares[order] = 1.0 - np.arange(leaf.size) / leaf.size
    return shares.reshape(leaf.shape)
