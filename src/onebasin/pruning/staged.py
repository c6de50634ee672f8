"""Pruning in stages: the loss increase of zeroing a weight, measured anew as others are gone."""

import jax
import numpy as np

from onebasin import _trees
from onebasin._collections import map_statistics, with_statistics_of, without_statistics
from onebasin._types import Key, Params
from onebasin.fisher.diagonal import fisher_diagonal
from onebasin.models.posterior import Posterior


def staged_scores(
    posterior: Posterior,
    params: Params,
    draws: Params,
    key: Key,
    *,
    num_probes: int = 1,
    ratio: float = 0.7,
    least: float = 0.01,
) -> Params:
    r"""Scores by which weights leave in stages, those of least $\tfrac12 F_{ii} w_i^2$ first.

    A stage keeps `ratio` of the weights that the one before it kept, until a share `least` is
    left. $F$ is the Fisher diagonal at `draws` (which lead every leaf), each pruned as far as
    `params` are: pass the params alone for a network's own, or aligned draws for a posterior's.
    With the prior's precision added to $F$ it would be the squared signal-to-noise ratio under a
    diagonal Laplace approximation made anew at every stage. Costs draws x probes gradients a stage.

    Raises: ValueError for a ratio or a least share outside (0, 1).
    Source: LeCun et al. (1989), Optimal Brain Damage, whose stages train in between.
    """
    for name, share in {"ratio": ratio, "least": least}.items():
        if not 0 < share < 1:
            raise ValueError(f"{name} must lie in (0, 1). Got {share}. For 70 per cent pass 0.7.")
    whole, params = params, _trees.to_host(without_statistics(params))
    size = _trees.size(params)
    all_stay = map_statistics(lambda leaf: np.ones(np.shape(leaf), np.float32), whole)
    order, keep = np.arange(size), 1.0
    num_kept, stage = size, 0
    while keep > least:
        kept = np.zeros(size, np.float32)
        kept[order[:num_kept]] = 1
        masked = _masked(draws, with_statistics_of(all_stay, _trees.unravel_batch(kept, params)))
        curvature = fisher_diagonal(posterior, masked, jax.random.fold_in(key, stage), num_probes)
        curvature = without_statistics(curvature)
        increase = _trees.ravel_batch(curvature, 0) * _trees.ravel_batch(params, 0) ** 2
        # Those that left stay where they are in the order, behind all that are left.
        best_first = np.argsort(-increase[order[:num_kept]], kind="stable")
        order = np.concatenate([order[:num_kept][best_first], order[num_kept:]])
        keep, stage = max(keep * ratio, least), stage + 1
        num_kept = int(np.ceil(keep * size))
    scores = np.empty(size)
    scores[order] = 1.0 - np.arange(size) / size
    return _trees.unravel_batch(scores, params)


@jax.jit
def _masked(draws: Params, mask: Params) -> Params:
    return jax.tree.map(lambda leaf, kept: leaf * kept[None], draws, mask)
