"""Fisher importance: the closed form of a linear model, and its fit to weight matching."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import strategies

from onebasin.alignment import align, weight_matching
from onebasin.fisher import fisher_importance
from onebasin.networks import mlp, posterior


class Train(NamedTuple):
    inputs: np.ndarray
    targets: np.ndarray


def make_posterior(hidden, **options):
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((30, 3)).astype(np.float32)
    train = Train(inputs, rng.standard_normal(30).astype(np.float32))
    return posterior(mlp(3, hidden, 1), train, likelihood="gaussian", **options)


def test_of_a_linear_model_it_is_the_mean_squared_residual_times_input() -> None:
    model = make_posterior((), noise_std=0.5)
    draws = strategies.random_samples(model.network, 0, 1, 400).flatten()
    found = fisher_importance(model, draws, batch_size=30, key=jax.random.key(0))
    inputs, targets = np.asarray(model.inputs, float), np.asarray(model.targets, float)
    w, b = np.asarray(draws["out"]["kernel"], float), np.asarray(draws["out"]["bias"], float)
    residual = targets[None] - (w[..., 0] @ inputs.T + b)
    gradients = residual[..., None] * inputs[None] / 0.25
    expected = (gradients**2).mean(axis=(0, 1))
    # 12,000 examples with replacement; relative error of a mean of fourth moments.
    error = (gradients**2).std(axis=(0, 1)) / np.sqrt(gradients[..., 0].size)
    assert (np.abs(found["out"]["kernel"][:, 0] - expected) <= 5 * error).all()


@pytest.mark.parametrize("noise", [1.0, "inferred"])
def test_it_is_an_importance_that_weight_matching_takes(noise) -> None:
    model = make_posterior((4,), noise_std=noise)
    samples = strategies.random_samples(model.network, 0, 1, 6)
    if noise == "inferred":
        likelihood = {"log_noise_std": np.zeros((1, 6), np.float32)}
        samples = type(samples)({"likelihood": likelihood, "weights": samples.params})
    found = fisher_importance(model, samples.flatten(), batch_size=8, key=jax.random.key(0))
    shapes = {name: leaf.shape for name, leaf in model.network_params(found)["hidden_0"].items()}
    assert shapes == {"kernel": (3, 1), "bias": (1,)}
    assert all((np.asarray(leaf) > 0).all() for leaf in jax.tree.leaves(found))
    assert align(samples, model.symmetry, weight_matching(found)).objective.shape == (1, 6)


def test_weights_that_no_example_exercises_have_none() -> None:
    model = make_posterior((4,), noise_std=1.0)
    dark = np.asarray(model.inputs).copy()
    dark[:, 1] = 0
    train = Train(dark, np.asarray(model.targets))
    model = posterior(model.network, train, likelihood="gaussian", noise_std=1.0)
    draws = strategies.random_samples(model.network, 0, 1, 6).flatten()
    found = fisher_importance(model, draws, 16, key=jax.random.key(0))["hidden_0"]["kernel"][:, 0]
    assert found[1] == 0
    assert (found[[0, 2]] > 0).all()


@pytest.mark.parametrize("size", [0, 31])
def test_a_batch_larger_than_the_data_is_refused(size: int) -> None:
    model = make_posterior((4,), noise_std=1.0)
    draws = jax.tree.map(jnp.asarray, strategies.random_samples(model.network, 0, 1, 2).flatten())
    with pytest.raises(ValueError, match=rf"must lie in \[1, 30\], .*Got {size}"):
        fisher_importance(model, draws, batch_size=size, key=jax.random.key(0))
