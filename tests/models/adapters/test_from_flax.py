"""from_flax: NNX and Linen with BatchNorm and dropout, their symmetry, and what is refused."""

import jax
import numpy as np
import pytest

pytest.importorskip("flax")

import trials
from flax import linen, nnx

import onebasin as ob
from onebasin import from_flax

IMAGES = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)


class NnxNet(nnx.Module):
    """A convolution with BatchNorm, flattened, dropout, two dense layers."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 5, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(5, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.dense = nnx.List([nnx.Linear(5 * 16, 7, rngs=rngs), nnx.Linear(7, 2, rngs=rngs)])

    def __call__(self, x, scale=1.0):
        x = jax.nn.relu(self.norm(self.conv(x)))
        x = self.dropout(x.reshape(len(x), -1))
        return scale * self.dense[1](jax.nn.relu(self.dense[0](x)))


class LinenNet(linen.Module):
    """The same in Linen."""

    @linen.compact
    def __call__(self, x, train):
        x = linen.BatchNorm(use_running_average=not train)(linen.Conv(5, (3, 3))(x))
        x = linen.relu(x).reshape(len(x), -1)
        x = linen.Dropout(0.5, deterministic=not train)(x)
        x = linen.relu(linen.Dense(7)(x))
        return linen.Dense(2)(x)

    def doubled(self, x):
        return 2 * self(x, train=False)


@pytest.fixture
def module():
    return NnxNet(nnx.Rngs(0))


@pytest.fixture
def variables(key):
    return LinenNet().init(key, IMAGES, train=False)


def test_an_nnx_module_in_evaluation_mode(module, key):
    module.eval()
    apply, params = from_flax(module)
    np.testing.assert_allclose(jax.jit(apply)(params, IMAGES), module(IMAGES), rtol=1e-5)

    params = trials.randomized(params)
    symmetry = ob.find_symmetry(apply, params, IMAGES)
    assert trials.groups(symmetry) == trials.alone(5, 7)
    trials.assert_proved(symmetry, apply, params, IMAGES)
    moved = ob.permute(symmetry, ob.random_permutation(key, symmetry), params)
    assert trials.unmoved(params, moved) == {"dense/1/bias"}
    assert set(params["norm"]) == {"mean", "var", "scale", "bias"}


def test_a_linen_module_with_its_variables(variables, key):
    apply, params = from_flax(LinenNet(), variables, train=False)
    expected = LinenNet().apply(variables, IMAGES, train=False)
    np.testing.assert_allclose(apply(params, IMAGES), expected, rtol=1e-6)

    params = trials.randomized(params)
    symmetry = ob.find_symmetry(apply, params, IMAGES)
    assert trials.groups(symmetry) == trials.alone(5, 7)
    trials.assert_proved(symmetry, apply, params, IMAGES)
    moved = ob.permute(symmetry, ob.random_permutation(key, symmetry), params)
    assert trials.unmoved(params, moved) == {"params/Dense_1/bias"}
    assert set(params["batch_stats"]["BatchNorm_0"]) == {"mean", "var"}


def test_keywords_are_handed_to_the_call_and_name_the_method(module, variables):
    module.eval()
    apply, params = from_flax(module, scale=3.0)
    np.testing.assert_allclose(apply(params, IMAGES), 3 * module(IMAGES), rtol=1e-5)
    apply, params = from_flax(LinenNet(), variables, method="doubled")
    expected = LinenNet().apply(variables, IMAGES, train=False)
    np.testing.assert_allclose(apply(params, IMAGES), 2 * expected, rtol=1e-6)


def test_an_nnx_module_in_training_mode_is_refused_when_it_is_called(module):
    apply, params = from_flax(module)
    words = r"writes to dropout/rngs/count, norm/mean, norm/var\. Call module\.eval\(\)"
    with pytest.raises(ValueError, match=words):
        ob.find_symmetry(apply, params, IMAGES)


def test_a_linen_module_in_training_mode_is_refused_when_it_is_called(variables):
    apply, params = from_flax(LinenNet(), variables, train=True)
    with pytest.raises(ValueError, match=r"as in evaluation.*immutable.*train=False"):
        apply(params, IMAGES)


def test_dropout_in_training_is_refused_when_it_is_called(key):
    module = linen.Dropout(0.5, deterministic=False)
    apply, params = from_flax(module, {"params": {}})
    with pytest.raises(ValueError, match=r"as in evaluation.*PRNG"):
        apply(params, IMAGES)


def test_variables_are_asked_for_by_linen_and_refused_by_nnx(module, variables):
    with pytest.raises(ValueError, match=r"Linen.*module\.init\(key, inputs\)"):
        from_flax(LinenNet())
    with pytest.raises(ValueError, match="NNX module holds its own arrays"):
        from_flax(module, variables)


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"nnx\.Module or a linen\.Module\. Got dict"):
        from_flax({})
