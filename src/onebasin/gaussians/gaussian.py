"""DiagonalGaussian, LowRankGaussian and summarize: the compact posterior.

One type serves a variational posterior and a summary of aligned samples. Nothing here knows
where the numbers came from.
"""

from functools import partial
from pathlib import Path
from typing import Any, overload

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_key
from onebasin._collections import map_statistics, with_statistics_of, without_statistics
from onebasin._types import Array, Key, Params
from onebasin.samples import Samples
from onebasin.store.errors import StoreError
from onebasin.store.tensors import load_tensors, save_tensors


class DiagonalGaussian(eqx.Module):
    r"""An independent Gaussian for every weight, $\mathcal N(w; \mu, \mathrm{diag}(\sigma^2))$.

    `mean` is $\mu$ and `std` is $\sigma$, in the units of the weights. Of samples that were
    not aligned it says nothing about any weight. Running statistics are a point mass at their
    mean, so that draws compute; renew them by `recalibrate` for draws that predict well.

    Source: Xiao, Liu and Bamler (2024), arXiv 2401.00611, section 4.
    """

    mean: Params
    std: Params

    @property
    def num_numbers(self) -> int:
        """Numbers stored for each weight."""
        return 2

    @property
    def signal_to_noise(self) -> Params:
        r"""$|\mu| / \sigma$ of each weight; infinite where the std is 0 and the mean is not.

        Source: Blundell et al. (2015), arXiv 1505.05424, section 3.5.
        """
        return jax.tree.map(_signal_to_noise, self.mean, self.std)

    def sample(self, key: Key, num_draws: int) -> Params:
        """Independent draws of all weights; every leaf leads with the draw."""
        return jax.tree.map(
            lambda mean, std, noise: mean[None] + std[None] * noise,
            self.mean,
            self.std,
            _noise(key, num_draws, self.mean),
        )

    def log_prob(self, params: Params) -> Float[Array, ""]:
        r"""$\sum_i \log \mathcal N(w_i; \mu_i, \sigma_i^2)$ in nats.

        A weight with std 0 is a point mass: it adds 0 where the weight equals its mean, else -inf.
        Running statistics add nothing.
        """
        terms = jax.tree.map(_log_prob, *map(without_statistics, (params, self.mean, self.std)))
        return jnp.stack(jax.tree.leaves(terms)).sum()

    def save(self, path: Path | str, **metadata: Any) -> None:
        """Write to one safetensors file, with metadata that JSON can hold."""
        _save(path, "diagonal", {"mean": self.mean, "std": self.std}, metadata)


