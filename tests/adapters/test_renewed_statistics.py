"""recalibrate and batch_apply of every adapter: what its library computes itself in training."""

import copy
from functools import cache
from importlib.util import find_spec
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)
pytest.importorskip("flax")
hk = pytest.importorskip("haiku")

from flax import linen, nnx
from torch import nn
from torch.nn import functional

import onebasin as ob
from onebasin._collections import map_statistics

INPUTS = (20 + 50 * np.random.default_rng(0).normal(size=(6, 5))).astype(np.float32)
OTHERS = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
IMAGES = np.random.default_rng(2).normal(2, 3, size=(4, 3, 5, 5)).astype(np.float32)


class Case:
    """A module's function and params, and its own outputs in training and in evaluation after."""

    def __init__(self, adapted: Any, training: Any, evaluation: Any, inputs: Any = INPUTS):
        self.apply, self.params = adapted
        self.training, self.evaluation, self.inputs = training, evaluation, inputs


def of_torch(module: Any, inputs: np.ndarray) -> Case:
    """A momentum of 1 keeps the last batch alone; one pass calls each norm once."""
    tensor, others = torch.tensor(inputs), torch.tensor(inputs[:3] * 2)
    adapted = ob.from_torch(module.eval(), tensor)
    trained = copy.deepcopy(module)
    for part in trained.modules():
        if isinstance(part, nn.modules.batchnorm._NormBase):
            part.momentum = 1.0
            part.train()
    with torch.no_grad():
        outputs = trained(tensor).numpy()
        return Case(adapted, outputs, trained.eval()(others).numpy(), inputs)


class NormAndActivation(nn.BatchNorm1d):
    """A norm that calls PyTorch's function itself, as timm's do, with an activation behind it."""

    def forward(self, x):
        kept = self.running_mean, self.running_var
        return functional.batch_norm(x, *kept, self.weight, self.bias, self.training,
                                     self.momentum, self.eps).relu()  # fmt: skip


def torch_dense() -> Case:
    torch.manual_seed(0)
    return of_torch(
        nn.Sequential(
            nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(4, 3, bias=False), NormAndActivation(3), nn.Linear(3, 2),
        ),
        INPUTS,
    )  # fmt: skip


def torch_images() -> Case:
    torch.manual_seed(0)
    return of_torch(
        nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.Tanh(),
            nn.InstanceNorm2d(4, affine=True, track_running_stats=True), nn.Flatten(),
            nn.Linear(36, 2),
        ),
        IMAGES,
    )  # fmt: skip


class Nnx(nnx.Module):
    """A mode that is handed to one norm and kept by the other."""

    def __init__(self, rngs):
        self.first, self.second = nnx.Linear(5, 4, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)
        self.norm1 = nnx.BatchNorm(4, momentum=0.0, rngs=rngs)
        self.norm2 = nnx.BatchNorm(2, momentum=0.0, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, train):
        x = self.dropout(jax.nn.relu(self.norm1(self.first(x), use_running_average=not train)))
        return self.norm2(self.second(x))


def nnx_dense() -> Case:
    module = Nnx(nnx.Rngs(0))
    module.eval()
    adapted = ob.from_flax(module, train=False)
    module.norm2.use_running_average = False
    outputs = module(INPUTS, train=True)
    module.eval()
    return Case(adapted, outputs, module(INPUTS[:3] * 2, train=False))


class Linen(linen.Module):
    """A norm that is checkpointed, one whose mode is handed over, and dropout."""

    @linen.compact
    def __call__(self, x, train, drops=False):
        checkpointed = linen.remat(linen.BatchNorm)
        x = checkpointed(use_running_average=not train, momentum=0.0)(linen.Dense(4)(x))
        x = linen.Dropout(0.5, deterministic=not drops)(linen.relu(x))
        return linen.BatchNorm(momentum=0.0)(linen.Dense(2)(x), use_running_average=not train)


def linen_dense() -> Case:
    variables = Linen().init(jax.random.key(0), INPUTS, train=False)
    adapted = ob.from_flax(Linen(), variables, train=False)
    outputs, kept = Linen().apply(variables, INPUTS, train=True, mutable=["batch_stats"])
    after = Linen().apply({**variables, **kept}, INPUTS[:3] * 2, train=False)
    return Case(adapted, outputs, after)


