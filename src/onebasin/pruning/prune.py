"""Pruning: keep the weights with the highest scores, set the rest to zero."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import jax
import numpy as np
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin._collections import map_others, weights_alone, with_others_of
from onebasin._random import numpy_rng
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.types import Array, Key, Params

KEEPS: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01)
"""The shares of weights kept in the paper's protocol."""


def prune(params: Params, scores: Params, keep: float) -> Params:
    r"""The params with all weights set to zero but those with the highest scores.

    Of $n$ weights $\lceil \mathrm{keep} \cdot n \rceil$ are kept. All arrays compete with each
    other. Of equal scores, the first in leaf order is kept first. Running statistics
    and an inferred noise are not weights: they are neither set to zero nor counted, whether or not
    they have scores.

    A std or a signal-to-noise ratio says something about a weight of `params` only if both have
    their units in one order: score aligned draws by the summary of aligned draws.

    Args:
        params: The weights to prune, a tree of arrays.
        scores: A number for each weight, in a tree of the same shape. The higher, the longer the
            weight is kept: `compact.signal_to_noise`, the negated std, or the magnitude.
        keep: The share of all weights that is kept, in (0, 1].

    Raises:
        ValueError: If `keep` is outside (0, 1], or scores are NaN or of another shape.

    Examples:
        >>> pruned = ob.prune(aligned.draw(0, 0), compact.signal_to_noise, keep=0.1)
        >>> int(sum((leaf != 0).sum() for leaf in jax.tree.leaves(pruned)))  # of 610 weights
        61
    """
    copies = pruned_copies(params, scores, (keep,))
    return jax.tree.map(lambda leaf: leaf[0, ...], copies)


def pruned_copies(params: Params, scores: Params, keeps: tuple[float, ...] = KEEPS) -> Params:
    """The params as `prune` gives them for each share of `keeps`, along a new leading axis.

    Raises:
        ValueError: As `prune` does.

    Examples:
        >>> copies = ob.pruning.pruned_copies(params, jax.tree.map(abs, params), (1.0, 0.5, 0.1))
        >>> copies["hidden_0"]["kernel"].shape
        (3, 64, 8)
    """
    for keep in keeps:
        if not 0 < keep <= 1:
            raise ValueError(
                f"keep must lie in (0, 1], a share of the weights. Got {keep}. "
                "For ten per cent pass keep=0.1."
            )
    weights = _trees.to_host(weights_alone(params))
    ranks = _ranks(weights, weights_alone(scores))
    counts = np.array([num_kept(keep, ranks.size) for keep in keeps])
    is_kept = _trees.unravel_batch(ranks < counts[:, None], weights)
    pruned = jax.tree.map(
        lambda leaf, mask: np.where(mask, leaf, np.zeros_like(leaf)), weights, is_kept
    )
    repeated = lambda leaf: np.repeat(np.asarray(leaf)[None], len(keeps), axis=0)
    return with_others_of(map_others(repeated, params), pruned)


def num_kept(keep: float, size: int) -> int:
    r"""How many of `size` weights a share `keep` is, $\lceil \mathrm{keep} \cdot n \rceil$.

    Rounding never adds a weight: .55 * 100 is 55.00000000000001 in float64, and 55 are kept.
    """
    return math.ceil(keep * size * (1 - 1e-12))


def _ranks(params: Params, scores: Params) -> Int[np.ndarray, " weights"]:
    """The place of every weight in the order of its score: 0 for the highest."""
    _check_shapes(params, scores)
    flat = _trees.ravel_batch(scores, 0)
    if np.isnan(flat).any():
        raise ValueError(
            f"scores must not be NaN. Got {int(np.isnan(flat).sum())} of {flat.size} that are. "
            "Give these weights a score, -inf for those to prune first."
        )
    ranks = np.empty(flat.size, int)
    ranks[np.argsort(-flat, kind="stable")] = np.arange(flat.size)
    return ranks


