"""from_bde: a fitted estimator of bde as a function and Samples.

Source: the documentation of sklearn-contrib-bde 1.0 on `positions_eT_` and `activation`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin._frozen_partial import FrozenPartial
from onebasin.samples import Samples
from onebasin.types import Params


def from_bde(estimator: Any) -> tuple[Callable[..., jax.Array], Samples]:
    """The function of the networks of a fitted `BdeRegressor` or `BdeClassifier`, and its draws.

    As `from_torch` does, it gives `apply(params, inputs)` beside what that takes. Each member of
    the ensemble is a chain. Params have the names that `ob.mlp` gives them, such as
    `hidden_0/kernel`. A regressor's two outputs are a mean and what bde makes a scale of. bde keeps
    no statistics. `ob.network(apply, samples.draw(0, 0), x)` makes a network of them.

    Raises:
        ValueError: If the estimator is not fitted, or its positions are no layers.
        TypeError: If it is something else.

    Examples:
        >>> from bde import BdeRegressor
        >>> x, y = np.ones((40, 3)), np.arange(40.0)
        >>> estimator = BdeRegressor(n_members=2, epochs=2, n_samples=10, warmup_steps=5).fit(x, y)
        >>> apply, samples = ob.interchange.from_bde(estimator)
        >>> samples.params["hidden_0"]["kernel"].shape  # every second of 10 draws
        (2, 5, 3, 4)
    """
    if not (hasattr(estimator, "n_members") and hasattr(estimator, "activation")):
        raise TypeError(
            f"from_bde takes a BdeRegressor or a BdeClassifier. Got {type(estimator).__name__}. "
            "For draws of another kind call ob.Samples."
        )
    layers = getattr(estimator, "positions_eT_", None)
    if layers is None:
        raise ValueError("The estimator must be fitted. Got one without draws. Call fit(x, y).")
    shapes = [[np.ndim(leaf) for leaf in layer] for layer in layers]
    if not shapes or any(shape != [4, 3] for shape in shapes):
        raise ValueError(
            "positions_eT_ must be pairs of a kernel (member, draw, inputs, outputs) and a bias, "
            f"as bde 1.0 has it. Got arrays of {shapes} axes. Pass the arrays to ob.Samples."
        )
    pairs = [(np.asarray(kernel), np.asarray(bias)) for kernel, bias in layers]
    names = [*(f"hidden_{number}" for number in range(len(pairs) - 1)), "out"]
    params = {
        name: {"kernel": kernel, "bias": bias}
        for name, (kernel, bias) in zip(names, pairs, strict=True)
    }
    return FrozenPartial(_outputs, _activation(estimator.activation)), Samples(params)


def _activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """The activation that bde has under a name: that of `jax.nn`, or none."""
    return jax.nn.identity if name == "identity" else getattr(jax.nn, name)


def _outputs(
    activation: Callable[[jax.Array], jax.Array], params: Params, inputs: Any
) -> jax.Array:
    """The outputs of a fully connected network with this activation in hidden layers."""
    x = jnp.asarray(inputs)
    for number in range(len(params) - 1):
        layer = params[f"hidden_{number}"]
        x = activation(x @ layer["kernel"] + layer["bias"])
    return x @ params["out"]["kernel"] + params["out"]["bias"]
