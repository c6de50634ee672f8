"""Pruning in stages: the increase of the loss is measured again after each stage."""

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import map_others, weights_alone, with_others_of
from onebasin.fisher.diagonal import fisher_diagonal
from onebasin.networks.posterior import Posterior
from onebasin.pruning.prune import num_kept
from onebasin.types import Key, Params


def staged_scores(
    posterior: Posterior,
    params: Params,
    draws: Params,
    *,
    key: Key,
    num_probes: int = 1,
    ratio: float = 0.7,
    least: float = 0.01,
) -> Params:
    r"""The scores in (0, 1] by which `prune` removes weights in the order of the stages.

    Each stage removes the weights of least $\tfrac12 F_{ii} w_i^2$, the increase of the loss if
    weight $w_i$ of `params` is set to zero. $F$ is the Fisher diagonal at `draws`, measured again
    at each stage with the weights that earlier stages removed set to zero in every draw. Weights
    that a stage removes rank below all that it keeps.

    If the prior's precision were added to $F$, the order would be that of the squared
    signal-to-noise ratio under a diagonal Laplace approximation that is made again at each stage.
    A stage costs draws x `num_probes` gradients on all inputs. No weight is trained in between.

    Args:
        posterior: Whose likelihood and training inputs the Fisher diagonal is of.
        params: The weights to prune.
        draws: Where the Fisher diagonal is measured, the draw on the leading axis of every leaf:
            `params` alone for one network, or draws that are aligned with `params`.
        key: The random key of the probes.
        num_probes: How many random gradients are averaged for each draw, at least 1.
        ratio: The share of its weights that a stage keeps, in (0, 1).
        least: The share of all weights at which stages end, in (0, 1).

    Raises:
        ValueError: If `ratio` or `least` is outside (0, 1), or `num_probes` is below 1.

    Source: LeCun, Denker and Solla (1989), Optimal Brain Damage, who train between the stages.
    """
    for name, share in {"ratio": ratio, "least": least}.items():
        if not 0 < share < 1:
            raise ValueError(f"{name} must lie in (0, 1). Got {share}. For 70 per cent pass 0.7.")
    all_kept = map_others(lambda leaf: np.ones(np.shape(leaf), np.float32), params)
    weights = _trees.to_host(weights_alone(params))
    size = _trees.size(weights)
    order, keep = np.arange(size), 1.0
    count, stage = size, 0
    while keep > least:
        mask = np.zeros(size, np.float32)
        mask[order[:count]] = 1
        masked = _masked(draws, with_others_of(all_kept, _trees.unravel_batch(mask, weights)))
        fisher = fisher_diagonal(posterior, masked, num_probes, key=jax.random.fold_in(key, stage))
        increase = _increase(fisher, weights)
        # Weights that earlier stages removed keep their places, after all that are left.
        best_first = np.argsort(-increase[order[:count]], kind="stable")
        order = np.concatenate([order[:count][best_first], order[count:]])
        keep, stage = max(keep * ratio, least), stage + 1
        count = num_kept(keep, size)
    scores = np.empty(size)
    scores[order] = 1.0 - np.arange(size) / size
    return _trees.unravel_batch(scores, weights)


def _increase(fisher: Params, weights: Params) -> Float[np.ndarray, " weights"]:
    """Twice the increase of the loss of each weight, in one row."""
    curvature = _trees.ravel_batch(weights_alone(fisher), 0)
    return curvature * _trees.ravel_batch(weights, 0) ** 2


@jax.jit
def _masked(draws: Params, mask: Params) -> Params:
    """The draws with the weights that the mask holds a zero for set to zero."""
    return jax.tree.map(lambda leaf, kept: leaf * kept[None], draws, mask)