class LowRankGaussian(eqx.Module):
    r"""A Gaussian with covariance $B B^\top + \mathrm{diag}(\sigma^2)$: $w = \mu + B z + \sigma e$.

    `factor` is $B$, its `rank` columns on the leading axis of every leaf; `std` is $\sigma$, the
    residual that the factor leaves over.
    """

    mean: Params
    factor: Params
    std: Params

    @property
    def rank(self) -> int:
        """The number of columns of the factor."""
        return int(np.shape(jax.tree.leaves(self.factor)[0])[0])

    @property
    def num_numbers(self) -> int:
        """Numbers stored for each weight: mean, residual std and the factor's rows."""
        return 2 + self.rank

    @property
    def total_std(self) -> Params:
        r"""The standard deviation of each weight, $\sqrt{\sum_k B_{ik}^2 + \sigma_i^2}$."""
        return jax.tree.map(
            lambda factor, std: jnp.sqrt((factor**2).sum(axis=0) + std**2), self.factor, self.std
        )

    @property
    def residual_share(self) -> float:
        """The share of the total variance (summed over weights) that the factor leaves over."""
        residual = sum(float((leaf.astype(np.float64) ** 2).sum()) for leaf in _leaves(self.std))
        factor = sum(float((leaf.astype(np.float64) ** 2).sum()) for leaf in _leaves(self.factor))
        return residual / (residual + factor) if residual + factor > 0 else 0.0

    def sample(self, key: Key, num_draws: int) -> Params:
        """Independent draws of all weights; every leaf leads with the draw."""
        check_key(key)
        key_factor, key_residual = jax.random.split(key)
        dtype = jax.tree.leaves(self.mean)[0].dtype
        z = _noise(key_factor, num_draws, np.empty(self.rank, dtype))
        return jax.tree.map(
            lambda mean, factor, std, noise: (
                mean[None] + jnp.tensordot(z, factor, 1) + std[None] * noise
            ),
            self.mean,
            self.factor,
            self.std,
            _noise(key_residual, num_draws, self.mean),
        )

    def log_prob(self, params: Params) -> Float[Array, ""]:
        r"""The log density in nats, by the Woodbury identity on the rank-sized capacitance.

        With $C = I + B^\top \Sigma^{-1} B$: $\log|BB^\top + \Sigma| = \log|\Sigma| + \log|C|$.
        Minus infinity or NaN where a residual std is 0. Running statistics add nothing.
        """
        weights = lambda tree: jax.tree.leaves(without_statistics(tree))
        flat = lambda tree: jnp.concatenate([leaf.reshape(-1) for leaf in weights(tree)])
        factor = jnp.concatenate(
            [leaf.reshape(self.rank, -1) for leaf in weights(self.factor)], axis=1
        )
        std = flat(self.std)
        white = (flat(params) - flat(self.mean)) / std
        scaled = factor / std[None]
        capacitance = jnp.eye(self.rank, dtype=scaled.dtype) + scaled @ scaled.T
        cholesky = jnp.linalg.cholesky(capacitance)
        inner = jax.scipy.linalg.solve_triangular(cholesky, scaled @ white, lower=True)
        log_determinant = 2 * jnp.log(std).sum() + 2 * jnp.log(jnp.diagonal(cholesky)).sum()
        squares = (white**2).sum() - (inner**2).sum()
        return -0.5 * (squares + log_determinant + white.size * jnp.log(2 * jnp.pi))

    def save(self, path: Path | str, **metadata: Any) -> None:
        """Write to one safetensors file, with metadata that JSON can hold."""
        tree = {"mean": self.mean, "factor": self.factor, "std": self.std}
        _save(path, "low-rank", tree, metadata)


@overload
def summarize(samples: Samples) -> DiagonalGaussian: ...
@overload
def summarize(samples: Samples, rank: int) -> DiagonalGaussian | LowRankGaussian: ...
def summarize(samples: Samples, rank: int = 0) -> DiagonalGaussian | LowRankGaussian:
    r"""The Gaussian of (aligned) samples: mean, std (ddof = 1) and a factor where rank > 0.

    $B$ holds the `rank` largest principal components of the centred draws, scaled by their
    standard deviations; the residual std keeps each weight's total variance what it was.
    A std is meaningful only where the samples share one basin, and beside the null floor.
    Running statistics are a point mass at their mean: they follow from the weights, and draws
    that vary them would have negative variances.

    Raises: ValueError for fewer than 2 draws or a rank outside [0, draws - 1].
    Source: Xiao, Liu and Bamler (2024), arXiv 2401.00611, section 4.
    """
    num_draws = samples.num_chains * samples.num_draws
    if not 0 <= rank < max(num_draws, 2):
        raise ValueError(f"rank must lie in [0, {num_draws - 1}] (draws - 1). Got {rank}.")
    mean, std = samples.mean(), map_statistics(np.zeros_like, samples.std())
    if rank == 0:
        return DiagonalGaussian(mean, std)
    draws = _trees.ravel_batch(without_statistics(samples.draws())).astype(np.float64)
    centred = draws - draws.mean(axis=0)
    factor = _principal_factor(centred, rank)
    variance = (centred**2).sum(axis=0) / (num_draws - 1)
    # Rounding may leave a variance a hair below its factor's share.
    residual = np.sqrt(np.maximum(variance - (factor**2).sum(axis=0), 0.0))
    return LowRankGaussian(mean, shaped_like(mean, factor), shaped_like(mean, residual))


