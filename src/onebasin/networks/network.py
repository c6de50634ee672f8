"""Network: pure functions of params, and the symmetry of the params."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Float

from onebasin.networks.captured import CapturedActivations
from onebasin.symmetry.axes import Function, Symmetry
from onebasin.symmetry.claims import claims
from onebasin.types import Array, Key, Params


class Network(NamedTuple):
    """A network as data: how its params begin, what it computes, which units may be permuted.

    `network(apply, params, inputs)` makes one from any function, or from a module of PyTorch, Flax,
    Equinox or Haiku.

    Params of a network that keeps running statistics, as BatchNorm does, are two collections,
    `{"weights": ..., "statistics": ...}`. `from_torch` and the other adapters give such params.

    Args:
        init: `init(key)` gives random params.
        apply: `apply(params, inputs)` gives the outputs of a batch of inputs, each input for
            itself, as the network is used after training.
        activations: `activations(params, inputs)` gives the outputs of the units of each group, by
            group. If it is None, units cannot be matched by activations. `network` captures them.
        symmetry: Which units may be permuted without changing `apply`. `find_symmetry` finds it.
            The symmetry of a built-in network knows `apply`, so that `align` checks it once. So
            does the `posterior` of any network: it refuses a symmetry that is wrong.
        batch_apply: `batch_apply(params, inputs)` gives the outputs as in training, if they are
            not those of `apply`: it normalizes by the batch itself and reads no statistics.
        recalibrate: `recalibrate(params, inputs)` gives params whose statistics are those of these
            inputs, so that `apply` and `batch_apply` agree on them. Weights do not change.
        is_homogeneous: Whether the output of every unit is multiplied by s if its inputs are, for
            any s > 0, as with relu. `balance` needs it.

    Examples:
        >>> apply = lambda params, inputs: 0.5 * network.apply(params, inputs)  # softer classes
        >>> softer = ob.Network(network.init, apply, network.activations, network.symmetry)
        >>> softer.apply(softer.init(key), data.test.inputs).shape
        (50, 10)
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
        """Whether units can be matched by activations.

        They can if there are `activations` of every group and no group is nested: units of a nested
        group cannot be compared one by one, because the units around them may be permuted as well.
        """
        if isinstance(self.activations, CapturedActivations) and not self.activations.are_seen:
            return False
        return self.activations is not None and not self.symmetry.nested


_NUM_INPUTS = 4
"""How many inputs a symmetry is checked at."""


def claimed_of(
    symmetry: Symmetry,
    apply: Callable[[Params, Float[Array, "batch features"]], Float[Array, "batch outputs"]],
    *shape: int,
    is_declared: bool = False,
) -> Symmetry:
    """The symmetry with the function that it must not change, so that `align` can check it.

    Args:
        symmetry: The symmetry of the params of `apply`.
        apply: A function of params and a batch of inputs.
        shape: The shape of one input.
        is_declared: Whether a user declared it. Then `align` raises an error if it changes the
            function, and warns if it is not the whole symmetry.
    """
    inputs = (jax.ShapeDtypeStruct((_NUM_INPUTS, *shape), "float32"),)
    function = Function(apply, inputs, is_declared=is_declared)
    return dataclasses.replace(symmetry, function=function)


def claimed_inside(symmetry: Symmetry, axes: Any, name: str) -> Symmetry:
    """The symmetry of larger params, of which the params of a network are the entry `name`.

    `axes` are those of the larger params. If the name is empty, the larger params are those of the
    network with a likelihood's own beside them. Claims that were checked for the network alone are
    not checked again.
    """
    larger = symmetry.within(axes, [name])
    if symmetry.function is not None and larger.function is not None:
        passed, larger_claims = symmetry.function.passed, claims(larger)
        checked = (
            (entry, passed[claim]) for entry, claim in claims(symmetry).items() if claim in passed
        )
        larger.function.passed.update(
            {larger_claims[entry]: has_passed for entry, has_passed in checked}
        )
    return larger