def haiku_dense() -> Case:
    def network(x, is_training):
        x = hk.BatchNorm(True, True, 0.9, name="first")(hk.Linear(4)(x), is_training)
        x = hk.Linear(2)(jax.nn.relu(x))
        return hk.BatchNorm(False, False, 0.5, name="last")(x, is_training=is_training)

    transformed = hk.transform_with_state(network)
    weights, fresh = transformed.init(jax.random.key(0), INPUTS, is_training=True)
    # What has been kept so far has no part in what a batch says.
    _, used = transformed.apply(weights, fresh, None, 3 * INPUTS, is_training=True)
    adapted = ob.from_haiku(transformed, weights, used, is_training=False)
    outputs, kept = transformed.apply(weights, fresh, None, INPUTS, is_training=True)
    after, _ = transformed.apply(weights, kept, None, INPUTS[:3] * 2, is_training=False)
    return Case(adapted, outputs, after)


class Equinox(eqx.Module):
    """A norm of either mode, and dropout."""

    layers: list[eqx.nn.Linear]
    norms: list[eqx.nn.BatchNorm]
    dropout: eqx.nn.Dropout

    def __init__(self, rate, momentum=0.99):
        keys = jax.random.split(jax.random.key(0))
        sizes = zip((5, 4), (4, 2), keys, strict=True)
        self.layers = [eqx.nn.Linear(a, b, key=key) for a, b, key in sizes]
        modes = zip((4, 2), ("ema", "batch"), strict=True)
        self.norms = [
            eqx.nn.BatchNorm(size, "batch", momentum=momentum, mode=mode) for size, mode in modes
        ]
        self.dropout = eqx.nn.Dropout(rate)

    def __call__(self, x, state):
        x, state = self.norms[0](self.layers[0](x), state)
        x, state = self.norms[1](self.layers[1](self.dropout(jax.nn.relu(x))), state)
        return x, state


def equinox_dense() -> Case:
    # Without a momentum Equinox keeps the last batch alone, and not the ones it begins with.
    module, fresh = eqx.nn.make_with_state(Equinox)(0.0, momentum=0.0)
    dropping, begun = eqx.nn.make_with_state(Equinox)(0.5)
    mapped = lambda module, x, state: jax.vmap(
        module, in_axes=(0, None), out_axes=(0, None), axis_name="batch"
    )(x, state)
    still = eqx.tree_at(lambda m: m.dropout.p, dropping, 0.0)
    _, used = mapped(still, 3 * INPUTS, mapped(still, INPUTS, begun)[1])
    adapted = ob.from_equinox(eqx.nn.inference_mode(dropping), used)
    outputs, kept = mapped(module, INPUTS, fresh)
    after, _ = mapped(eqx.nn.inference_mode(module), INPUTS[:3] * 2, kept)
    return Case(adapted, outputs, after)


CASES = {
    "torch": torch_dense, "torch, images": torch_images, "nnx": nnx_dense, "linen": linen_dense,
    "haiku": haiku_dense, "equinox": equinox_dense,
}  # fmt: skip
every_case = pytest.mark.parametrize("name", CASES)


@cache
def case_of(name: str) -> Case:
    return CASES[name]()


def assert_close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@every_case
def test_a_batch_is_normalized_as_in_training_whatever_the_statistics(name) -> None:
    case = case_of(name)
    nothing = map_statistics(lambda leaf: jnp.full_like(leaf, jnp.nan), case.params)
    for compute in (case.apply.batch_apply, jax.jit(case.apply.batch_apply)):
        assert_close(compute(nothing, case.inputs), case.training)
    assert np.abs(case.apply(case.params, case.inputs) - case.training).max() > 1e-2


@every_case
def test_renewed_statistics_are_those_that_the_library_keeps_of_a_batch(name) -> None:
    case = case_of(name)
    nothing = map_statistics(lambda leaf: jnp.full_like(leaf, jnp.nan), case.params)
    for renew in (case.apply.recalibrate, jax.jit(case.apply.recalibrate)):
        params = renew(nothing, case.inputs)
        assert jax.tree.structure(params) == jax.tree.structure(case.params)
        jax.tree.map(np.testing.assert_array_equal, params["weights"], case.params["weights"])
        assert_close(case.apply(params, case.inputs[:3] * 2), case.evaluation)


