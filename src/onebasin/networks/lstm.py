"""lstm: a recurrent network that reads an image row by row."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._frozen_partial import FrozenPartial
from onebasin.networks.layers import check_counts, dense, dense_init, normal
from onebasin.networks.network import Network, claimed_of
from onebasin.symmetry.axes import Axes, Blocks, Place, Sign, Symmetry
from onebasin.types import Array, Key, Params

_GATES = ("input", "forget", "output", "candidate")


def lstm(image_shape: tuple[int, int], outputs: int, width: int = 16) -> Network:
    r"""A recurrent network with long short-term memory over the rows of an image.

    Row $x_t$ of the image changes the memory $c$ and the hidden units $h$, `width` of each: $c_t =
    \sigma(f_t) c_{t-1} + \sigma(i_t) \tanh(g_t)$ and $h_t = \sigma(o_t) \tanh(c_t)$. The input,
    forget and output gates $i, f, o$ and the candidate $g$ are each of the form $W x_t + U h_{t-1}
    + b$. A dense layer reads $h$ after the last row.

    Inputs are (batch, pixels), one row of gray pixels for each image. Params are
    `{"cell": {"input": W, "recurrent": U, "bias": b}, "out": {"kernel", "bias"}}`, in which an axis
    of the cell's arrays lists $i, f, o, g$ in this order. Biases begin at 0, those of the forget
    gate at 1. All units are one group of the symmetry, and may change sign.

    Raises:
        ValueError: If a size is below 1.

    Examples:
        >>> network = ob.networks.lstm((8, 8), outputs=10, width=6)
        >>> network.symmetry.sizes
        {'cell': 6}

    Source: Hochreiter and Schmidhuber (1997), Long short-term memory, with the forget gate of
    Gers, Schmidhuber and Cummins (2000).
    """
    height, across = image_shape
    return _lstm((height, across), outputs, width)


@lru_cache
def _lstm(image_shape: tuple[int, int], outputs: int, width: int) -> Network:
    """The network of a shape. It is kept to save time: one that is made again is equal to it."""
    check_counts(height=min(image_shape), outputs=outputs, width=width)
    columns = image_shape[1]
    init = FrozenPartial(_init, columns, outputs, width)
    symmetry = Symmetry.of(_axes(columns, width), jax.eval_shape(init, jax.random.key(0)))
    symmetry = symmetry.with_signs([_sign(symmetry)])
    apply = FrozenPartial(_apply, image_shape, width)
    return Network(init, apply, None, claimed_of(symmetry, apply, image_shape[0] * columns))


def _init(columns: int, outputs: int, width: int, key: Key) -> Params:
    """Random params."""
    key_input, key_recurrent, key_out = jax.random.split(key, 3)
    num_gates = len(_GATES)
    cell = {
        "input": normal(key_input, (columns, num_gates, width), columns),
        "recurrent": normal(key_recurrent, (width, num_gates, width), width),
        "bias": jnp.zeros((num_gates, width)).at[_GATES.index("forget")].set(1.0),
    }
    return {"cell": cell, "out": dense_init(key_out, width, outputs)}


def _apply(
    image_shape: tuple[int, int], width: int, params: Params, x: Float[Array, "batch features"]
) -> Float[Array, "batch outputs"]:
    """The outputs after the last row."""
    cell, rows = params["cell"], x.reshape(-1, *image_shape).swapaxes(0, 1)
    inward = jnp.einsum("rbc,cgu->rbgu", rows, cell["input"]) + cell["bias"][None, None]

    def read(state: tuple[Array, Array], row: Array) -> tuple[tuple[Array, Array], None]:
        hidden, memory = state
        gates = row + jnp.einsum("bu,ugv->bgv", hidden, cell["recurrent"])
        enter, forget, leave = (jax.nn.sigmoid(gates[:, gate]) for gate in range(3))
        memory = forget * memory + enter * jnp.tanh(gates[:, 3])
        return (leave * jnp.tanh(memory), memory), None

    empty = jnp.zeros((x.shape[0], width), inward.dtype)
    (hidden, _), _ = jax.lax.scan(read, (empty, empty), inward)
    return dense(params["out"], hidden)


def _axes(columns: int, width: int) -> Any:
    """The axes of all arrays. Those of the cell are cut into blocks, one for each gate.

    All gates are permuted with the units, but not all change sign with them.
    """
    gates = [1] * len(_GATES)
    each = lambda *names: [Axes(*names)] * len(_GATES)
    return {
        "cell": {
            "input": Blocks([[columns], gates, [width]], each(None, None, "cell")),
            "recurrent": Blocks([[width], gates, [width]], each("cell", None, "cell")),
            "bias": Blocks([gates, [width]], each(None, "cell")),
        },
        "out": {"kernel": Axes("cell", None), "bias": Axes(None)},
    }


def _sign(symmetry: Symmetry) -> Sign:
    """The weights that change sign with a unit: its candidate's, and all that it is input of."""

    def flips(place: Place) -> bool:
        piece = symmetry.pieces[place.leaf]
        makes_unit = place.axis == len(piece.names) - 1 and piece.leaf != "out/kernel"
        return not makes_unit or piece.starts[-2] == _GATES.index("candidate")

    return Sign("cell", tuple(filter(flips, symmetry.places("cell"))))
