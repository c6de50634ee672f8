"""Network: a pair of pure functions with the symmetry they have."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Float

from onebasin._types import Array, Key, Params
from onebasin.symmetry.axes import Function, Symmetry


class Network(NamedTuple):
    """A network as data: how its weights begin, what it computes, and what may trade places.

    - `init(key)` gives params at random.
    - `apply(params, inputs)` maps a batch of inputs to a batch of outputs, each for itself.
    - `activations(params, inputs)` gives what the units of each group of the symmetry put out;
      None for a network that does not say, which cannot be matched by activations.
    - `symmetry` lists the axes whose units may be permuted without changing `apply`; `align` tries
      that once, so it knows `apply`.
    - `batch_apply(params, inputs)` is how the network is trained, where that is not `apply`: it
      normalizes by the batch at hand and reads none of the `statistics`.
    - `recalibrate(params, inputs)` gives params whose statistics are those of these inputs, so
      that `apply` and `batch_apply` agree on them. Other weights stay as they are.
    - `statistics` are the paths of the leaves that `recalibrate` writes.
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Float[Array, "batch features"]], Float[Array, "batch outputs"]]
    activations: (
        Callable[[Params, Float[Array, "batch features"]], dict[str, Float[Array, "batch units"]]]
        | None
    )
    symmetry: Symmetry
    batch_apply: (
        Callable[[Params, Float[Array, "batch features"]], Float[Array, "batch outputs"]] | None
    ) = None
    recalibrate: Callable[[Params, Float[Array, "batch features"]], Params] | None = None
    statistics: frozenset[str] = frozenset()


_NUM_INPUTS = 4


def claimed_of(
    symmetry: Symmetry,
    apply: Callable[[Params, Float[Array, "batch features"]], Float[Array, "batch outputs"]],
    num_features: int,
) -> Symmetry:
    """A symmetry that knows the function that it is declared of."""
    inputs = jax.ShapeDtypeStruct((_NUM_INPUTS, num_features), "float32")
    return dataclasses.replace(symmetry, function=Function(apply, (inputs,)))
