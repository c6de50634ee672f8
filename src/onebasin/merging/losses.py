"""losses_between: the loss along the straight line between each pair of networks."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin.merging.arguments import Data
from onebasin.prediction.connectivity import line
from onebasin.types import Params


def losses_between(
    groups: Sequence[Sequence[Params]],
    data: Data,
    targets: Any,
    fractions: Float[np.ndarray, " points"],
    loss: Callable[[Any, Any], Any] | None,
) -> list[Float[np.ndarray, "pairs points"]]:
    """The loss along the line between each pair of networks of one group, for each group.

    Running statistics are renewed on the inputs at every point, the ends included.
    """
    mean_loss = _default_loss if loss is None else loss

    @jax.jit
    def loss_at(params: Params) -> Any:
        if data.recalibrate is not None:
            params = data.recalibrate(params, *data.inputs)
        return mean_loss(data.apply(params, *data.inputs), targets)

    def losses(a: Params, b: Params) -> list[float]:
        points = line(a, b, fractions)
        at = lambda number: jax.tree.map(lambda leaf: leaf[number], points)
        return [float(loss_at(at(number))) for number in range(len(fractions))]

    return [np.array([losses(a, b) for a, b in combinations(each, 2)]) for each in groups]


def _default_loss(outputs: Any, targets: Any) -> Any:
    """The cross-entropy in nats for integer targets, the mean squared error for others.

    Raises: TypeError if the outputs are several arrays.
    """
    if not hasattr(outputs, "shape"):
        raise TypeError(
            "Outputs must be one array for the default loss. Got "
            f"{type(outputs).__name__}. Pass loss=, which takes outputs and targets."
        )
    targets = jnp.asarray(targets)
    if jnp.issubdtype(targets.dtype, jnp.integer):
        log_probs = jax.nn.log_softmax(outputs)
        return -jnp.take_along_axis(log_probs, targets[..., None], axis=-1).mean()
    return jnp.mean(jnp.square(outputs.reshape(targets.shape) - targets))
