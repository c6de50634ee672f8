"""find_symmetry tells which units may change sign: with all of odd functions, never else."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from architecture import Architecture, random_values
from nested_networks import INPUTS, PARAMS, attention
from tiny_networks import TINY

from onebasin.symmetry import find_symmetry

pytestmark = [pytest.mark.usefixtures("ranks_promote"), pytest.mark.slow]
MOST_ENTRIES = 16
BEYOND_UNITS = {
    "masked": "units whose order is frozen, and weights that nothing reads",
    "running_sums": "units whose order is frozen, all of them at once",
}
"""Networks with signs that no unit of a group has alone."""


def places_of(symmetry, group: str) -> list[set[str]]:
    """The arrays that flip with the units of a group, sign by sign."""
    return [
        {place.leaf for place in sign.places}
        for sign in symmetry.signs.values()
        if sign.group == group
    ]


ODD = {
    "tanh": jnp.tanh,
    "erf": jax.scipy.special.erf,
    "sin": jnp.sin,
    "identity": lambda x: x,
    "cube": lambda x: x**3,
    "arctan": jnp.arctan,
    "x times |x|": lambda x: x * jnp.abs(x),
}
OTHERS = {
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "gelu": jax.nn.gelu,
    "cosine and sine": lambda x: jnp.cos(x) + jnp.sin(x),
    "shifted tanh": lambda x: jnp.tanh(x + 0.1),
}
SHAPES = {"w": jnp.zeros((2, 3)), "b": jnp.zeros(3), "o": jnp.zeros((3, 2))}


def layer(activation):
    return lambda p, x: activation(x @ p["w"] + p["b"]) @ p["o"]


@pytest.mark.parametrize("name", ODD)
def test_units_of_odd_activations_flip_with_all_that_touches_them(name: str) -> None:
    found = find_symmetry(layer(ODD[name]), SHAPES, jnp.zeros((4, 2)))
    assert places_of(found, "b") == [{"w", "b", "o"}]


@pytest.mark.parametrize("name", OTHERS)
def test_units_of_other_activations_do_not_flip(name: str) -> None:
    assert find_symmetry(layer(OTHERS[name]), SHAPES, jnp.zeros((4, 2))).signs == {}


def test_even_activations_forget_the_sign_of_what_comes_in() -> None:
    found = find_symmetry(layer(jnp.cos), SHAPES, jnp.zeros((4, 2)))
    assert places_of(found, "b") == [{"w", "b"}]


def test_a_scale_has_a_sign_for_each_side() -> None:
    apply = lambda p, x: (jnp.tanh(x @ p["w"]) * p["b"]) @ p["o"]
    found = find_symmetry(apply, SHAPES, jnp.zeros((4, 2)))
    assert sorted(map(sorted, places_of(found, "b"))) in (
        [["b", "o"], ["b", "w"]],
        [["b", "o"], ["o", "w"]],
        [["b", "w"], ["o", "w"]],
    )
    assert found.log10_num_equivalent() == pytest.approx(math.log10(6 * 2**6))


def test_recurrent_units_flip_where_the_state_begins_at_zero() -> None:
    def rnn(p, x, start):
        step = lambda h, one: (jnp.tanh(one @ p["w"] + h @ p["u"]), None)
        return jax.lax.scan(step, jnp.full((4, 3), start), x)[0] @ p["o"]

    shapes = {"w": jnp.zeros((2, 3)), "u": jnp.zeros((3, 3)), "o": jnp.zeros((3, 2))}
    find = lambda start: find_symmetry(lambda p, x: rnn(p, x, start), shapes, jnp.zeros((5, 4, 2)))
    (sign,) = find(0.0).signs.values()
    assert sorted(sign.places) == [("o", 0), ("u", 0), ("u", 1), ("w", 1)]
    assert find(1.0).signs == {}


def test_batch_norm_flips_with_its_scale_behind_any_activation() -> None:
    def normed(p, x):
        h = (x @ p["w"] - p["mean"]) / jnp.sqrt(p["var"] + 1e-5)
        return jax.nn.relu(h * p["scale"] + p["shift"]) @ p["o"]

    vectors = {name: jnp.zeros(3) for name in ("mean", "var", "scale", "shift")}
    shapes = {"w": jnp.zeros((2, 3)), "o": jnp.zeros((3, 2)), **vectors}
    (sign,) = find_symmetry(normed, shapes, jnp.zeros((4, 2))).signs.values()
    assert {place.leaf for place in sign.places} == {"w", "mean", "scale"}


def test_queries_flip_with_keys_and_values_with_what_reads_them() -> None:
    nested = find_symmetry(attention, PARAMS, INPUTS)
    groups = {nested.around(one.group) for one in nested.signs.values()}
    assert groups == {(), (2,)}
    nested = [one for one in nested.signs.values() if nested.around(one.group)]
    leaves = sorted(sorted({place.leaf for place in sign.places}) for sign in nested)
    assert leaves == [["merge", "qkv[0:5, 12:18]"], ["qkv[0:5, 0:6]", "qkv[0:5, 6:12]"]]


def signs_of_entries(leaf: np.ndarray) -> np.ndarray:
    """An array under every choice of a sign for each of its entries."""
    every = list(itertools.product([1.0, -1.0], repeat=leaf.size))
    return np.array(every).reshape(-1, *leaf.shape) * leaf


SMALL = [
    net
    for net in TINY
    if sum(math.prod(leaf.shape) for leaf in net.params.values()) <= MOST_ENTRIES
    and net.name not in BEYOND_UNITS
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("net", SMALL, ids=repr)
def test_as_many_signs_are_found_as_preserve_the_function(net: Architecture) -> None:
    symmetry = find_symmetry(net.apply, net.params, *net.inputs)
    params, inputs = random_values((net.params, net.inputs), seed=5)
    every = {name: jnp.asarray(signs_of_entries(leaf)) for name, leaf in params.items()}
    apply = lambda choice: net.apply(
        {name: leaf[choice[name]] for name, leaf in every.items()}, *inputs
    )
    choices = np.indices([len(leaf) for leaf in every.values()]).reshape(len(every), -1)
    # One by one: convolutions with a batch of kernels take XLA a hundred times as long on a CPU.
    found = np.asarray(jax.lax.map(apply, dict(zip(every, choices, strict=True))))
    found = found.reshape(choices.shape[1], -1)
    gaps = np.abs(found - found[0]).max(axis=1)
    num_preserving = int((gaps <= 1e-9 * np.abs(found[0]).max()).sum())
    num_bits = sum(
        math.prod(symmetry.around(sign.group)) * symmetry.sizes[sign.group]
        for sign in symmetry.signs.values()
    )
    assert num_preserving == 2**num_bits, f"\n{symmetry}"


def test_enough_networks_are_tried() -> None:
    assert len(SMALL) >= 10
    assert {net.name for net in TINY} >= set(BEYOND_UNITS)
