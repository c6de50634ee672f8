"""GaussianMixture: several Gaussians, or several networks, that stand for one posterior.

The same type holds one Gaussian for each chain, kept draws without a std, and kept draws that
share one std.
"""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.store.errors import StoreError
from onebasin.store.tensors import load_tensors, save_tensors
from onebasin.types import Array, Key, Params


class GaussianMixture(eqx.Module):
    r"""A mixture of equally probable Gaussians with independent weights.

    Its density is $\tfrac1K \sum_k \mathcal N(w; \mu_k, \mathrm{diag}(\sigma_k^2))$. `mean` holds
    the $\mu_k$ and `std` the $\sigma_k$, in the units of the weights, with the component $k$ on the
    leading axis of every leaf. A `std` whose leading axis has length 1 is shared by all components.
    If `std` is None, the components are point masses: single networks.

    Raises:
        ValueError: If leading axes differ, and that of `std` is not 1.

    Examples:
        >>> means, std = {"w": jnp.array([[-1.0], [1.0]])}, {"w": jnp.ones((1, 1))}
        >>> mixture = ob.gaussians.GaussianMixture(means, std)
        >>> mixture.num_components, mixture.values_per_weight
        (2, 3)
    """

    mean: Params
    std: Params | None = None

    def __check_init__(self):
        means, stds = _leading(self.mean), _leading(self.std)
        if len(means) != 1 or not (stds <= {1} or stds == means):
            raise ValueError(
                "mean and std must lead with the same components, or the std with 1 for all. "
                f"Got {sorted(means)} and {sorted(stds)}. Stack the components along axis 0."
            )

    @property
    def num_components(self) -> int:
        """The number of components $K$."""
        return next(iter(_leading(self.mean)))

    @property
    def values_per_weight(self) -> int:
        """How many numbers are stored for each weight: a mean a component, and its stds if any."""
        return self.num_components + sum(_leading(self.std))

    def sample(self, num_draws: int, *, key: Key) -> Params:
        """Draws of all weights, with the draw on the leading axis of every leaf.

        Draw i comes from component i modulo the number of components. The draws are therefore
        stratified, not independent: components occur as equally often as `num_draws` allows.

        Raises:
            TypeError: If `key` is not a random key, and there is a std.

        Examples:
            >>> networks = ob.gaussians.GaussianMixture({"w": jnp.array([[-1.0], [1.0]])})
            >>> networks.sample(3, key=key)["w"][:, 0].tolist()
            [-1.0, 1.0, -1.0]
        """
        rows = np.arange(num_draws) % self.num_components
        means = jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.mean)
        if self.std is None:
            return means
        centred = DiagonalGaussian(
            jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), self.mean),
            jax.tree.map(lambda leaf: jnp.ones_like(leaf[0]), self.mean),
        )
        noise = centred.sample(num_draws, key=key)
        spread = lambda m, s, e: m + jnp.asarray(s)[rows % len(s)] * e
        return jax.tree.map(spread, means, self.std, noise)

    def log_prob(self, params: Params) -> Float[Array, ""]:
        r"""The log density $\log \tfrac1K \sum_k p_k(w)$ of params $w$, in nats.

        $p_k$ is the density of component $k$. Running statistics add nothing.

        Raises:
            ValueError: If there is no std: point masses have no density.

        Examples:
            >>> mean, std = {"w": jnp.array([[-1.0], [1.0]])}, {"w": jnp.ones((1, 1))}
            >>> mixture = ob.gaussians.GaussianMixture(mean, std)
            >>> print(f"{mixture.log_prob({'w': jnp.zeros(1)}):.3f}")
            -1.419
        """
        if self.std is None:
            raise ValueError("Networks without a std have no density. Give the mixture a std.")
        stds = jax.tree.map(
            lambda mean, std: jnp.broadcast_to(jnp.asarray(std), mean.shape), self.mean, self.std
        )
        log_prob = lambda mean, std: DiagonalGaussian(mean, std).log_prob(params)
        terms = jax.vmap(log_prob)(jax.tree.map(jnp.asarray, self.mean), stds)
        return jax.scipy.special.logsumexp(terms) - jnp.log(self.num_components)

    def save(self, path: Path | str, **metadata: Any) -> None:
        """Write the mixture to one safetensors file, with metadata that JSON can hold.

        An existing file is replaced, whole or not at all. `load_mixture` reads it.

        Raises:
            ValueError: If the metadata has the name "kind", which the file needs.
            TypeError: If JSON cannot hold the metadata.
        """
        if "kind" in metadata:
            raise ValueError(
                f"The metadata of a mixture must leave the name 'kind' free. "
                f"Got {metadata['kind']!r}. Take another name."
            )
        tree = {"mean": self.mean} | ({} if self.std is None else {"std": self.std})
        save_tensors(path, _trees.named_leaves(tree), metadata | {"kind": "mixture"})


def load_mixture(
    path: Path | str, like: Params | None = None
) -> tuple[GaussianMixture, dict[str, Any]]:
    """A mixture and its metadata from a file that `GaussianMixture.save` wrote.

    Its params are nested dicts by path. With `like`, params of one network, each component is
    shaped like it.

    Raises:
        StoreError: If the file is missing or damaged, or holds something else.
        ValueError: If the params have other paths than `like`.

    Examples:
        >>> ob.gaussians.GaussianMixture(samples.flatten()).save("draws.safetensors")
        >>> mixture, metadata = ob.gaussians.load_mixture("draws.safetensors")
        >>> mixture.num_components
        20
    """
    tensors, metadata = load_tensors(path)
    kind = metadata.pop("kind", None)
    if kind != "mixture":
        raise StoreError(
            f"{path} must hold a mixture of Gaussians. Got kind {kind!r}. "
            "Read single Gaussians by load_gaussian, or write the mixture again."
        )
    parts = _trees.nest(tensors)
    trees = {name: _trees.rebuild(_trees.named_leaves(tree), like) for name, tree in parts.items()}
    return GaussianMixture(**trees), metadata


def _leading(tree: Params | None) -> set[int]:
    """The lengths of the leading axes of all leaves; none for None."""
    return {int(np.shape(leaf)[0]) for leaf in jax.tree.leaves(tree)}