@every_case
def test_many_networks_are_renewed_at_once(name) -> None:
    case = case_of(name)
    doubled = lambda leaf: jnp.stack([leaf, 2 * leaf])
    many = jax.tree.map(doubled, case.params)
    found = jax.vmap(case.apply.recalibrate, (0, None))(many, case.inputs)
    outputs = jax.vmap(case.apply.batch_apply, (0, None))(many, case.inputs)
    one = jax.tree.map(lambda leaf: leaf[1], many)
    expected = case.apply.recalibrate(one, case.inputs)
    jax.tree.map(lambda a, b: assert_close(a[1], b), found["statistics"], expected["statistics"])
    assert_close(outputs[1], case.apply.batch_apply(one, case.inputs))


def test_a_norm_that_is_called_twice_keeps_the_mean_of_both_batches() -> None:
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.norm = nn.Linear(5, 5), nn.BatchNorm1d(5, momentum=None)

        def forward(self, x):
            return self.norm(self.layer(self.norm(x)))

    torch.manual_seed(0)
    module = Twice().eval()
    apply, params = ob.from_torch(module, torch.tensor(INPUTS))
    found = apply.recalibrate(params, INPUTS)["statistics"]
    module.train()(torch.tensor(INPUTS))
    assert_close(found["norm.running_mean"], module.norm.running_mean.numpy())
    assert_close(found["norm.running_var"], module.norm.running_var.numpy())


def test_modules_without_statistics_have_nothing_to_renew() -> None:
    layer = eqx.nn.Linear(5, 2, key=jax.random.key(0))
    for apply, params in (
        ob.from_torch(nn.Linear(5, 2), torch.tensor(INPUTS)),
        ob.from_torch(nn.BatchNorm1d(5, track_running_stats=False), torch.tensor(INPUTS)),
        ob.from_equinox(layer),
        ob.from_flax(nnx.Linear(5, 2, rngs=nnx.Rngs(0))),
        ob.from_flax(linen.Dense(2), linen.Dense(2).init(jax.random.key(0), INPUTS)),
    ):
        assert apply.recalibrate is None
        assert apply.batch_apply is None
        assert "statistics" not in params if isinstance(params, dict) else True


def test_statistics_over_two_axes_are_refused_where_one_is_mapped() -> None:
    module, state = eqx.nn.make_with_state(Equinox)(0.0)
    module = eqx.tree_at(lambda m: m.norms[1].axis_name, module, "other")
    apply, params = ob.from_equinox(eqx.nn.inference_mode(module), state)
    apply(params, INPUTS)
    with pytest.raises(ValueError, match=r"must name one axis.*Got batch, other.*batched=False"):
        apply.recalibrate(params, INPUTS)


def test_posteriors_train_and_predict_with_the_statistics_of_a_module(key) -> None:
    case = case_of("torch")
    apply, params = case.apply, case.params
    symmetry = ob.find_symmetry(apply, params, INPUTS)
    network = ob.Network(
        lambda key: params, apply, None, symmetry, apply.batch_apply, apply.recalibrate
    )

    class Data:
        inputs, targets = INPUTS, np.arange(len(INPUTS)) % 2

    posterior = ob.posterior(network, Data(), prior_std={"weight": 1.0, "bias": 0.1})
    spoilt = map_statistics(lambda leaf: -1e6 * np.ones_like(leaf), params)
    likelihoods = [
        posterior.log_likelihood(p, INPUTS, jnp.asarray(Data.targets)) for p in (params, spoilt)
    ]
    np.testing.assert_array_equal(*likelihoods)
    two = jax.tree.map(lambda *leaves: np.stack(leaves), params, spoilt)
    probs = ob.predict(posterior, two, OTHERS).draw_probs
    np.testing.assert_allclose(probs[0], probs[1], atol=1e-6)
    assert np.isfinite(probs).all()
