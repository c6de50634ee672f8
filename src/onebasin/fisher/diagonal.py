"""The Fisher diagonal of any network, at one draw of its weights or averaged over draws."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin import _trees
from onebasin.networks.posterior import Posterior
from onebasin.types import Array, Key, Params


def fisher_diagonal(
    posterior: Posterior, draws: Params, num_probes: int = 1, *, key: Key
) -> Params:
    r"""The diagonal of the Fisher information on the training inputs, the mean over draws.

    $F_{ii} = \sum_n \mathrm E_{\tilde y_n \sim p(y | f_w(x_n))}
    [(\partial_{w_i} \log p(\tilde y_n | f_w(x_n)))^2]$ at weights $w$, with training inputs $x_n$,
    in nats per square of the weight's unit. It is estimated without bias by gradients of sums with
    random signs $\epsilon_n = \pm 1$: $F_{ii} = \mathrm E[g_i^2]$ for
    $g = \nabla_w \sum_n \epsilon_n \log p(\tilde y_n | f_w(x_n))$.

    A probe costs one gradient on all training inputs. With $m$ probes over all draws together, the
    relative standard error of an entry is about $\sqrt{2 / m}$. The Fisher information says how
    fast predictions change with a weight, not whether they are right: observed targets do not
    enter.

    Args:
        posterior: Whose likelihood and training inputs are used. The prior does not enter.
        draws: Params with the draw on the leading axis of every leaf.
        num_probes: How many probes are made for each draw, at least 1.
        key: The random key of the targets $\tilde y_n$ and of the signs.

    Raises:
        ValueError: If `num_probes` is below 1.

    Examples:
        >>> fisher = ob.fisher.fisher_diagonal(posterior, samples.flatten(), key=key)
        >>> fisher["hidden_0"]["kernel"].shape
        (64, 8)

    Source: Martens (2020), arXiv 1412.1193, section 5; random signs as in Hutchinson (1990).
    """
    if num_probes < 1:
        raise ValueError(
            f"num_probes must be an int in the range [1, inf). Got {num_probes}. Pass 1 or more."
        )
    draws = jax.tree.map(jnp.asarray, draws)
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    keys = jax.random.split(key, num_draws)
    return _trees.to_host(_mean_square(posterior, draws, keys, num_probes))


@eqx.filter_jit
def _mean_square(posterior: Posterior, draws: Params, keys: Any, num_probes: int) -> Params:
    """The mean of the squared probes over draws, whose keys are `keys`, and over probes."""

    def add_draw(total: Params, draw_and_key: tuple[Params, Key]) -> tuple[Params, None]:
        params, key = draw_and_key

        def add_probe(probe: Array, total: Params) -> Params:
            gradient = _signed_gradient(posterior, params, jax.random.fold_in(key, probe))
            return jax.tree.map(lambda t, g: t + g**2, total, gradient)

        return jax.lax.fori_loop(0, num_probes, add_probe, total), None

    zeros = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), draws)
    total, _ = jax.lax.scan(add_draw, zeros, (draws, keys))
    return jax.tree.map(lambda leaf: leaf / (len(keys) * num_probes), total)


def _signed_gradient(posterior: Posterior, params: Params, key: Key) -> Params:
    r"""One probe: $\nabla_w \sum_n \epsilon_n \log p(\tilde y_n | f_w(x_n))$ at the params."""
    key_targets, key_signs = jax.random.split(key)
    targets = posterior.drawn_targets(params, key=key_targets)
    signs = jax.random.rademacher(key_signs, targets.shape, posterior.inputs.dtype)

    def signed_sum(params: Params) -> Float[Array, ""]:
        return (signs * posterior.log_likelihood(params, posterior.inputs, targets)).sum()

    return jax.grad(signed_sum)(params)
