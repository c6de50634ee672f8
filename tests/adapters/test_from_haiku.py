"""from_haiku: with BatchNorm and without, the symmetry, and what is refused."""

import jax
import numpy as np
import pytest

hk = pytest.importorskip("haiku")

import trials

import onebasin as ob
from onebasin import from_haiku

IMAGES = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)


def convnet(x, is_training=False):
    x = hk.BatchNorm(True, True, 0.9)(hk.Conv2D(5, 3)(x), is_training)
    return hk.nets.MLP([7, 2])(jax.nn.relu(x).reshape(len(x), -1))


def perceptron(x):
    return hk.nets.MLP([7, 2])(x.reshape(len(x), -1))


def test_statistics_move_with_their_units(key):
    transformed = hk.transform_with_state(convnet)
    weights, state = transformed.init(key, IMAGES, is_training=True)
    _, state = transformed.apply(weights, state, None, IMAGES, is_training=True)
    apply, params = from_haiku(transformed, weights, state, is_training=False)
    expected, _ = transformed.apply(weights, state, None, IMAGES)
    np.testing.assert_allclose(apply(params, IMAGES), expected, rtol=1e-6)

    params = trials.randomized(params)
    symmetry = ob.find_symmetry(apply, params, IMAGES)
    assert trials.groups(symmetry) == trials.alone(5, 7)
    trials.assert_proved(symmetry, apply, params, IMAGES)
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    assert trials.unmoved(params, moved) == {"weights/params/mlp/~/linear_1/b"}
    # What has not been divided by how much of it counts is never used, and no params.
    averages = {f"batch_norm/~/{name}_ema": {"average"} for name in ("mean", "var")}
    assert {k: set(v) for k, v in params["statistics"]["state"].items()} == averages


@pytest.mark.parametrize("leave_out", [lambda f: f, hk.without_apply_rng], ids=["key", "no key"])
def test_a_function_without_state_with_or_without_a_key(leave_out, key):
    transformed = leave_out(hk.transform(perceptron))
    weights = transformed.init(key, IMAGES)
    apply, params = from_haiku(transformed, weights)
    symmetry = ob.find_symmetry(apply, params, IMAGES)
    assert trials.groups(symmetry) == trials.alone(7)
    trials.assert_proved(symmetry, apply, params, IMAGES)


def test_a_call_as_in_training_is_refused(key):
    transformed = hk.transform_with_state(convnet)
    weights, state = transformed.init(key, IMAGES, is_training=True)
    apply, params = from_haiku(transformed, weights, state, is_training=True)
    with pytest.raises(ValueError, match=r"writes to batch_norm/.*is_training=False"):
        apply(params, IMAGES)


def test_a_state_is_asked_for_where_there_is_one_and_only_there(key):
    with pytest.raises(ValueError, match="Got none. Pass what init gave"):
        from_haiku(hk.transform_with_state(convnet), {})
    with pytest.raises(ValueError, match="Got one"):
        from_haiku(hk.transform(perceptron), {}, {})


def test_what_is_not_transformed_is_refused():
    with pytest.raises(TypeError, match=r"hk\.transform.*Got function"):
        from_haiku(perceptron, {})


@pytest.mark.parametrize("unroll", [hk.static_unroll, hk.dynamic_unroll])
def test_units_of_a_recurrent_core_move_and_flip(unroll, key):
    def network(x):
        core = hk.LSTM(5)
        outputs, _ = unroll(core, x, core.initial_state(x.shape[1]))
        return hk.Linear(2)(outputs)

    x = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)
    transformed = hk.transform(network)
    apply, params = from_haiku(transformed, transformed.init(key, x))
    symmetry = ob.find_symmetry(apply, params, x)
    assert trials.groups(symmetry) == trials.alone(5)
    assert len(symmetry.signs) == 1
    params = trials.randomized(params)
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    np.testing.assert_allclose(apply(moved, x), apply(params, x), rtol=1e-4, atol=1e-5)
