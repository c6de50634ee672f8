"""A symmetry comes back from JSON with all of its fields but the function."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nested_networks import INPUTS, PARAMS, attention

import onebasin as ob
from onebasin.symmetry import Blocks, Part, Place, Sign

TANH = ob.mlp(3, (4, 5), 2, "tanh").symmetry
CUT = ob.Symmetry.of(
    {"in": Blocks([[2], [3, 3]], [ob.Axes(None, "up"), ob.Axes(None, "gate")]),
     "flat": ob.Axes(("up", 4), None), "heads": ob.Axes(("heads", "dims")),
     "pair": (ob.Axes("gate"), [ob.Axes()]), "none": None},
    {"in": np.zeros((2, 6)), "flat": np.zeros((12, 1)), "heads": np.zeros(6),
     "pair": (np.zeros(3), [np.zeros(())]), "none": None},
    sizes={"heads": 2}, nested={"dims": ["heads"]}, fixed=["heads"],
    roles={"flat": ("reads", None)},
)  # fmt: skip
FOUND = ob.find_symmetry(attention, PARAMS, INPUTS)
DROPPED = dataclasses.replace(TANH, dropped=(Part("units", "a"), Part("signs", "a 2")))


@pytest.mark.parametrize("symmetry", [TANH, CUT, FOUND, DROPPED])
def test_all_fields_but_the_function_come_back(symmetry) -> None:
    again = ob.Symmetry.from_json(symmetry.to_json())
    assert again == symmetry
    for field in dataclasses.fields(symmetry):
        if field.name != "function":
            value, expected = getattr(again, field.name), getattr(symmetry, field.name)
            assert value == expected
            assert type(value) is type(expected)
    assert again.function is None
    assert again.to_json() == symmetry.to_json()


@pytest.mark.parametrize("kind", ["convnet", "lstm", "resnet20", "vit"])
def test_symmetries_of_built_in_networks_come_back(kind: str) -> None:
    network = getattr(ob.networks, kind)((8, 8), 3)
    again = ob.Symmetry.from_json(network.symmetry.to_json())
    assert again == network.symmetry
    assert (again.roles, again.frozen) == (network.symmetry.roles, network.symmetry.frozen)


def test_axes_in_a_module_need_params_of_it() -> None:
    module = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))
    apply, params = ob.from_equinox(module)
    symmetry = ob.find_symmetry(apply, params, jnp.ones((2, 3)))
    text = symmetry.to_json()
    assert ob.Symmetry.from_json(text, like=params) == symmetry
    with pytest.raises(ValueError, match=r"no dicts, lists or tuples.*like=params"):
        ob.Symmetry.from_json(text)
    other, _ = eqx.partition(eqx.nn.Linear(3, 2, key=jax.random.key(0)), eqx.is_array)
    with pytest.raises(ValueError, match="leaves must be those of the given tree"):
        ob.Symmetry.from_json(text, like=other)


def test_a_sign_comes_back_as_one() -> None:
    sign = Sign("hidden_0", (Place("hidden_0/kernel", 1),))
    again = ob.Symmetry.from_json(TANH.with_signs([sign]).to_json())
    assert again.signs == {"hidden_0": sign}
    assert isinstance(again.signs["hidden_0"].places[0], Place)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}', TANH.to_json()[:-30]])
def test_other_text_is_told_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be what Symmetry\.to_json wrote\. Got") as error:
        ob.Symmetry.from_json(text)
    assert "\n" not in str(error.value)


def test_a_changed_field_is_told() -> None:
    for field, value in {"axes": ["ring", []], "sizes": {"a": "many"}, "signs": {"a": 1}}.items():
        text = json.dumps(json.loads(TANH.to_json()) | {field: value})
        with pytest.raises(ValueError, match="must be what"):
            ob.Symmetry.from_json(text)
