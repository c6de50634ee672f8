"""Connectivity: losses along the straight line between two networks, and its barrier."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float, Int

from onebasin._collections import without_statistics
from onebasin.networks.network import Network
from onebasin.types import Array, Params


def line(a: Params, b: Params, fractions: Float[np.ndarray, " points"]) -> Params:
    """The networks `(1 - t) a + t b` for each fraction t, stacked along a new leading axis.

    Examples:
        >>> a, b = {"w": np.zeros(2)}, {"w": np.ones(2)}
        >>> ob.prediction.line(a, b, np.array([0.0, 0.5, 1.0]))["w"][:, 0].tolist()
        [0.0, 0.5, 1.0]
    """

    def points(x: Array, y: Array) -> np.ndarray:
        t = fractions.reshape(-1, *[1] * np.ndim(x)).astype(np.asarray(x).dtype)
        return (1 - t) * np.asarray(x)[None] + t * np.asarray(y)[None]

    return jax.tree.map(points, a, b)


def barrier(
    values: Float[np.ndarray, "*batch points"], fractions: Float[np.ndarray, " points"]
) -> Float[np.ndarray, "*batch"]:
    r"""How far a loss rises above the chord between its ends.

    $\max_t\, L(t) - [(1 - t) L(0) + t L(1)]$, with the loss $L(t)$ at each fraction $t$. It is
    never below 0, because the ends lie on the chord. A line that dips between its ends has
    barrier 0. With the fractions 0, 1/2, 1 it is the midpoint barrier if that is positive.

    Args:
        values: The losses $L(t)$, in any unit.
        fractions: The fractions $t$. The first is 0 and the last 1.

    Raises:
        ValueError: If the fractions do not begin at 0 and end at 1.

    Examples:
        >>> fractions = np.array([0.0, 0.5, 1.0])
        >>> float(ob.prediction.barrier(np.array([1.0, 5.0, 3.0]), fractions))
        3.0

    Source: Ainsworth et al. (2022), arXiv 2209.04836, definition 2.1.
    """
    return np.asarray(_rise(values, fractions).max(axis=-1))


def midpoint_barrier(
    values: Float[np.ndarray, "*batch points"], fractions: Float[np.ndarray, " points"]
) -> Float[np.ndarray, "*batch"]:
    r"""$L(1/2) - [L(0) + L(1)]/2$. It is negative if the middle is better than the ends.

    Args:
        values: The losses $L(t)$ at each fraction $t$, in any unit.
        fractions: The fractions $t$, from 0 to 1, with 1/2 among them.

    Raises:
        ValueError: If 1/2 is not among the fractions, or they do not run from 0 to 1.

    Examples:
        >>> fractions = np.array([0.0, 0.5, 1.0])
        >>> float(ob.prediction.midpoint_barrier(np.array([3.0, 1.0, 3.0]), fractions))
        -2.0
    """
    if 0.5 not in fractions:
        raise ValueError(f"fractions must contain 0.5. Got {fractions.tolist()}.")
    return np.asarray(_rise(values, fractions)[..., int(np.argmax(fractions == 0.5))])


def _rise(values: np.ndarray, fractions: np.ndarray) -> Float[np.ndarray, "*batch points"]:
    if fractions[0] != 0 or fractions[-1] != 1:
        raise ValueError(f"fractions must begin at 0 and end at 1. Got {fractions.tolist()}.")
    values = np.asarray(values, np.float64)
    return values - ((1 - fractions) * values[..., :1] + fractions * values[..., -1:])


def weight_distance(a: Params, b: Params) -> float:
    """The Euclidean distance between two networks' weights, in float64, statistics left out.

    Examples:
        >>> ob.prediction.weight_distance({"w": np.zeros(2)}, {"w": np.array([3.0, 4.0])})
        5.0
    """
    squares = jax.tree.map(
        lambda x, y: float(((np.asarray(x, np.float64) - np.asarray(y)) ** 2).sum()),
        *map(without_statistics, (a, b)),
    )
    return float(np.sqrt(sum(jax.tree.leaves(squares))))


def losses_and_errors(
    network: Network,
    draws: Params,
    inputs: Float[Array, "batch features"],
    targets: Int[Array, " batch"],
) -> tuple[Float[np.ndarray, " draw"], Float[np.ndarray, " draw"]]:
    """Mean cross-entropy in nats and share of wrong classes of each network; draws lead leaves.

    Networks are sharded over all devices.
    """
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    devices = jax.devices()[:num_draws]
    local = -(-num_draws // len(devices))
    rows = np.minimum(np.arange(local * len(devices)), num_draws - 1)
    mesh = Mesh(np.array(devices), ("draw",))
    place = NamedSharding(mesh, PartitionSpec("draw"))
    placed = jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf)[rows], place), draws)
    both = _losses_and_errors(network, mesh, placed, jnp.asarray(inputs), jnp.asarray(targets))
    losses, errors = (np.asarray(values, np.float64)[:num_draws] for values in both)
    return losses, errors


@eqx.filter_jit
def _losses_and_errors(
    network: Network, mesh: Any, draws: Params, inputs: Array, targets: Array
) -> tuple[Array, Array]:
    def loss_and_error(inputs: Array, targets: Array, params: Params) -> tuple[Array, Array]:
        logits = network.apply(params, inputs)
        log_probs = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], axis=-1)
        return -log_probs.mean(), (logits.argmax(axis=-1) != targets).mean()

    def local(draws: Params, inputs: Array, targets: Array) -> tuple[Array, Array]:
        return jax.lax.map(partial(loss_and_error, inputs, targets), draws)

    draw, everywhere = PartitionSpec("draw"), PartitionSpec()
    sharded = jax.shard_map(
        local, mesh=mesh, in_specs=(draw, everywhere, everywhere), out_specs=draw, check_vma=False
    )
    return sharded(draws, inputs, targets)