def _check_shapes(params: Params, scores: Params) -> None:
    """Raise ValueError unless there is one score for each weight, in arrays of the same names."""
    wanted, got = _trees.named_leaves(params), _trees.named_leaves(scores)
    if got.keys() != wanted.keys():
        raise ValueError(
            f"scores must have the leaves of params. {_trees.difference(got, wanted)} "
            "Make them from these params."
        )
    for name, leaf in wanted.items():
        if np.shape(got[name]) != np.shape(leaf):
            raise ValueError(
                f"scores must be shaped like params, which have {np.shape(leaf)} at {name!r}. "
                f"Got {np.shape(got[name])}. Make them from these params."
            )


def pruning_scores(
    params: Params,
    gaussian: DiagonalGaussian,
    curvatures: Mapping[str, Params] = MappingProxyType({}),
    *,
    key: Key,
) -> dict[str, Params]:
    r"""The scores of each weight for `prune`, by name; the higher, the longer it is kept.

    "std" is $-\sigma$, "signal-to-noise" is $|w| / \sigma$, "magnitude" is $|w|$ and "random" is
    uniform in [0, 1): the control. Each of `curvatures` adds, under its name, the increase of the
    loss if the weight is set to zero, $\tfrac12 F_{ii} w_i^2$. If the posterior is Gaussian, half
    the square of $|w| / \sigma$ is that increase after all other weights were fitted again.

    Running statistics and an inferred noise get no scores.

    Args:
        params: The weights $w$ to prune. They must be aligned with `gaussian`.
        gaussian: Its std is $\sigma$. Its mean is not used.
        curvatures: Diagonals $F$ of the curvature, by name, each shaped like `params`: for
            instance of `fisher_diagonal`.
        key: The random key of the scores called "random".

    Examples:
        >>> scores = ob.pruning.pruning_scores(params, compact, key=key)
        >>> sorted(scores)
        ['magnitude', 'random', 'signal-to-noise', 'std']
        >>> sparse = ob.prune(params, scores["signal-to-noise"], keep=0.2)

    Source: Blundell et al. (2015), arXiv 1505.05424, section 3.5, for signal to noise; LeCun,
    Denker and Solla (1989), Optimal Brain Damage, for the increase of the loss; Hassibi and Stork
    (1992), Optimal Brain Surgeon, for that after fitting again.
    """
    rng = numpy_rng(key)
    params, std = (_trees.to_host(weights_alone(x)) for x in (params, gaussian.std))
    return {
        "std": jax.tree.map(np.negative, std),
        "signal-to-noise": _trees.to_host(DiagonalGaussian(params, std).signal_to_noise),
        "magnitude": jax.tree.map(np.abs, params),
        "random": jax.tree.map(lambda leaf: rng.random(np.shape(leaf)), params),
    } | {
        name: jax.tree.map(_loss_increase, weights_alone(curvature), params)
        for name, curvature in curvatures.items()
    }


def _loss_increase(
    curvature: Float[Array, "*shape"], leaf: Float[Array, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    r"""$\tfrac12 F_{ii} w_i^2$ of each weight, in nats, in float64."""
    return np.asarray(0.5 * np.asarray(curvature, np.float64) * np.asarray(leaf, np.float64) ** 2)


def layer_wise(scores: Params) -> Params:
    """Scores by which `prune` keeps the same share of each array, so that arrays do not compete.

    They are the places of weights within their array: the best scores 1, the worst 1 / size. Of
    equal scores, the first in the array gets the higher place.

    Examples:
        >>> ob.pruning.layer_wise({"small": np.array([1.0, 2.0]), "large": np.array([9.0, 8.0])})
        {'large': array([1. , 0.5]), 'small': array([0.5, 1. ])}
    """
    return jax.tree.map(_share_outranked, _trees.to_host(scores))


def _share_outranked(leaf: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The share of an array's entries that each entry scores at least as high as, itself too."""
    order = np.argsort(-leaf.reshape(-1), kind="stable")
    shares = np.empty(leaf.size)
    shares[order] = 1.0 - np.arange(leaf.size) / leaf.size
    return shares.reshape(leaf.shape)
