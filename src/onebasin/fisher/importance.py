"""Importance: how strongly the likelihood depends on each weight, for weight matching."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin.networks.posterior import Posterior
from onebasin.symmetry.axes import Axes
from onebasin.types import Array, Key, Params


def fisher_importance(
    posterior: Posterior, draws: Params, batch_size: int = 64, *, key: Key
) -> Params:
    r"""The empirical Fisher information of each weight, averaged over units, for weight matching.

    $\mathrm E[(\partial_w \log p(y | x, w))^2]$ for a single training example $(x, y)$ and a draw
    $w$, averaged over draws, over examples and over all units that could take the place of a
    unit, in nats per square of the weight's unit. Axes that list units have length 1 in the
    result, as the `importance` of `weight_matching` must have them.

    It measures the data alone. If the prior dominates, all weights have little importance.

    Args:
        posterior: Whose likelihood and training examples are used.
        draws: Params with the draw on the leading axis of every leaf.
        batch_size: How many training examples are drawn for each draw, in [1, examples].
        key: The random key by which training examples are drawn.

    Raises:
        ValueError: If `batch_size` is outside [1, examples], or the symmetry has nested groups.

    Examples:
        >>> draws = samples.flatten()
        >>> importance = ob.fisher.fisher_importance(posterior, draws, batch_size=10, key=key)
        >>> importance["hidden_0"]["kernel"].shape  # for each input, one number for all units
        (64, 1)
        >>> matching = ob.weight_matching(importance=importance)

    Source: Matena and Raffel (2021), arXiv 2111.09832, section 3, with the observed targets
    instead of targets that the network predicts.
    """
    num_examples = posterior.inputs.shape[0]
    if not 1 <= batch_size <= num_examples:
        raise ValueError(
            f"batch_size must lie in [1, {num_examples}], the number of training examples. "
            f"Got {batch_size}. Leave it out for 64, or pass fewer."
        )
    posterior.symmetry.check_simple("Importance averaged over units")
    posterior.symmetry.check(draws, num_batch_axes=1)
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    keys = jax.random.split(key, num_draws)
    slots = jnp.zeros(batch_size, bool)
    total = _sum_squares(posterior, jax.tree.map(jnp.asarray, draws), keys, slots)
    axes = posterior.symmetry.leaves
    importance = {
        name: _mean_over_units(np.asarray(leaf / num_draws, np.float64), axes[name])
        for name, leaf in _trees.named_leaves(total).items()
    }
    return _trees.rebuild(importance, total)


@eqx.filter_jit
def _sum_squares(posterior: Posterior, draws: Params, keys: Array, slots: Array) -> Params:
    """The sum over draws of the mean squared gradient of single examples.

    `keys` holds a key for each draw. The length of `slots` is the number of examples.
    """

    def log_likelihood(params: Params, row: Array) -> Array:
        inputs, targets = posterior.inputs[row][None], posterior.targets[row][None]
        return posterior.log_likelihood(params, inputs, targets)[0]

    def add(total: Params, drawn: tuple[Params, Array]) -> tuple[Params, None]:
        params, key = drawn
        rows = jax.random.randint(key, slots.shape, 0, posterior.inputs.shape[0])
        gradients = jax.vmap(jax.grad(log_likelihood), (None, 0))(params, rows)
        squares = jax.tree.map(lambda leaf: jnp.square(leaf).mean(axis=0), gradients)
        return jax.tree.map(jnp.add, total, squares), None

    # One draw at a time: the gradients of all draws would not fit into memory.
    zeros = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), draws)
    return jax.lax.scan(add, zeros, (draws, keys))[0]


def _mean_over_units(leaf: np.ndarray, axes: Axes) -> np.ndarray:
    """The mean along the axes that list units, which get length 1."""
    unit_axes = tuple(axis for axis, group in enumerate(axes.names) if group is not None)
    return leaf.mean(axis=unit_axes, keepdims=True) if unit_axes else leaf
