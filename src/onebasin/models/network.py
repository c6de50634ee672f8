"""Network: a pair of pure functions with the symmetry they have."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float

from onebasin._types import Array, Key, Params
from onebasin.symmetry.axes import Symmetry


class Network(NamedTuple):
    """A network as data: how its weights begin, what it computes, and what may trade places.

    - `init(key)` gives params at random.
    - `apply(params, inputs)` maps a batch of inputs to a batch of outputs.
    - `activations(params, inputs)` gives what the units of each group of the symmetry put out.
    - `symmetry` lists the axes whose units may be permuted without changing `apply`.
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Float[Array, "batch features"]], Float[Array, "batch outputs"]]
    activations: Callable[
        [Params, Float[Array, "batch features"]], dict[str, Float[Array, "batch units"]]
    ]
    symmetry: Symmetry
