"""Network: a pair of pure functions with the symmetry they have."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Float

from onebasin._types import Array, Key, Params
from onebasin.symmetry.axes import Function, Symmetry
from onebasin.symmetry.claims import claims


class Network(NamedTuple):
    """A network as data: how its weights begin, what it computes, and what may trade places.

    - `init(key)` gives params at random.
    - `apply(params, inputs)` maps a batch of inputs to a batch of outputs, each for itself.
    - `activations(params, inputs)` gives what the units of each group of the symmetry put out;
      None for a network that does not say, which cannot be matched by activations.
    - `symmetry` lists the axes whose units may be permuted without changing `apply`. That of a
      built-in network knows `apply`, so that `align` tries it once, and so does that of the
      `posterior` of any network: one that you declare yourself is refused there if it is wrong.
    - `batch_apply(params, inputs)` is how the network is trained, where that is not `apply`: it
      normalizes by the batch at hand and reads no statistics.
    - `recalibrate(params, inputs)` gives params whose statistics are those of these inputs, so
      that `apply` and `batch_apply` agree on them. Weights stay as they are.
    - `is_homogeneous` says that the units of every group put out s times as much where what comes
      in is scaled by s > 0, as behind relu, so that `balance` can be used.

    Params of a network that keeps running statistics are two collections,
    `{"weights": ..., "statistics": ...}`; those that `from_torch` and the like give are.
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
    is_homogeneous: bool = False

    @property
    def has_activations(self) -> bool:
        """Whether units can be matched by activations: `activations` is there, no group is nested.

        Units of a nested group are not compared one by one: their groups may trade places as well.
        """
        return self.activations is not None and not self.symmetry.nested


_NUM_INPUTS = 4


def claimed_of(
    symmetry: Symmetry,
    apply: Callable[[Params, Float[Array, "batch features"]], Float[Array, "batch outputs"]],
    *shape: int,
    is_declared: bool = False,
) -> Symmetry:
    """A symmetry that knows the function that it is claimed of; `shape` is that of one input.

    Declared, it must be right and should be all that there is: `align` says so if it is not.
    """
    inputs = (jax.ShapeDtypeStruct((_NUM_INPUTS, *shape), "float32"),)
    function = Function(apply, inputs, is_declared=is_declared)
    return dataclasses.replace(symmetry, function=function)


def claimed_inside(symmetry: Symmetry, axes: Any, name: str) -> Symmetry:
    """The symmetry of larger params that hold a network's by a name, claimed of that network.

    What was tried of the network need not be tried again.
    """
    larger = symmetry.within(axes, [name])
    if symmetry.function is not None and larger.function is not None:
        passed, here = symmetry.function.passed, claims(larger)
        tried = (
            (name, passed[claim]) for name, claim in claims(symmetry).items() if claim in passed
        )
        larger.function.passed.update({here[name]: has_passed for name, has_passed in tried})
    return larger
