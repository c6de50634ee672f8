"""DiagonalGaussian, LowRankGaussian and summarize: the compact posterior.

A variational posterior and a summary of aligned samples have the same type. Nothing here depends
on how a Gaussian was fitted.
"""

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
from onebasin.diagnostics.effective_size import LEAST_DRAWS
from onebasin.diagnostics.monte_carlo import monte_carlo_errors
from onebasin.gaussians.noise import normal_noise
from onebasin.samples import Samples
from onebasin.store.errors import StoreError
from onebasin.store.tensors import load_tensors, save_tensors
from onebasin.types import Array, Key, Params


class DiagonalGaussian(eqx.Module):
    r"""An independent Gaussian for every weight, $\mathcal N(w; \mu, \mathrm{diag}(\sigma^2))$.

    `mean` is $\mu$ and `std` is $\sigma$, each a tree shaped like the params, in the units of the
    weights. `summarize` makes one of samples, `mean_field_vi` fits one. If it comes from chains,
    `mcse_mean` and `mcse_std` are the Monte Carlo standard errors of both, in the same units.
    Otherwise they are None.

    If samples were not aligned, their mean and std say nothing about a single weight. Running
    statistics are a point mass at their mean, so that every draw is a whole set of params. Draws
    predict better after `Posterior.recalibrate` has renewed the statistics.

    Examples:
        >>> gaussian = ob.DiagonalGaussian({"w": jnp.zeros(3)}, {"w": jnp.full(3, 2.0)})
        >>> gaussian.sample(5, key=key)["w"].shape
        (5, 3)

    Source: Xiao, Liu and Bamler (2024), arXiv 2401.00611, section 4.
    """

    mean: Params
    std: Params
    mcse_mean: Params | None = None
    mcse_std: Params | None = None

    @property
    def values_per_weight(self) -> int:
        """How many numbers describe the Gaussian of each weight: 2, its mean and its std."""
        return 2

    @property
    def signal_to_noise(self) -> Params:
        r"""$|\mu| / \sigma$ of each weight, without unit, as a tree shaped like the params.

        It is infinite if the std is 0 and the mean is not, and 0 if both are 0.

        Examples:
            >>> gaussian = ob.DiagonalGaussian({"w": jnp.array([-3.0])}, {"w": jnp.array([2.0])})
            >>> gaussian.signal_to_noise["w"]
            Array([1.5], dtype=float32)

        Source: Blundell et al. (2015), arXiv 1505.05424, section 3.5.
        """
        return jax.tree.map(_signal_to_noise, self.mean, self.std)

    def sample(self, num_draws: int, *, key: Key) -> Params:
        """Independent draws of all weights, with the draw on the leading axis of every leaf.

        Raises:
            TypeError: If `key` is not a random key.

        Examples:
            >>> draws = compact.sample(5, key=key)
            >>> draws["hidden_0"]["kernel"].shape
            (5, 64, 8)
        """
        return jax.tree.map(
            lambda mean, std, noise: mean[None] + std[None] * noise,
            self.mean,
            self.std,
            normal_noise(key, num_draws, self.mean),
        )

    def log_prob(self, params: Params) -> Float[Array, ""]:
        r"""The log density $\sum_i \log \mathcal N(w_i; \mu_i, \sigma_i^2)$ of params $w$, in nats.

        A weight with std 0 is a point mass: it adds 0 if it equals its mean, and -inf if not.
        Running statistics add nothing.

        Examples:
            >>> gaussian = ob.DiagonalGaussian({"w": jnp.zeros(3)}, {"w": jnp.full(3, 2.0)})
            >>> print(f"{gaussian.log_prob(gaussian.mean):.3f}")
            -4.836
        """
        terms = jax.tree.map(_log_prob, *map(without_statistics, (params, self.mean, self.std)))
        return jnp.stack(jax.tree.leaves(terms)).sum()

    def save(self, path: Path | str, **metadata: Any) -> None:
        """Write the Gaussian to one safetensors file, with metadata that JSON can hold.

        An existing file is replaced, whole or not at all. `load_gaussian` reads it.

        Raises:
            ValueError: If the metadata has the name "kind", which the file needs.
            TypeError: If JSON cannot hold the metadata.

        Examples:
            >>> compact.save("compact.safetensors", source="hmc")
            >>> ob.gaussians.load_gaussian("compact.safetensors")[1]
            {'source': 'hmc'}
        """
        tree = {name: part for name, part in vars(self).items() if part is not None}
        _save(path, "diagonal", tree, metadata)


