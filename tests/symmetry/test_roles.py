"""Roles of axes: said by hand or read off a function, once, and refused where they do not fit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from onebasin import _trees
from onebasin.networks import convnet, lstm, mlp, resnet20, vit
from onebasin.symmetry import Function, Symmetry
from onebasin.symmetry.axes import Axes
from onebasin.symmetry.roles import roles_of

M, R = "makes", "reads"
BUILT_IN = {
    "mlp": (mlp(3, (4, 5), 2), {"out/kernel": (R, M), "hidden_1/bias": (M,)}),
    "convnet": (convnet((4, 4), 2, 3), {"conv_1/kernel": (R, R, R, M), "out/kernel": (R, M)}),
    "resnet20": (
        resnet20((4, 4), 2, 2),
        {
            "weights/stem/conv/kernel": (R, R, R, M),
            "statistics/stage_1/block_0/norm_1/var": (M,),
        },
    ),
    "lstm": (lstm((4, 4), 2, 3), {"cell/recurrent": (R, M, M), "cell/bias": (M, M)}),
    "vit": (
        vit((4, 4), 2, 4),
        {"block_0/attention/query": (R, M, M), "block_0/attention/merge": (R, R, M)},
    ),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_all_roles_of_built_in_networks_are_known(name: str) -> None:
    network, expected = BUILT_IN[name]
    roles = roles_of(network.symmetry, jax.eval_shape(network.init, jax.random.key(0)))
    assert {leaf: roles[leaf] for leaf in expected} == expected
    assert not any(None in known for known in roles.values())


def test_a_function_is_walked_through_once() -> None:
    calls = []

    def apply(params, x):
        calls.append(x)
        return jnp.tanh(x @ params["w"]) @ params["o"]

    params = {"o": np.ones((4, 2), np.float32), "w": np.ones((3, 4), np.float32)}
    symmetry = Symmetry.of({"o": Axes("h", None), "w": Axes(None, "h")}, params)
    inputs = (jax.ShapeDtypeStruct((2, 3), "float32"),)
    declared = dataclasses.replace(symmetry, function=Function(apply, inputs))
    for _ in range(2):
        assert roles_of(declared, params) == {"o": (R, M), "w": (R, M)}
    held = declared.within({"net": declared.axes, "noise": Axes()}, ["net"])
    of_held = {"net/o": (R, M), "net/w": (R, M), "noise": ()}
    for _ in range(2):
        again = declared.within(held.axes, ["net"])
        assert roles_of(again, {"net": params, "noise": np.zeros(())}) == of_held
    assert len(calls) == 2


def test_roles_said_by_hand_go_before_those_of_the_function() -> None:
    network = mlp(3, (4,), 2)
    params = network.init(jax.random.key(0))
    said = dataclasses.replace(network.symmetry, roles={"out/kernel": (M, M)})
    assert roles_of(said, params)["out/kernel"] == (M, M)
    assert roles_of(said, params)["hidden_0/kernel"] == (R, M)


def test_without_a_function_roles_are_those_that_were_said() -> None:
    params = {"a": np.ones((2, 3)), "b": np.ones(3)}
    axes = {"a": Axes(None, "h"), "b": Axes("h")}
    symmetry = Symmetry.of(axes, params, roles={"a": [R, M]})
    assert roles_of(symmetry, params) == {"a": (R, M), "b": (None,)}
    held = symmetry.within({"mean": axes, "square": axes}, ["mean", "square"])
    assert held.roles == {"mean/a": (R, M), "square/a": (R, M)}


def test_roles_are_no_part_of_what_a_symmetry_is() -> None:
    params = {"a": np.ones((2, 3))}
    axes = {"a": Axes(None, "h")}
    said = Symmetry.of(axes, params, roles={"a": (R, M)})
    assert said == Symmetry.of(axes, params)
    assert hash(said) == hash(Symmetry.of(axes, params))


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"kernels": (R, M)}, r"must name leaves of the params, as 'kernel'\. Got 'kernels'"),
        ({"kernel": (M,)}, r"of every axis of its array\. Got \('makes',\) for kernel of shape"),
    ],
)
def test_roles_that_do_not_fit_are_refused(roles, message: str) -> None:
    params = {"kernel": np.ones((2, 3))}
    with pytest.raises(ValueError, match=message):
        Symmetry.of({"kernel": Axes(None, "h")}, params, roles=roles)


def test_params_in_another_precision_have_the_same_roles() -> None:
    network = mlp(3, (4,), 2)
    params = jax.tree.map(np.float64, network.init(jax.random.key(0)))
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        fresh = dataclasses.replace(
            network.symmetry,
            function=Function(network.apply, (jax.ShapeDtypeStruct((2, 3), "float32"),)),
        )
        assert roles_of(fresh, params)["out/kernel"] == (R, M)
    assert _trees.named_leaves(params).keys() == roles_of(fresh, params).keys()
