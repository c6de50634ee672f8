"""Networks of modules of other libraries: from the module to aligned, pruned and averaged draws."""

from importlib.util import find_spec
from types import SimpleNamespace
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

from flax import linen, nnx
from torch import nn

import onebasin as ob
from onebasin._collections import statistics_in
from onebasin.alignment import activation_matching

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).normal(size=(12, 1, 6, 6)).astype(np.float32)
ROWS = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
TRAIN = SimpleNamespace(inputs=IMAGES, targets=np.arange(12) % 3)


def cnn() -> Any:
    """Two convolutions, the first of them behind BatchNorm."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip
    module(2 * torch.from_numpy(IMAGES) + 1)  # statistics, and a count of batches
    return module.eval()


def test_a_torch_module_with_batch_norm_goes_from_its_function_to_pruned_draws(key) -> None:
    module = cnn()
    network = ob.network(*ob.from_torch(module, torch.from_numpy(IMAGES)), IMAGES)
    assert network.symmetry.sizes == {"0": 4, "3": 5}
    assert network.is_homogeneous
    posterior = ob.posterior(network, TRAIN)
    method = ob.hmc(posterior.logdensity, num_steps=3, num_warmup=5)
    samples = ob.sample(method, ob.methods.inits(posterior.init, 2, key=key), num_draws=4, key=key)
    matching = activation_matching(lambda params: network.activations(params, IMAGES))
    alignment = ob.align(samples, posterior.symmetry, matching)
    aligned = alignment.apply(samples)
    assert ob.weight_table(alignment, samples).sizes["weight"] == 296
    probs = [ob.predict(posterior, one.flatten(), IMAGES).probs for one in (samples, aligned)]
    np.testing.assert_allclose(probs[0], probs[1], atol=1e-5)
    fractions = np.array([0.0, 0.5, 1.0])
    ends = aligned.draw(0, 3), aligned.draw(1, 3)
    between = ob.prediction.line(*ends, fractions)
    log_probs = ob.predict(posterior, between, IMAGES).draw_log_probs
    losses = -log_probs[:, np.arange(12), TRAIN.targets].mean(axis=1)
    assert np.isfinite(ob.prediction.midpoint_barrier(losses, fractions))
    pruned = ob.pruning.conditional_copies(posterior, samples.draw(0, 0), [0.5], key=key)
    assert sum(int((leaf != 0).sum()) for leaf in jax.tree.leaves(pruned["weights"])) == 148


def test_a_state_dict_of_arrays_stands_for_the_params(key) -> None:
    module = cnn()
    apply, params = ob.from_torch(module, torch.from_numpy(IMAGES))
    arrays = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    assert "1.num_batches_tracked" in arrays
    network = ob.network(apply, arrays, IMAGES)
    assert network.batch_apply is apply.batch_apply
    assert network.recalibrate is apply.recalibrate
    drawn = network.init(key)
    assert jax.tree.structure(drawn) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, drawn["statistics"], params["statistics"])
    assert statistics_in(drawn) == statistics_in(params)


def test_activations_of_a_torch_module_are_what_pytorch_computes() -> None:
    module = cnn()
    network = ob.network(*ob.from_torch(module, torch.from_numpy(IMAGES)), IMAGES)
    params = ob.from_torch(module, torch.from_numpy(IMAGES))[1]
    found = network.activations(params, IMAGES)
    with torch.no_grad():
        hidden = module[:5](torch.from_numpy(IMAGES)).numpy()
        normed = module[0](torch.from_numpy(IMAGES)).numpy()
    np.testing.assert_allclose(found["3"], hidden.transpose(0, 2, 3, 1).reshape(-1, 5), atol=1e-5)
    # Behind the norm channels no longer flip with their sign, so that its own input is taken,
    # normalized: every channel minus one number and times another.
    expected = normed.transpose(0, 2, 3, 1).reshape(-1, 4)
    for channel in range(4):
        pair = np.asarray(found["0"])[:, channel], expected[:, channel]
        np.testing.assert_allclose(np.corrcoef(*pair)[0, 1], 1, atol=1e-5)


def linen_network() -> ob.Network:
    class Perceptron(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            return linen.Dense(3)(jnp.tanh(linen.Dense(4)(x)))

    module = Perceptron()
    return ob.network(*ob.from_flax(module, module.init(jax.random.key(0), ROWS)), ROWS)


def nnx_network() -> ob.Network:
    rngs = nnx.Rngs(0)
    module = nnx.Sequential(nnx.Linear(5, 4, rngs=rngs), jnp.tanh, nnx.Linear(4, 3, rngs=rngs))
    return ob.network(*ob.from_flax(module), ROWS)


def equinox_network() -> ob.Network:
    module = eqx.nn.MLP(5, 3, 4, 1, jnp.tanh, key=jax.random.key(0))
    return ob.network(*ob.from_equinox(module), ROWS)


@pytest.mark.parametrize("make", [linen_network, nnx_network, equinox_network])
def test_flax_and_equinox_modules_have_posteriors_and_activations(make, key) -> None:
    network = make()
    ((group, size),) = network.symmetry.sizes.items()
    assert size == 4
    assert len(network.symmetry.signs) == 1
    posterior = ob.posterior(network, SimpleNamespace(inputs=ROWS, targets=TRAIN.targets))
    params = posterior.init(key)
    assert np.isfinite(posterior.logdensity(params))
    planted = ob.symmetry.random_permutation(network.symmetry, 1, 3, key=key)
    copies = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (1, 3, *leaf.shape)), params)
    samples = ob.Samples(ob.permute(copies, network.symmetry, planted))
    matching = activation_matching(lambda params: network.activations(params, ROWS))
    std = ob.align(samples, network.symmetry, matching).apply(samples).std()
    assert max(leaf.max() for leaf in jax.tree.leaves(std)) < 1e-6
    assert network.activations(params, ROWS)[group].shape == (12, 4)
