"""Loops, branches and calls: recurrent networks, stacked layers, experts and ensembles."""

import jax
import jax.numpy as jnp
from architecture import Family
from jax import lax
from jax.nn import gelu, relu, sigmoid, silu, softmax

RECURRENT = Family()
SEQUENCE = [(6, 2, 3)]
MEMBERS = {"w": (4, 3, 6), "b": (4, 6), "v": (4, 6, 5), "o": (4, 5, 2)}


@RECURRENT.network({"w": (3, 5), "u": (5, 5), "b": (5,), "o": (5, 2)}, SEQUENCE, [5])
def elman(p, x):
    step = lambda h, one: (jnp.tanh(one @ p["w"] + h @ p["u"] + p["b"]),) * 2
    _, states = lax.scan(step, jnp.zeros((2, 5), x.dtype), x)
    return states @ p["o"]


def lstm_of(p, x, reverse=False):
    def step(carry, one):
        h, c = carry
        i, f, g, o = jnp.split(one @ p["w"] + h @ p["u"] + p["b"], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        h = sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    start = jnp.zeros((x.shape[1], p["u"].shape[0]), x.dtype)
    return lax.scan(step, (start, start), x, reverse=reverse)[1]


LSTM = {"w": (3, 20), "u": (5, 20), "b": (20,)}


@RECURRENT.network({"cell": LSTM, "o": (5, 2)}, SEQUENCE, [5])
def lstm(p, x):
    return lstm_of(p["cell"], x)[-1] @ p["o"]


@RECURRENT.network({"one": LSTM, "two": {"w": (5, 16), "u": (4, 16), "b": (16,)}, "o": (4, 2)},
                   SEQUENCE, [5, 4])  # fmt: skip
def lstm_of_two_layers(p, x):
    return lstm_of(p["two"], lstm_of(p["one"], x))[-1] @ p["o"]


@RECURRENT.network({"one": LSTM, "two": LSTM, "o": (10, 2)}, SEQUENCE, [5, 5])
def lstm_in_both_directions(p, x):
    both = [lstm_of(p["one"], x), lstm_of(p["two"], x, reverse=True)]
    return jnp.concatenate(both, -1) @ p["o"]


@RECURRENT.network({"w": (3, 15), "u": (5, 15), "b": (15,), "o": (5, 2)}, SEQUENCE, [5])
def gru(p, x):
    def step(h, one):
        r, z, n = jnp.split(one @ p["w"] + p["b"], 3, axis=-1)
        s, y, m = jnp.split(h @ p["u"], 3, axis=-1)
        z = sigmoid(z + y)
        h = (1 - z) * jnp.tanh(n + sigmoid(r + s) * m) + z * h
        return h, None

    return lax.scan(step, jnp.zeros((2, 5), x.dtype), x)[0] @ p["o"]


@RECURRENT.network({"a": (5,), "w": (3, 5), "o": (5, 2)}, SEQUENCE, [5])
def diagonal_state_space(p, x):
    step = lambda h, one: (sigmoid(p["a"]) * h + one @ p["w"],) * 2
    return relu(lax.scan(step, jnp.zeros((2, 5), x.dtype), x)[1]) @ p["o"]


LAYERS = {"w": (4, 5, 6), "b": (4, 6), "v": (4, 6, 5)}


@RECURRENT.network({"e": (3, 5), "layers": LAYERS, "o": (5, 2)}, [(2, 3)], [5, (6, (4,))])
def scan_over_stacked_layers(p, x):
    # Layers keep their order; in each of them the units move by themselves.
    layer = lambda h, q: (h + gelu(h @ q["w"] + q["b"]) @ q["v"], None)
    return lax.scan(layer, x @ p["e"], p["layers"])[0] @ p["o"]


@RECURRENT.network({"e": (3, 5), "w": (4, 5, 5), "o": (5, 2)}, [(2, 3)], [5])
def scan_over_stacked_layers_without_a_residual(p, x):
    # What would be units of one layer only are the carry of the loop, the same in all layers.
    layer = lambda h, w: (jnp.tanh(h @ w), None)
    return lax.scan(layer, x @ p["e"], p["w"])[0] @ p["o"]


@RECURRENT.network({"e": (3, 5), "w": (5, 5), "o": (5, 2)}, [(2, 3)], [5])
def one_layer_in_a_loop(p, x):
    step = lambda _, h: jnp.tanh(h @ p["w"])
    return lax.fori_loop(0, 3, step, x @ p["e"]) @ p["o"]


@RECURRENT.network({"e": (3, 5), "w": (5, 5), "o": (5, 2)}, [(2, 3)], [5])
def one_layer_until_it_is_small(p, x):
    large = lambda h: (h**2).sum() > 1e-2
    step = lambda h: 0.3 * jnp.tanh(h @ p["w"])
    return lax.while_loop(large, step, jnp.tanh(x @ p["e"])) @ p["o"]


@RECURRENT.network({"e": (3, 5), "w": (5, 6), "v": (5, 6), "o": (6, 2)}, [(2, 3)], [5, 6])
def one_of_two_branches(p, x):
    h = jnp.tanh(x @ p["e"])
    one, two = (lambda h: relu(h @ p["w"])), (lambda h: jnp.sin(h @ p["v"]))
    return lax.cond(x.sum() > 0, one, two, h) @ p["o"]


@RECURRENT.network({"w": (3, 6), "v": (6, 5), "o": (5, 2)}, [(2, 3)], [6, 5])
def calls_within_calls(p, x):
    inner = jax.jit(lambda h, w: relu(h @ w))
    outer = jax.checkpoint(lambda h, w: silu(jax.jit(inner)(h, w)))
    return inner(outer(x, p["w"]), p["v"]) @ p["o"]


@jax.custom_vjp
def straight_through(x):
    return jnp.sign(x)


straight_through.defvjp(lambda x: (jnp.sign(x), None), lambda _, g: (g,))


@RECURRENT.network({"w": (3, 6), "b": (6,), "o": (6, 2)}, [(2, 3)], [6])
def gradient_of_its_own(p, x):
    return straight_through(x @ p["w"] + p["b"]) @ p["o"]


@RECURRENT.network({"w": (3, 6), "v": (6,)}, [(2, 3)], [6])
def gradient_by_the_inputs(p, x):
    energy = lambda z: relu(z @ p["w"]) ** 2 @ p["v"]
    return jax.vmap(jax.grad(energy))(x)


@RECURRENT.network({"r": (3, 4), "w": (4, 3, 6), "v": (4, 6, 2)}, [(2, 3)], [4, (6, (4,))])
def mixture_of_experts(p, x):
    hidden = relu(jnp.einsum("bi,eih->beh", x, p["w"]))
    return jnp.einsum("be,beh,eho->bo", softmax(x @ p["r"]), hidden, p["v"])


@RECURRENT.network({"r": (3, 4), "w": (4, 3, 6), "v": (4, 6, 2)}, [(2, 3)], [4, (6, (4,))])
def mixture_of_the_two_best_experts(p, x):
    # Which values are the largest depends on no order, so experts may be permuted.
    gates = x @ p["r"]
    gates = jnp.where(gates >= lax.top_k(gates, 2)[0][:, 1:], gates, -jnp.inf)
    hidden = relu(jnp.einsum("bi,eih->beh", x, p["w"]))
    return jnp.einsum("be,beo->bo", softmax(gates), jnp.einsum("beh,eho->beo", hidden, p["v"]))


def member(p, x):
    return relu(relu(x @ p["w"] + p["b"]) @ p["v"]) @ p["o"]


@RECURRENT.network(MEMBERS, [(2, 3)], [(6, (4,)), (5, (4,))])
def ensemble_of_stacked_outputs(p, x):
    return jax.vmap(member, (0, None))(p, x)


@RECURRENT.network(MEMBERS, [(2, 3)], [4, (6, (4,)), (5, (4,))])
def ensemble_that_is_averaged(p, x):
    return jax.vmap(member, (0, None))(p, x).mean(0)


@RECURRENT.network(MEMBERS, [(2, 3)], [4, (6, (4,)), (5, (4,))])
def ensemble_by_map_that_is_averaged(p, x):
    return lax.map(lambda q: member(q, x), p).mean(0)


@RECURRENT.network({"e": (3, 7), "w": (4, 7, 6), "v": (4, 6, 2)}, [(2, 3)], [7, 4, (6, (4,))])
def ensemble_on_a_shared_trunk(p, x):
    h = relu(x @ p["e"])
    return jax.vmap(lambda w, v: gelu(h @ w) @ v)(p["w"], p["v"]).sum(0)
