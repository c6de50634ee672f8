"""from_flax: NNX and Linen with BatchNorm and dropout, their symmetry, and what is refused."""

from collections.abc import Callable

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
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    assert trials.unmoved(params, moved) == {"weights/dense/1/bias"}
    assert set(params["weights"]["norm"]) == {"scale", "bias"}
    assert set(params["statistics"]["norm"]) == {"mean", "var"}


def test_a_linen_module_with_its_variables(variables, key):
    apply, params = from_flax(LinenNet(), variables, train=False)
    expected = LinenNet().apply(variables, IMAGES, train=False)
    np.testing.assert_allclose(apply(params, IMAGES), expected, rtol=1e-6)

    params = trials.randomized(params)
    symmetry = ob.find_symmetry(apply, params, IMAGES)
    assert trials.groups(symmetry) == trials.alone(5, 7)
    trials.assert_proved(symmetry, apply, params, IMAGES)
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    assert trials.unmoved(params, moved) == {"weights/params/Dense_1/bias"}
    assert set(params["statistics"]["batch_stats"]["BatchNorm_0"]) == {"mean", "var"}


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


class NnxRecurrent(nnx.Module):
    """A recurrent layer, whose zeros to begin with are asked for with a random key, and a head."""

    def __init__(self, layer, width, rngs, rate=0.5):
        self.layer, self.head = layer, nnx.Linear(width, 2, rngs=rngs)
        self.dropout = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x):
        return self.head(self.dropout(self.layer(x)))


SEQUENCE = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
CELLS = ["LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"]


def recurrent(cell, width, rngs):
    return nnx.RNN(getattr(nnx, cell)(3, width, rngs=rngs), rngs=rngs)


def assert_units_move_and_flip(apply, params, *sizes):
    """All units of recurrent layers are found, with a sign each, and keep what is computed."""
    symmetry = ob.find_symmetry(apply, params, SEQUENCE)
    assert trials.groups(symmetry) == trials.alone(*sizes)
    assert sorted(sign.group for sign in symmetry.signs.values()) == sorted(symmetry.sizes)
    params = trials.randomized(params)
    moved = ob.permute(
        params, symmetry, ob.symmetry.random_permutation(symmetry, key=jax.random.key(4))
    )
    found, expected = (jax.jit(apply)(one, SEQUENCE) for one in (moved, params))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_nnx_recurrent_layers_may_count_the_keys_of_their_zeros(cell):
    rngs = nnx.Rngs(0)
    module = NnxRecurrent(recurrent(cell, 5, rngs), 5, rngs)
    module.eval()
    apply, params = from_flax(module)
    expected = module(SEQUENCE)
    np.testing.assert_allclose(apply(params, SEQUENCE), expected, rtol=1e-5)
    mapped = jax.vmap(apply, (0, None))(jax.tree.map(lambda x: np.stack([x, x]), params), SEQUENCE)
    np.testing.assert_allclose(mapped[1], expected, rtol=1e-5, atol=1e-6)
    assert_units_move_and_flip(apply, params, 5)


def test_nnx_recurrent_layers_in_both_directions():
    rngs = nnx.Rngs(0)
    both = recurrent("LSTMCell", 5, rngs), recurrent("GRUCell", 4, rngs)
    module = NnxRecurrent(nnx.Bidirectional(*both, rngs=rngs), 9, rngs, rate=0.0)
    assert_units_move_and_flip(*from_flax(module), 5, 4)


def test_dropout_beside_a_recurrent_layer_is_named_alone():
    rngs = nnx.Rngs(0)
    apply, params = from_flax(NnxRecurrent(recurrent("GRUCell", 5, rngs), 5, rngs))
    with pytest.raises(ValueError, match=r"writes to dropout/rngs/count\. Call module\.eval\(\)"):
        apply(params, SEQUENCE)


class NoisyStart(NnxRecurrent):
    """A state that begins with random numbers, in evaluation too."""

    def __init__(self, layer, width, rngs):
        super().__init__(layer, width, rngs)
        self.rngs = rngs.fork()

    def __call__(self, x):
        start = jax.random.normal(self.rngs.noise(), (len(x), 5))
        return self.head(self.layer(x, initial_carry=start))


def test_nnx_states_that_begin_at_random_are_refused():
    rngs = nnx.Rngs(0)
    module = NoisyStart(recurrent("GRUCell", 5, rngs), 5, rngs)
    module.eval()
    apply, params = from_flax(module)
    words = r"writes to rngs/\w+/count\..*Take out what draws random numbers"
    with pytest.raises(ValueError, match=words):
        ob.find_symmetry(apply, params, SEQUENCE)


class LinenRecurrent(linen.Module):
    """Recurrent layers, which are handed over as functions that make them, and a head."""

    layer: Callable

    @linen.compact
    def __call__(self, x):
        return linen.Dense(2)(self.layer()(x))


LINEN = {cell: (lambda cell=cell: linen.RNN(getattr(linen, cell)(5)), (5,)) for cell in CELLS}
LINEN["both directions"] = (
    lambda: linen.Bidirectional(linen.RNN(linen.LSTMCell(5)), linen.RNN(linen.GRUCell(4))),
    (5, 4),
)


@pytest.mark.parametrize("name", LINEN)
def test_linen_recurrent_layers(name, key):
    make, sizes = LINEN[name]
    module = LinenRecurrent(make)
    assert_units_move_and_flip(*from_flax(module, module.init(key, SEQUENCE)), *sizes)


def test_variables_are_asked_for_by_linen_and_refused_by_nnx(module, variables):
    with pytest.raises(ValueError, match=r"Linen.*module\.init\(key, inputs\)"):
        from_flax(LinenNet())
    with pytest.raises(ValueError, match="NNX module holds its own arrays"):
        from_flax(module, variables)


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"nnx\.Module or a linen\.Module\. Got dict"):
        from_flax({})
