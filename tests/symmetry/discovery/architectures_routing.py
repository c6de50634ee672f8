"""Networks that choose among their units: experts, largest units, order by size."""

import jax
import jax.numpy as jnp
from architecture import Family
from jax import lax
from jax.nn import relu, softmax

ROUTING = Family()
EXPERTS = {"r": (4, 3), "b": (3,), "w": (3, 4, 5), "v": (3, 5, 2)}


@ROUTING.network(EXPERTS, [(6, 4)], [3, 5])
def two_experts_for_each_token(p, x):
    # Hidden units of all experts move alike, for a token meets several of them at once.
    weights, chosen = lax.top_k(softmax(x @ p["r"] + p["b"]), 2)
    h = jnp.tanh(jnp.einsum("bi,bkih->bkh", x, p["w"][chosen]))
    return jnp.einsum("bk,bkh,bkho->bo", weights, h, p["v"][chosen])


@ROUTING.network(EXPERTS | {"e": (4, 4)}, [(6, 4)], [3, 4, 5])
def one_expert_of_hidden_units(p, x):
    h = relu(x @ p["e"])
    chosen = jnp.argmax(h @ p["r"] + p["b"], -1)
    h = jnp.tanh(jnp.einsum("bi,bih->bh", h, p["w"][chosen]))
    return jnp.einsum("bh,bho->bo", h, p["v"][chosen])


@ROUTING.network(EXPERTS | {"e": (4, 4)}, [(6, 4)], [4, 5])
def experts_that_may_score_alike(p, x):
    # Where no unit is active all experts score 0, and the first of them is taken.
    h = relu(x @ p["e"])
    chosen = jnp.argmax(h @ p["r"], -1)
    h = jnp.tanh(jnp.einsum("bi,bih->bh", h, p["w"][chosen])) * p["b"][chosen][:, None]
    return jnp.einsum("bh,bho->bo", h, p["v"][chosen])


@ROUTING.network({"w": (4, 6), "b": (6,), "o": (6, 2)}, [(3, 4)], [6])
def outputs_of_the_three_largest_units(p, x):
    h = x @ p["w"] + p["b"]
    order = jnp.argsort(h, -1)[:, -3:]
    return jnp.take_along_axis(h, order, -1) @ jnp.ones((3, 1)) + p["o"][order].sum(1)


@ROUTING.network({"w": (4, 6), "b": (6,), "o": (6, 2)}, [(3, 4)], [6])
def all_units_but_the_largest(p, x):
    h = x @ p["w"] + p["b"]
    return (h * (jnp.argmax(h, -1)[:, None] != jnp.arange(6))) @ p["o"]


@ROUTING.network({"w": (4, 6), "o": (6, 2)}, [(3, 4)])
def the_first_of_equal_units(p, x):
    h = relu(x @ p["w"])
    return (jax.nn.one_hot(jnp.argmax(h, -1), 6) + h) @ p["o"]


@ROUTING.network({"w": (4, 6), "b": (6,), "o": (6, 2)}, [(3, 4)])
def the_unit_after_the_largest(p, x):
    h = x @ p["w"] + p["b"]
    return (jax.nn.one_hot(jnp.argmax(h, -1) + 1, 6) * h) @ p["o"]


@ROUTING.network({"w": (4, 6), "b": (6,), "o": (6, 2)}, [(3, 4)])
def whether_the_largest_unit_is_among_the_first(p, x):
    h = x @ p["w"] + p["b"]
    return jnp.tanh(h) @ p["o"] * (jnp.argmax(h, -1) < 3)[:, None]


@ROUTING.network({"w": (4, 6), "b": (6,), "o": (6, 2)}, [(3, 4)])
def number_of_the_largest_unit(p, x):
    h = x @ p["w"] + p["b"]
    return h @ p["o"], jnp.argmax(h, -1)
