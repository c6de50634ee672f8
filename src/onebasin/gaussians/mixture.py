"""GaussianMixture: several Gaussians, or several networks, that stand for one posterior.

One type serves one Gaussian for each chain, kept draws (no std at all), and kept draws that
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
from onebasin._types import Array, Key, Params
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.store.errors import StoreError
from onebasin.store.tensors import load_tensors, save_tensors


class GaussianMixture(eqx.Module):
    r"""$\tfrac1K \sum_k \mathcal N(w; \mu_k, \mathrm{diag}(\sigma_k^2))$, all equally probable.

    Leaves of `mean` and `std` lead with the component. A `std` that leads with 1 is shared by
    all components; None makes them point masses, networks without a spread.

    Raises: ValueError where mean and std lead with different numbers of components.
    """

    mean: Params
    std: Params | None = None

    def __check_init__(self):
        means, stds = _leading(self.mean), _leading(self.std)
        if len(means) != 1 or not (stds <= {1} or stds == means):
            raise ValueError(
                "mean and std must lead with the same components, or the std with 1 for all. "
                f"Got {sorted(means)} and {sorted(stds)}."
            )

    @property
    def num_components(self) -> int:
        """The number of components."""
        return next(iter(_leading(self.mean)))

    @property
    def num_numbers(self) -> int:
        """Numbers stored for each weight: a mean for each component, and the stds."""
        return self.num_components + sum(_leading(self.std))

    def sample(self, key: Key, num_draws: int) -> Params:
        """Draws of all weights, component after component in turn; leaves lead with the draw.

        Components are as equally represented as `num_draws` allows: stratified, not independent.
        """
        rows = np.arange(num_draws) % self.num_components
        means = jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.mean)
        if self.std is None:
            return means
        centred = DiagonalGaussian(
            jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), self.mean),
            jax.tree.map(lambda leaf: jnp.ones_like(leaf[0]), self.mean),
        )
        noise = centred.sample(key, num_draws)
        spread = lambda m, s, e: m + jnp.asarray(s)[rows % len(s)] * e
        return jax.tree.map(spread, means, self.std, noise)

    def log_prob(self, params: Params) -> Float[Array, ""]:
        """The log density in nats; minus infinity almost everywhere without a std."""
        if self.std is None:
            raise ValueError("Networks without a std have no density. Give the mixture a std.")
        whole = jax.tree.map(
            lambda mean, std: jnp.broadcast_to(jnp.asarray(std), mean.shape), self.mean, self.std
        )
        one = lambda mean, std: DiagonalGaussian(mean, std).log_prob(params)
        terms = jax.vmap(one)(jax.tree.map(jnp.asarray, self.mean), whole)
        return jax.scipy.special.logsumexp(terms) - jnp.log(self.num_components)

    def save(self, path: Path | str, **metadata: Any) -> None:
        """Write to one safetensors file, with metadata that JSON can hold.

        Raises: ValueError where the metadata takes the name 'kind'.
        """
        if "kind" in metadata:
            raise ValueError(
                f"The metadata of a mixture must leave the name 'kind' free. "
                f"Got {metadata['kind']!r}."
            )
        tree = {"mean": self.mean} | ({} if self.std is None else {"std": self.std})
        save_tensors(path, _trees.named_leaves(tree), metadata | {"kind": "mixture"})


def load_mixture(
    path: Path | str, like: Params | None = None
) -> tuple[GaussianMixture, dict[str, Any]]:
    """A mixture and its metadata from a file that `GaussianMixture.save` wrote.

    Raises: StoreError where the file is missing, damaged or holds something else.
    """
    tensors, metadata = load_tensors(path)
    kind = metadata.pop("kind", None)
    if kind != "mixture":
        raise StoreError(f"{path} must hold a mixture of Gaussians. Got kind {kind!r}.")
    parts = _trees.nest(tensors)
    trees = {name: _trees.rebuild(_trees.named_leaves(tree), like) for name, tree in parts.items()}
    return GaussianMixture(**trees), metadata


def _leading(tree: Params | None) -> set[int]:
    return {int(np.shape(leaf)[0]) for leaf in jax.tree.leaves(tree)}