class LowRankGaussian(eqx.Module):
    r"""A Gaussian over all weights with covariance $B B^\top + \mathrm{diag}(\sigma^2)$.

    $w = \mu + B z + \sigma e$ with standard normal $z$ and $e$. `mean` is $\mu$; `factor` is $B$,
    with its `rank` columns on the leading axis of every leaf; `std` is $\sigma$, the residual std,
    which the factor does not explain. All are in the units of the weights. `summarize` with a rank
    and `factor_analysis` make one of samples. `total_std` is the std of a weight, `std` is not.

    Examples:
        >>> gaussian = ob.summarize(aligned, rank=2)
        >>> gaussian.factor["hidden_0"]["kernel"].shape
        (2, 64, 8)

    Source: Rubin and Thayer (1982), EM algorithms for ML factor analysis, for the model.
    """

    mean: Params
    factor: Params
    std: Params

    @property
    def rank(self) -> int:
        """The number of columns of the factor."""
        return int(np.shape(jax.tree.leaves(self.factor)[0])[0])

    @property
    def values_per_weight(self) -> int:
        """How many numbers are stored for each weight: mean, residual std, a row of the factor."""
        return 2 + self.rank

    @property
    def total_std(self) -> Params:
        r"""The std of each weight, $\sqrt{\sum_k B_{ik}^2 + \sigma_i^2}$, in the weight's unit."""
        return jax.tree.map(
            lambda factor, std: jnp.sqrt((factor**2).sum(axis=0) + std**2), self.factor, self.std
        )

    @property
    def residual_share(self) -> float:
        r"""The share of the variance that the factor does not explain, in [0, 1].

        $\sum_i \sigma_i^2 / (\sum_i \sigma_i^2 + \sum_{ik} B_{ik}^2)$ over all weights. It is 0 if
        no weight varies.
        """
        residual = sum(float((leaf.astype(np.float64) ** 2).sum()) for leaf in _leaves(self.std))
        factor = sum(float((leaf.astype(np.float64) ** 2).sum()) for leaf in _leaves(self.factor))
        return residual / (residual + factor) if residual + factor > 0 else 0.0

    def sample(self, num_draws: int, *, key: Key) -> Params:
        r"""Independent draws $\mu + B z + \sigma e$, the draw on the leading axis of every leaf.

        Raises:
            TypeError: If `key` is not a random key.

        Examples:
            >>> ob.summarize(aligned, rank=2).sample(5, key=key)["out"]["bias"].shape
            (5, 10)
        """
        check_key(key)
        key_factor, key_residual = jax.random.split(key)
        dtype = jax.tree.leaves(self.mean)[0].dtype
        z = normal_noise(key_factor, num_draws, np.empty(self.rank, dtype))
        return jax.tree.map(
            lambda mean, factor, std, noise: (
                mean[None] + jnp.tensordot(z, factor, 1) + std[None] * noise
            ),
            self.mean,
            self.factor,
            self.std,
            normal_noise(key_residual, num_draws, self.mean),
        )

    def log_prob(self, params: Params) -> Float[Array, ""]:
        r"""The log density $\log \mathcal N(w; \mu, B B^\top + \Sigma)$ of params $w$, in nats.

        With $\Sigma = \mathrm{diag}(\sigma^2)$, $d = w - \mu$ and the matrix
        $C = I + B^\top \Sigma^{-1} B$ of `rank` rows, the Woodbury identity and the matrix
        determinant lemma give
        $d^\top (B B^\top + \Sigma)^{-1} d = d^\top \Sigma^{-1} d - v^\top C^{-1} v$ with
        $v = B^\top \Sigma^{-1} d$, and $\log|B B^\top + \Sigma| = \log|\Sigma| + \log|C|$.

        It is -inf or NaN if a residual std is 0. Running statistics add nothing.

        Examples:
            >>> ones, factor = {"w": jnp.ones(2)}, {"w": jnp.ones((1, 2))}
            >>> gaussian = ob.gaussians.LowRankGaussian(mean=ones, factor=factor, std=ones)
            >>> print(f"{gaussian.log_prob(ones):.3f}")  # the covariance is [[2, 1], [1, 2]]
            -2.387
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
        """Write the Gaussian to one safetensors file, as `DiagonalGaussian.save` does."""
        tree = {"mean": self.mean, "factor": self.factor, "std": self.std}
        _save(path, "low-rank", tree, metadata)


@overload
def summarize(samples: Samples, *, mcse: bool = True) -> DiagonalGaussian: ...
@overload
def summarize(
    samples: Samples, rank: int, *, mcse: bool = True
) -> DiagonalGaussian | LowRankGaussian: ...
def summarize(
    samples: Samples, rank: int = 0, *, mcse: bool = True
) -> DiagonalGaussian | LowRankGaussian:
    r"""The Gaussian of (aligned) samples: mean and std of each weight, in the weight's unit.

    The std has ddof = 1. With `rank` 0 the weights are independent. With a larger rank, a factor
    $B$ holds the `rank` largest principal components of the centred draws, scaled by their stds,
    and the residual std is what keeps the variance of each weight as it is in the draws.

    A std means something only if the samples are aligned: align them first. Alignment itself
    makes stds smaller, even between draws that share nothing. `null_floor` says by how much.

    Running statistics are a point mass at their mean: they follow from the weights, and draws of
    a Gaussian over them could have negative variances.

    With `rank` 0, and chains of 8 draws or more, `mcse_mean` and `mcse_std` say how far mean and
    std are from those of infinitely long chains, as the functions of these names in
    `ob.diagnostics` do. They take a tenth of a millisecond for 1,000 draws of a weight. Without
    `mcse` they are not computed.

    Raises:
        ValueError: If there are fewer than 2 draws, or `rank` is outside [0, draws - 1], counting
            the draws of all chains.

    Examples:
        >>> compact = ob.summarize(alignment.apply(samples))
        >>> compact.std["hidden_0"]["kernel"].shape
        (64, 8)
        >>> compact.mcse_std["hidden_0"]["kernel"].shape
        (64, 8)

    Source: Xiao, Liu and Bamler (2024), arXiv 2401.00611, section 4.
    """
    num_draws = samples.num_chains * samples.num_draws
    if not 0 <= rank < max(num_draws, 2):
        raise ValueError(
            f"rank must lie in [0, {num_draws - 1}] (draws - 1). Got {rank}. "
            "Pass a smaller rank, or draw more samples."
        )
    mean, std = samples.mean(), map_statistics(np.zeros_like, samples.std())
    if rank == 0:
        if not mcse or samples.num_draws < LEAST_DRAWS:
            return DiagonalGaussian(mean, std)
        mcse_mean, mcse_std = monte_carlo_errors(samples)
        return DiagonalGaussian(mean, std, mcse_mean, map_statistics(np.zeros_like, mcse_std))
    draws = _trees.ravel_batch(without_statistics(samples.flatten())).astype(np.float64)
    centred = draws - draws.mean(axis=0)
    factor = _principal_factor(centred, rank)
    variance = (centred**2).sum(axis=0) / (num_draws - 1)
    # Rounding may leave a variance a hair below its factor's share.
    residual = np.sqrt(np.maximum(variance - (factor**2).sum(axis=0), 0.0))
    return LowRankGaussian(mean, shaped_like(mean, factor), shaped_like(mean, residual))


def shaped_like(mean: Params, flat: Float[np.ndarray, "*batch weights"]) -> Params:
    """A quantity of all weights in rows, as a tree shaped like their mean.

    Batch axes of `flat` lead every leaf. Running statistics, which are not in `flat`, get 0.
    """
    weights = without_statistics(mean)
    zeros = jax.tree.map(lambda x: np.zeros((*flat.shape[:-1], *np.shape(x)), x.dtype), mean)
    tree = jax.tree.map(
        lambda leaf, old: leaf.astype(old.dtype), _trees.unravel_batch(flat, weights), weights
    )
    return with_statistics_of(zeros, tree)


def _principal_factor(
    centred: Float[np.ndarray, "draw weights"], rank: int
) -> Float[np.ndarray, "rank weights"]:
    """The `rank` largest principal components of centred draws, each scaled by its std.

    A component without variance is zero.
    """
    # The Gram matrix of the draws is small even if weights are many, and has the same spectrum.
    variances, vectors = np.linalg.eigh(centred @ centred.T / (len(centred) - 1))
    largest = slice(-1, -rank - 1, -1)
    directions = vectors[:, largest].T @ centred
    norms = np.linalg.norm(directions, axis=1, keepdims=True)
    scales = np.sqrt(np.maximum(variances[largest], 0.0))[:, None]
    # The sign of an eigenvector is arbitrary and differs between machines: the largest entry is +.
    signs = np.sign(directions[np.arange(rank), np.abs(directions).argmax(axis=1)])[:, None]
    return np.divide(
        directions * signs * scales, norms, where=norms > 0, out=np.zeros_like(directions)
    )


def load_gaussian(
    path: Path | str, like: Params | None = None
) -> tuple[DiagonalGaussian | LowRankGaussian, dict[str, Any]]:
    """A Gaussian and its metadata from a file that `save` of a Gaussian wrote.

    Its params are nested dicts by path. With `like`, a tree of arrays, they are shaped like it,
    which lists and other nodes need.

    Raises:
        StoreError: If the file is missing or damaged, or holds something else.
        ValueError: If the params have other paths than `like`.

    Examples:
        >>> compact.save("compact.safetensors", seed=0)
        >>> gaussian, metadata = ob.gaussians.load_gaussian("compact.safetensors", like=params)
        >>> metadata
        {'seed': 0}
    """
    tensors, metadata = load_tensors(path)
    kind = metadata.pop("kind", None)
    gaussian = {"diagonal": DiagonalGaussian, "low-rank": LowRankGaussian}.get(kind)
    if gaussian is None:
        raise StoreError(
            f"{path} must hold a Gaussian. Got kind {kind!r}. "
            "Read mixtures by load_mixture, or write the Gaussian again."
        )
    parts = _trees.nest(tensors)
    trees = {name: _trees.rebuild(_trees.named_leaves(part), like) for name, part in parts.items()}
    return gaussian(**trees), metadata


def _save(path: Path | str, kind: str, tree: dict[str, Params], metadata: dict[str, Any]) -> None:
    """Write the fields of a Gaussian to one file, and its kind with the metadata."""
    if "kind" in metadata:
        raise ValueError(
            f"The metadata of a Gaussian must leave the name 'kind' free. "
            f"Got {metadata['kind']!r}. Take another name."
        )
    save_tensors(path, _trees.named_leaves(tree), metadata | {"kind": kind})


def _leaves(tree: Params) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def _log_prob(w: Array, mean: Array, std: Array) -> Array:
    """The log density of one array in nats, with entries of std 0 as point masses."""
    spread = jax.scipy.stats.norm.logpdf(w, mean, jnp.where(std > 0, std, 1.0))
    return jnp.where(std > 0, spread, jnp.where(w == mean, 0.0, -jnp.inf)).sum()


def _signal_to_noise(mean: Array, std: Array) -> Array:
    """|mean| / std of one array, without a division by 0."""
    ratio = jnp.abs(mean) / jnp.where(std > 0, std, 1.0)
    return jnp.where(std > 0, ratio, jnp.where(mean != 0, jnp.inf, 0.0))
