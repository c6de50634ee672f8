"""Pruning by conditioning: weights that stay move to where they belong without the others."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import jax
import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float
from scipy.linalg.lapack import dtrtri  # pyright: ignore[reportAttributeAccessIssue]

from onebasin import _trees
from onebasin._types import Key, Params
from onebasin.fisher.by_unit import from_unit_rows, unit_fisher, unit_layers, unit_rows
from onebasin.models.posterior import Posterior

Order: TypeAlias = Literal["signal-to-noise", "magnitude"]
"""Which weights leave first."""

_Rows: TypeAlias = dict[str, Float[np.ndarray, "units weights"]]
_Kept: TypeAlias = dict[str, Bool[np.ndarray, "units weights"]]
_Blocks: TypeAlias = dict[str, list[Float[np.ndarray, "_kept _kept"]]]


def conditional_copies(
    posterior: Posterior,
    params: Params,
    keeps: Sequence[float],
    key: Key,
    *,
    order: Order = "signal-to-noise",
    ratio: float = 0.7,
    num_probes: int = 1,
) -> Params:
    r"""The pruned params for each share kept, stacked along a new leading axis.

    The posterior around `params` is taken to be Gaussian, with a covariance inside each unit's
    incoming weights and none between units: $C = (F + s^{-2})^{-1}$ with the unit's Fisher
    information $F$ and the prior's std $s$. Weights leave in stages, each keeping at least
    `ratio` of those before it, those of least $w_i^2 / C_{ii}$ first (or least magnitude). Then
    the others move to their mean given that those are zero,
    $w_R - C_{RS} C_{SS}^{-1} w_S$, and $F$ is measured anew. No gradient step is taken.

    Raises: ValueError for shares outside (0, 1] or not falling, a ratio outside (0, 1), or an array
    of which no axis is known to make units.
    Source: Hassibi and Stork (1992), Optimal Brain Surgeon, equation 5, for one weight; its
    blocks and stages are ours.
    """
    if not 0 < ratio < 1:
        raise ValueError(f"ratio must lie in (0, 1). Got {ratio}. For 70 per cent pass 0.7.")
    if not all(0 < keep <= 1 for keep in keeps) or list(keeps) != sorted(keeps, reverse=True):
        raise ValueError(f"keeps must fall, from at most 1 to above 0. Got {list(keeps)}.")
    layers = unit_layers(params, posterior.symmetry)
    rows_of = lambda tree: {n: w.astype(np.float64) for n, w in unit_rows(tree, layers).items()}
    rows = rows_of(params)
    precisions = {layer: std**-2 for layer, std in rows_of(posterior.prior_std).items()}
    kept = {layer: np.ones(w.shape, bool) for layer, w in rows.items()}
    copies = []
    for stage, (keep, is_asked) in enumerate(_stages(keeps, ratio)):
        if keep < 1:
            now = from_unit_rows(rows, layers, params)
            fisher = unit_fisher(posterior, now, jax.random.fold_in(key, stage), num_probes, kept)
            rows, kept = _stage(rows, kept, fisher, precisions, keep, order)
        if is_asked:
            copies.append(from_unit_rows(rows, layers, params))
    return _trees.stack(copies)


def _stages(keeps: Sequence[float], ratio: float) -> Iterator[tuple[float, bool]]:
    """Shares to be kept one after another, and whether each was asked for."""
    keep = 1.0
    for asked in keeps:
        while keep * ratio > asked:
            keep *= ratio
            yield keep, False
        keep = asked
        yield keep, True


def _stage(
    rows: _Rows, kept: _Kept, fisher: _Blocks, precisions: _Rows, keep: float, order: Order
) -> tuple[_Rows, _Kept]:
    size = sum(w.size for w in rows.values())
    scores = {
        layer: w**2 if order == "magnitude" else _signals(w, kept[layer], fisher[layer], prior)
        for layer, w, prior in ((layer, w, precisions[layer]) for layer, w in rows.items())
    }
    flat = np.concatenate([np.where(kept[n], scores[n], -np.inf).ravel() for n in rows])
    count = int(np.ceil(keep * size * (1 - 1e-12)))
    stays = np.zeros(size, bool)
    stays[np.argsort(-flat, kind="stable")[:count]] = True
    found: _Rows = {}
    left: _Kept = {}
    first = 0
    for layer, w in rows.items():
        left[layer] = stays[first : first + w.size].reshape(w.shape)
        found[layer] = _conditioned(w, kept[layer], left[layer], fisher[layer], precisions[layer])
        first += w.size
    return found, left


def _signals(
    rows: np.ndarray, kept: np.ndarray, fisher: Sequence[np.ndarray], precisions: np.ndarray
) -> Float[np.ndarray, "units weights"]:
    """The square of each kept weight over its variance, all others kept being free."""
    found = np.zeros_like(rows)
    for unit, some in enumerate(kept):
        if some.any():
            precision = fisher[unit] + np.diag(precisions[unit, some])
            found[unit, some] = rows[unit, some] ** 2 / _variances(precision)
    return found


def _variances(precision: Float[np.ndarray, "kept kept"]) -> Float[np.ndarray, " kept"]:
    r"""The diagonal of the inverse: with $P = L L^\top$, the squares of $L^{-1}$ by columns.

    A third of what the whole inverse takes.
    """
    root = scipy.linalg.cholesky(precision, lower=True, overwrite_a=True, check_finite=False)
    inverse, _ = dtrtri(root, lower=1, overwrite_c=1)
    return np.einsum("ij,ij->j", inverse, inverse)


def _conditioned(
    rows: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    fisher: Sequence[np.ndarray],
    precisions: np.ndarray,
) -> Float[np.ndarray, "units weights"]:
    """The mean of what stays given that what leaves is zero, which in precisions is one solve."""
    found = np.where(after, rows, 0.0)
    for unit, stays in enumerate(after):
        leaves = before[unit] & ~stays
        if leaves.any() and stays.any():
            among = stays[before[unit]]
            precision = fisher[unit][np.ix_(among, among)] + np.diag(precisions[unit, stays])
            pull = fisher[unit][np.ix_(among, ~among)] @ rows[unit, leaves]
            found[unit, stays] += scipy.linalg.solve(precision, pull, assume_a="pos")
    return found
