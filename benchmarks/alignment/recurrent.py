"""Recurrent networks of one layer as functions of params and sequences, in float32."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from onebasin.types import Params


def elman(params: Params, states: tuple, x: jax.Array) -> tuple:
    """The hidden units after one more input.

    Source: Elman (1990), Finding structure in time.
    """
    (hidden,) = states
    return (jnp.tanh(x @ params["in"] + hidden @ params["mix"] + params["bias"][None]),)


def gru(params: Params, states: tuple, x: jax.Array) -> tuple:
    """The hidden units after one more input, by reset gate, update gate and candidate.

    Source: Cho et al. (2014), arXiv 1406.1078, with the reset gate behind the product, as in cuDNN.
    """
    (hidden,) = states
    inward = jnp.split(x @ params["in"] + params["bias"][None], 3, axis=-1)
    across = jnp.split(hidden @ params["mix"], 3, axis=-1)
    reset, update = (jax.nn.sigmoid(a + b) for a, b in zip(inward[:2], across[:2], strict=True))
    candidate = jnp.tanh(inward[2] + reset * across[2])
    return ((1 - update) * candidate + update * hidden,)


def lstm(params: Params, states: tuple, x: jax.Array) -> tuple:
    """The hidden units and the memory after one more input.

    Source: Hochreiter and Schmidhuber (1997), Long short-term memory, with a forget gate.
    """
    hidden, cell = states
    gates = x @ params["in"] + hidden @ params["mix"] + params["bias"][None]
    enter, forget, leave, candidate = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(enter) * jnp.tanh(candidate)
    return jax.nn.sigmoid(leave) * jnp.tanh(cell), cell


CELLS = {"elman": (elman, 1, 1), "gru": (gru, 3, 1), "lstm": (lstm, 4, 2)}
"""Each cell with how many times its units its arrays list, and how many states it has."""


def recurrent(name: str, inputs: int, units: int, outputs: int) -> tuple[Callable, Params]:
    """A network that reads (batch, time, inputs) and ends in a dense layer, and its weights.

    Kernels are normal with variance 1 / fan-in, biases standard normal.
    """
    cell, num_gates, num_states = CELLS[name]
    rng = np.random.default_rng(units)
    shapes = {
        "in": (inputs, num_gates * units),
        "mix": (units, num_gates * units),
        "bias": (num_gates * units,),
        "out": (units, outputs),
        "out_bias": (outputs,),
    }
    params = {
        leaf: (rng.standard_normal(shape) / np.sqrt(shape[0] if len(shape) > 1 else 1)).astype("f4")
        for leaf, shape in shapes.items()
    }

    def apply(params: Params, x: jax.Array) -> jax.Array:
        empty = (jnp.zeros((x.shape[0], units), params["in"].dtype),) * num_states
        step = lambda states, row: (cell(params, states, row), None)
        states, _ = jax.lax.scan(step, empty, x.swapaxes(0, 1))
        return states[0] @ params["out"] + params["out_bias"][None]

    return apply, params