def shaped_like(mean: Params, flat: Float[np.ndarray, "*batch weights"]) -> Params:
    """A quantity of all weights in one row as a tree like their mean; that of statistics is 0."""
    weights = without_statistics(mean)
    zeros = jax.tree.map(lambda x: np.zeros((*flat.shape[:-1], *np.shape(x)), x.dtype), mean)
    found = jax.tree.map(
        lambda leaf, old: leaf.astype(old.dtype), _trees.unravel_batch(flat, weights), weights
    )
    return with_statistics_of(zeros, found)


def _principal_factor(
    centred: Float[np.ndarray, "draw weights"], rank: int
) -> Float[np.ndarray, "rank weights"]:
    # The Gram matrix of the draws is small where weights are many, and has the same spectrum.
    variances, vectors = np.linalg.eigh(centred @ centred.T / (len(centred) - 1))
    largest = slice(-1, -rank - 1, -1)
    directions = vectors[:, largest].T @ centred
    norms = np.linalg.norm(directions, axis=1, keepdims=True)
    scales = np.sqrt(np.maximum(variances[largest], 0.0))[:, None]
    # An eigenvector's sign is arbitrary and differs between machines; fix it.
    signs = np.sign(directions[np.arange(rank), np.abs(directions).argmax(axis=1)])[:, None]
    return np.divide(
        directions * signs * scales, norms, where=norms > 0, out=np.zeros_like(directions)
    )


def load_gaussian(
    path: Path | str, like: Params | None = None
) -> tuple[DiagonalGaussian | LowRankGaussian, dict[str, Any]]:
    """A Gaussian and its metadata from a file that `save` wrote.

    Params are nested dicts by path, or shaped like `like`.

    Raises: StoreError where the file is missing, damaged or holds something else.
    """
    tensors, metadata = load_tensors(path)
    kind = metadata.pop("kind", None)
    fields = {"diagonal": ("mean", "std"), "low-rank": ("mean", "factor", "std")}.get(kind)
    if fields is None:
        raise StoreError(f"{path} must hold a Gaussian. Got kind {kind!r}.")
    parts = _trees.nest(tensors)
    trees = [_trees.rebuild(_trees.named_leaves(parts[field]), like) for field in fields]
    return (DiagonalGaussian if kind == "diagonal" else LowRankGaussian)(*trees), metadata


def _save(path: Path | str, kind: str, tree: dict[str, Params], metadata: dict[str, Any]) -> None:
    if "kind" in metadata:
        raise ValueError(
            f"The metadata of a Gaussian must leave the name 'kind' free. Got {metadata['kind']!r}."
        )
    save_tensors(path, _trees.named_leaves(tree), metadata | {"kind": kind})


def _leaves(tree: Params) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def _log_prob(w: Array, mean: Array, std: Array) -> Array:
    spread = jax.scipy.stats.norm.logpdf(w, mean, jnp.where(std > 0, std, 1.0))
    return jnp.where(std > 0, spread, jnp.where(w == mean, 0.0, -jnp.inf)).sum()


def _signal_to_noise(mean: Array, std: Array) -> Array:
    ratio = jnp.abs(mean) / jnp.where(std > 0, std, 1.0)
    return jnp.where(std > 0, ratio, jnp.where(mean != 0, jnp.inf, 0.0))


def _noise(key: Key, num_draws: int, like: Params) -> Params:
    check_key(key)
    leaves, structure = jax.tree.flatten(like)
    kinds = tuple((np.shape(leaf), jax.dtypes.canonicalize_dtype(leaf.dtype)) for leaf in leaves)
    return jax.tree.unflatten(structure, _normal_arrays(key, num_draws, kinds))


@partial(jax.jit, static_argnums=(1, 2))
def _normal_arrays(
    key: Key, num_draws: int, kinds: tuple[tuple[tuple[int, ...], jnp.dtype], ...]
) -> list[Array]:
    """In one program: hundreds of arrays one by one take longer than predicting with them."""
    keys = jax.random.split(key, len(kinds))
    return [
        jax.random.normal(k, (num_draws, *shape), dtype)
        for k, (shape, dtype) in zip(keys, kinds, strict=True)
    ]
