"""find_symmetry tells which axes make units and which read them, however arrays are laid out."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest
from architecture import Architecture, shapes, tokens
from architectures import ARCHITECTURES
from jax import lax

from onebasin import _trees
from onebasin.symmetry import find_symmetry
from onebasin.symmetry.discovery.walk import roles_in

pytestmark = [pytest.mark.usefixtures("ranks_promote"), pytest.mark.slow]
M, R = "makes", "reads"


class Case(NamedTuple):
    """A function with its params and inputs as shapes, and the roles worked out by hand."""

    apply: Any
    params: Any
    inputs: tuple
    roles: dict

    def __repr__(self) -> str:
        return self.apply.__name__


CASES: list[Case] = []


def case(params, inputs, roles):
    """Enter a function with the roles of all of its leaves, in the order of the params."""

    def enter(apply):
        named = dict(zip(params, roles, strict=True))
        CASES.append(Case(apply, shapes(params), tuple(shapes(one) for one in inputs), named))
        return apply

    return enter


@case({"w": (4, 6), "b": (6,), "o": (6, 1)}, [(2, 4)], [(R, M), (M,), (R, M)])
def inputs_first(p, x):
    return jax.nn.relu(x @ p["w"] + p["b"]) @ p["o"]


@case({"w": (6, 4), "b": (6,), "o": (1, 6)}, [(2, 4)], [(M, R), (M,), (M, R)])
def outputs_first(p, x):
    return jax.vmap(lambda one: p["o"] @ jax.nn.relu(p["w"] @ one + p["b"]))(x)


@case({"k": (3, 3, 2, 6), "b": (6,), "o": (6, 3)}, [(2, 5, 5, 2)], [(R, R, R, M), (M,), (R, M)])
def channels_last(p, x):
    numbers = ("NHWC", "HWIO", "NHWC")
    x = lax.conv_general_dilated(x, p["k"], (1, 1), "SAME", dimension_numbers=numbers) + p["b"]
    return jax.nn.relu(x).mean((1, 2)) @ p["o"]


@case({"k": (6, 2, 3, 3), "b": (6, 1, 1), "o": (3, 6)}, [(2, 2, 5, 5)],
      [(M, R, R, R), (M, M, M), (M, R)])  # fmt: skip
def channels_first(p, x):
    x = lax.conv_general_dilated(x, p["k"], (1, 1), "SAME") + p["b"]
    return jax.nn.relu(x).mean((2, 3)) @ p["o"].T


@case({"k": (3, 3, 1, 6), "o": (6, 3)}, [(2, 5, 5, 6)], [(R, R, R, M), (R, M)])
def one_kernel_for_each_channel(p, x):
    x = lax.conv_general_dilated(x, p["k"], (1, 1), "SAME", feature_group_count=6,
                                 dimension_numbers=("NHWC", "HWIO", "NHWC"))  # fmt: skip
    return jax.nn.relu(x).mean((1, 2)) @ p["o"]


@case({"e": (4, 6), "g": (6,), "b": (6,), "w": (6, 3)}, [(2, 4)], [(R, M), (M,), (M,), (R, M)])
def layernorm_in_front_of_a_kernel(p, x):
    x = x @ p["e"]
    x = (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)
    return (x * p["g"] + p["b"]) @ p["w"]


@case({"e": (4, 6), "g": (6,), "h": (6,), "w": (6, 3)}, [(2, 4)], [(R, M), (M,), (M,), (R, M)])
def rmsnorm_behind_rmsnorm(p, x):
    norm = lambda x, g: x * lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5) * g
    return norm(norm(x @ p["e"], p["g"]), p["h"]) @ p["w"]


@case({"w": (4, 6), "m": (6,), "v": (6,), "g": (6,), "o": (6, 2)}, [(3, 4)],
      [(R, M), (M,), (M,), (M,), (R, M)])  # fmt: skip
def batchnorm_by_statistics(p, x):
    return jax.nn.relu((x @ p["w"] - p["m"]) * (p["g"] / jnp.sqrt(p["v"] + 1e-5))) @ p["o"]


@case({"e": (7, 4), "w": (4, 3)}, [tokens(2, 5)], [(R, M), (R, M)])
def embeddings(p, x):
    return p["e"][x] @ p["w"]


@case({"e": (7, 4), "w": (4, 4)}, [tokens(2, 5)], [(None, None), (R, M)])
def embeddings_read_out_by_their_transpose(p, x):
    return (p["e"][x] @ p["w"]) @ p["e"].T


@case({"q": (4, 2, 3), "k": (4, 2, 3), "v": (4, 2, 5), "o": (2, 5, 4)}, [(3, 4)],
      [(R, M, M), (R, M, M), (R, M, M), (R, R, M)])  # fmt: skip
def attention_heads(p, x):
    q, k, v = (jnp.einsum("ti,ihd->thd", x, p[name]) for name in "qkv")
    scores = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k))
    return jnp.einsum("thd,hdo->to", jnp.einsum("hts,shd->thd", scores, v), p["o"])


@case({"w": (12, 4), "b": (12,), "o": (4, 4)}, [(3, 4)], [(M, R), (M,), (M, R)])
def attention_packed_outputs_first(p, x):
    q, k, v = jnp.split(x @ p["w"].T + p["b"], 3, axis=-1)
    return jax.nn.softmax(q @ k.T) @ v @ p["o"].T


@case({"v": (6, 4), "g": (6,), "o": (2, 6)}, [(3, 4)], [(M, R), (M,), (M, R)])
def weight_normalization_outputs_first(p, x):
    w = p["v"] * (p["g"] / jnp.linalg.norm(p["v"], axis=1))[:, None]
    return jax.nn.relu(x @ w.T) @ p["o"].T


@case({"w": (6, 4), "o": (2, 6)}, [(3, 4)], [(M, R), (M, R)])
def pruned_by_a_mask(p, x):
    mask = jnp.where(jnp.arange(24).reshape(6, 4) % 3 == 0, 0.0, 1.0)
    return jax.nn.relu(x @ (p["w"] * mask).T) @ p["o"].T


@case({"a": (6, 2), "b": (2, 4), "w": (6, 4)}, [(3, 4)], [(M, R), (M, R), (M, R)])
def low_rank_beside_a_kernel(p, x):
    return x @ (p["w"] + p["a"] @ p["b"]).T


@case({"w": (12, 4), "u": (12, 3), "b": (12,), "o": (2, 3)}, [(5, 4)],
      [(M, R), (M, R), (M,), (M, R)])  # fmt: skip
def lstm_outputs_first(p, x):
    def step(carry, one):
        h, c = carry
        i, f, g, o = jnp.split(p["w"] @ one + p["u"] @ h + p["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    (h, _), _ = lax.scan(step, (jnp.zeros(3), jnp.zeros(3)), x)
    return p["o"] @ h


@case({"h": (3,), "u": (3, 3), "w": (4, 3)}, [(5, 4)], [(M,), (R, M), (R, M)])
def a_learned_first_state(p, x):
    step = lambda h, one: (jnp.tanh(one @ p["w"] + h @ p["u"]), None)
    return lax.scan(step, p["h"], x)[0]


@case({"w": (3, 4, 4), "o": (4, 2)}, [(5, 4)], [(M, R, M), (R, M)])
def layers_in_a_scan(p, x):
    return lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, p["w"])[0] @ p["o"]


@case({"w": (3, 4, 4), "o": (4, 2)}, [(5, 4)], [(M, R, M), (R, M)])
def layers_picked_one_by_one(p, x):
    for k in range(3):
        x = jnp.tanh(x @ p["w"][k])
    return x @ p["o"]


@case({"w": (3, 4, 4), "o": (4, 2)}, [(5, 4)], [(M, R, M), (R, M)])
def layers_picked_in_a_loop(p, x):
    return lax.fori_loop(0, 3, lambda k, x: jnp.tanh(x @ p["w"][k]), x) @ p["o"]


@case({"w": (3, 4, 6), "b": (3, 6), "o": (3, 6, 2)}, [(5, 4)], [(M, R, M), (M, M), (M, R, M)])
def members_of_an_ensemble(p, x):
    member = lambda q: jnp.tanh(x @ q["w"] + q["b"]) @ q["o"]
    return jax.vmap(member)(p)


@case({"w": (4, 6), "o": (6, 2)}, [(3, 4)], [(R, M), (R, M)])
def products_summed_by_hand(p, x):
    h = jnp.tanh((x[:, :, None] * p["w"]).sum(1))
    return (h[:, :, None] * p["o"]).sum(1)


@case({"s": (), "w": (4, 2), "z": (3,)}, [(3, 4)], [(), (R, M), (None,)])
def a_scalar_and_what_is_not_used(p, x):
    return jnp.exp(p["s"]) * (x @ p["w"])


@case({"w": (4, 4), "o": (4, 2)}, [(3, 4)], [(None, None), (R, M)])
def a_kernel_plus_its_transpose(p, x):
    return jnp.tanh(x @ (p["w"] + p["w"].T)) @ p["o"]


@pytest.mark.parametrize("one", CASES, ids=repr)
def test_the_roles_are_those_worked_out_by_hand(one: Case) -> None:
    assert find_symmetry(one.apply, one.params, *one.inputs).roles == one.roles


def test_data_that_the_function_closes_over_are_data() -> None:
    data = jnp.arange(12.0).reshape(3, 4)
    found = find_symmetry(
        lambda p: jnp.tanh(data @ p["w"]) @ p["o"],
        {"w": jnp.zeros((4, 6)), "o": jnp.zeros((6, 2))},
    )
    assert found.roles == {"w": (R, M), "o": (R, M)}


NOT_KNOWN = {
    "kernel_of_two_unit_axes": {"s"},
    "scale_of_the_whole_layer": {"s"},
    "vision_transformer_with_a_class_token": {"cls"},
    "tied_autoencoder": {"w"},
    "hypernetwork": {"h", "z"},
    "unused_parameter": {"unused"},
    "attention_with_relative_positions": {"bias"},
    "tied_embeddings": {"e"},
    "gradient_by_the_inputs": {"w"},
    "kernel_plus_its_transpose": {"w"},
    "spectral_normalization": {"w"},
}
"""Arrays with axes of length 1 that are broadcast, that are used in both ways, or in no product."""


@pytest.mark.parametrize("net", ARCHITECTURES, ids=repr)
def test_roles_are_known_wherever_they_are_one(net: Architecture) -> None:
    roles = roles_in(net.apply, net.params, *net.inputs)
    assert roles.keys() == _trees.named_leaves(net.params).keys()
    unknown = {leaf for leaf, known in roles.items() if None in known}
    assert unknown == NOT_KNOWN.get(net.name, set())
