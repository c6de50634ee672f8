"""The Fisher diagonal: against the sum over all targets, and against closed forms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from onebasin import _trees
from onebasin.fisher import fisher_diagonal
from onebasin.networks import Posterior, mlp, posterior
from onebasin.types import Params

pytestmark = pytest.mark.slow

NUM_PROBES = 3000
FAILURE_RATE = 1e-3


class Examples(NamedTuple):
    inputs: np.ndarray
    targets: np.ndarray


@pytest.fixture(scope="module")
def classifier() -> Posterior:
    rng = np.random.default_rng(0)
    train = Examples(rng.normal(size=(6, 3)).astype(np.float32), rng.integers(0, 3, 6))
    return posterior(mlp(3, (4,), 3), train)


def linear(noise_std: float | str) -> Posterior:
    rng = np.random.default_rng(1)
    inputs, targets = rng.normal(size=(8, 2)), rng.normal(size=8)
    train = Examples(inputs.astype(np.float32), targets.astype(np.float32))
    return posterior(mlp(2, (), 1), train, likelihood="gaussian", noise_std=noise_std)


def alone(params: Params) -> Params:
    return jax.tree.map(lambda leaf: leaf[None], params)


class Moments(NamedTuple):
    """Of the signed sum of gradients at every weight: its square's mean and variance."""

    fisher: np.ndarray
    variance: np.ndarray


def exact(posterior: Posterior, params: Params) -> Moments:
    """Sums over all examples and classes, one gradient each."""
    squares, fourths = [], []
    for row in range(len(posterior.inputs)):
        x = posterior.inputs[row : row + 1]
        log_probs = lambda p, x=x: jax.nn.log_softmax(posterior.apply(p, x)[0])
        gradients = _trees.ravel_batch(jax.jacobian(log_probs)(params)).astype(np.float64)
        probs = np.exp(np.asarray(log_probs(params), np.float64))
        squares.append(probs @ gradients**2)
        fourths.append(probs @ gradients**4)
    fisher = np.sum(squares, axis=0)
    # Odd powers of a sign vanish, so only pairs of equal examples are left of the fourth moment.
    fourth = np.sum(fourths, axis=0) + 3 * (fisher**2 - np.sum(np.square(squares), axis=0))
    return Moments(fisher, fourth - fisher**2)


def assert_close(found: Params, expected: np.ndarray, variance: np.ndarray) -> None:
    """Within the Monte Carlo error of so many probes; `variance` is that of one."""
    flat = _trees.ravel_batch(found, 0)
    error = oracles.z_bound(FAILURE_RATE, flat.size) * np.sqrt(variance / NUM_PROBES)
    assert (np.abs(flat - expected) <= error + 1e-6 * expected).all()


def test_random_signs_give_the_sum_over_all_examples_and_classes(classifier, key) -> None:
    params = classifier.init(key)
    found = fisher_diagonal(classifier, alone(params), NUM_PROBES, key=key)
    assert_close(found, *exact(classifier, params))


def test_several_draws_give_the_mean_of_their_diagonals(classifier, key) -> None:
    draws = jax.vmap(classifier.init)(jax.random.split(key, 2))
    both = [exact(classifier, jax.tree.map(lambda leaf, d=d: leaf[d], draws)) for d in range(2)]
    fisher, variance = (
        np.mean([getattr(m, name) for m in both], axis=0) for name in Moments._fields
    )
    assert_close(fisher_diagonal(classifier, draws, NUM_PROBES // 2, key=key), fisher, variance)


def test_a_linear_regression_has_the_sum_of_squared_inputs_over_the_variance(key) -> None:
    model = linear(0.5)
    inputs = np.column_stack([np.ones(8), model.inputs])  # the bias comes first
    expected = (inputs**2).sum(axis=0) / 0.5**2
    found = fisher_diagonal(model, alone(model.init(key)), NUM_PROBES, key=key)
    assert_close(found, expected, 2 * expected**2)  # a sum of normals is normal


def test_the_logarithm_of_a_noise_std_has_twice_the_examples(key) -> None:
    model = linear("inferred")
    found = fisher_diagonal(model, alone(model.init(key)), NUM_PROBES, key=key)["likelihood"][
        "log_noise_std"
    ]
    # (z^2 - 1)^2 has far heavier tails than g^2 of a normal g: its relative std is below 4.
    assert float(found) == pytest.approx(16, rel=4 * oracles.z_bound(FAILURE_RATE) / 50)


def test_a_weight_that_no_input_exercises_has_none(classifier, key) -> None:
    inputs = np.asarray(classifier.inputs).copy()
    inputs[:, 1] = 0
    train = Examples(inputs, np.asarray(classifier.targets))
    model = posterior(classifier.network, train)
    found = fisher_diagonal(model, alone(model.init(key)), 50, key=key)["hidden_0"]["kernel"]
    assert not found[1].any()
    assert found[[0, 2]].any()


def test_no_probe_is_refused(classifier, key) -> None:
    with pytest.raises(ValueError, match=r"num_probes must be an int in the range \[1, inf\)"):
        fisher_diagonal(classifier, alone(classifier.init(key)), 0, key=key)


def test_the_key_fixes_the_estimate(classifier, key) -> None:
    draws = alone(classifier.init(key))
    first, again, other = (
        _trees.ravel_batch(fisher_diagonal(classifier, draws, key=k), 0)
        for k in (key, key, jax.random.fold_in(key, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert not jnp.array_equal(first, other)
