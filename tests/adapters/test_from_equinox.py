"""from_equinox: what its networks compute, their symmetry, and what is refused."""

from collections import Counter

import equinox as eqx
import jax
import numpy as np
import pytest
import trials

import onebasin as ob
from onebasin import from_equinox


class Attention(eqx.Module):
    """Attention with a shortcut, and a perceptron over the mean of all places."""

    attention: eqx.nn.MultiheadAttention
    perceptron: eqx.nn.MLP

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.attention = eqx.nn.MultiheadAttention(3, 6, output_size=6, key=first)
        self.perceptron = eqx.nn.MLP(6, 2, 8, 2, key=second)

    def __call__(self, x):
        return self.perceptron((x + self.attention(x, x, x)).mean(0))


class ConvNet(eqx.Module):
    """A convolution with BatchNorm and dropout, flattened, two dense layers."""

    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    dropout: eqx.nn.Dropout
    dense: list[eqx.nn.Linear]

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.conv = eqx.nn.Conv2d(3, 5, 3, padding=1, key=keys[0])
        self.norm = eqx.nn.BatchNorm(5, "batch", mode="ema")
        self.dropout = eqx.nn.Dropout(0.5)
        self.dense = [
            eqx.nn.Linear(5 * 16, 7, key=keys[1]),
            eqx.nn.Linear(7, 2, key=keys[2]),
        ]

    def __call__(self, x, state):
        x, state = self.norm(self.conv(x), state)
        x = self.dropout(jax.nn.relu(x)).ravel()
        return self.dense[1](jax.nn.relu(self.dense[0](x))), state


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)


@pytest.fixture
def convnet(key):
    """A network with random statistics, in inference mode, and its state."""
    module, state = eqx.nn.make_with_state(ConvNet)(key)
    arrays, rest = eqx.partition(state, eqx.is_inexact_array)
    state = eqx.combine(jax.tree.map(lambda x: abs(x) + 0.5, trials.randomized(arrays)), rest)
    return eqx.nn.inference_mode(module), state


def test_a_network_without_state_is_mapped_over_a_batch(key):
    module = Attention(key)
    inputs = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
    apply, params = from_equinox(module)
    np.testing.assert_allclose(apply(params, inputs), jax.vmap(module)(inputs), rtol=1e-6)

    symmetry = ob.find_symmetry(apply, params, inputs)
    # Heads, and within each the dimensions of queries with keys and those of values.
    heads = Counter({(3, ()): 1, (2, (3,)): 2})
    assert trials.groups(symmetry) == trials.alone(8, 8) + heads
    trials.assert_proved(symmetry, apply, params, inputs)
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    assert trials.unmoved(params, moved) == {"perceptron/layers/2/bias"}


def test_statistics_move_with_their_units(convnet, images, key):
    module, state = convnet
    apply, params = from_equinox(module, state)
    expected = jax.vmap(lambda x: module(x, state)[0])(images)
    np.testing.assert_allclose(apply(params, images), expected, rtol=1e-6)

    params["weights"] = trials.randomized(params["weights"])
    symmetry = ob.find_symmetry(apply, params, images)
    assert trials.groups(symmetry) == trials.alone(5, 7)
    trials.assert_proved(symmetry, apply, params, images)
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    assert trials.unmoved(params, moved) == {"weights/module/dense/1/bias"}
    assert len(jax.tree.leaves(params["statistics"])) == 2


def test_one_example_needs_no_batch(convnet, images):
    apply, params = from_equinox(*convnet, batched=False)
    whole, _ = from_equinox(*convnet)
    np.testing.assert_allclose(apply(params, images[0]), whole(params, images)[0], rtol=1e-5)
    with pytest.raises(ValueError, match="Input to `Conv` needs to have rank 3"):
        apply(params, images)


def test_training_mode_is_refused_with_the_parts_named(convnet):
    module, state = convnet
    training = eqx.nn.inference_mode(module, value=False)
    words = r"norm \(BatchNorm\), dropout \(Dropout\) in training.*inference_mode\(module\)"
    with pytest.raises(ValueError, match=words):
        from_equinox(training, state)


def test_a_missing_state_is_asked_for(convnet):
    with pytest.raises(ValueError, match="make_with_state"):
        from_equinox(convnet[0])


@pytest.mark.parametrize("thing", [jax.nn.relu, {"weight": np.ones(3)}], ids=["function", "dict"])
def test_what_is_no_module_is_refused(thing):
    with pytest.raises(TypeError, match=r"takes an eqx\.Module"):
        from_equinox(thing)


class ComplexNet(eqx.Module):
    """Two complex layers, of which the size is put out."""

    layers: list

    def __init__(self, key):
        one, two = jax.random.split(key)
        linear = lambda *sizes, key: eqx.nn.Linear(*sizes, dtype="complex64", key=key)
        self.layers = [linear(3, 6, key=one), linear(6, 2, key=two)]

    def __call__(self, x):
        h = self.layers[0](x)
        return abs(self.layers[1](h * jax.nn.sigmoid(abs(h))))


def test_complex_weights_are_params(key):
    apply, params = from_equinox(ComplexNet(key))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {"complex64"}
    rows = np.ones((4, 3), np.float32)
    symmetry = ob.find_symmetry(apply, params, rows)
    assert trials.groups(symmetry) == trials.alone(6)
    trials.assert_proved(symmetry, apply, params, rows)
