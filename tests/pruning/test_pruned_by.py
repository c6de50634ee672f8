"""One network pruned by each order: which weights are kept, and what is refused."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

import onebasin as ob
from onebasin import _trees
from onebasin.pruning import conditional_copies, pruned_by, pruned_copies

pytestmark = pytest.mark.slow

KEEPS = (0.6, 0.3)
NETWORK = ob.mlp(5, (4,), 3)


@pytest.fixture(scope="module")
def problem() -> ob.networks.Posterior:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((150, 5)).astype(np.float32)
    train = SimpleNamespace(inputs=inputs, targets=rng.integers(3, size=150))
    return ob.posterior(NETWORK, train)


@pytest.fixture(scope="module")
def params() -> dict:
    return jax.tree.map(np.asarray, NETWORK.init(jax.random.key(1)))


def assert_same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_magnitude_keeps_the_largest_weights(problem, params, key) -> None:
    scores = jax.tree.map(np.abs, params)
    found = pruned_by(problem, params, KEEPS, "magnitude", key=key)
    assert_same(found, pruned_copies(params, scores, KEEPS))


def test_signal_to_noise_keeps_the_weights_of_the_most_stds(problem, params, key) -> None:
    std = ob.fisher.diagonal_laplace(problem, params, key=key).std
    scores = jax.tree.map(lambda w, s: np.abs(w) / s, params, std)
    found = pruned_by(problem, params, KEEPS, "signal-to-noise", key=key)
    assert_same(found, pruned_copies(params, scores, KEEPS))


def test_conditional_says_how_far_it_is(problem, params, key) -> None:
    done: list[float] = []
    found = pruned_by(problem, params, KEEPS, key=key, progress=done.append)
    assert_same(found, conditional_copies(problem, params, KEEPS, key=key))
    assert done == sorted(done)
    assert done[-1] == 1
    kept = (_trees.ravel_batch(found, 1) != 0).sum(axis=1)
    assert (kept <= np.ceil(np.array(KEEPS) * _trees.size(params))).all()


def test_an_order_that_there_is_not_is_refused(problem, params, key) -> None:
    with pytest.raises(ValueError, match="Did you mean 'magnitude'"):
        pruned_by.__wrapped__(problem, params, KEEPS, "magnitud", key=key)


def test_matrices_that_do_not_fit_into_memory_are_refused(problem, params, key, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 10)  # 10 pages of 10 bytes
    with pytest.raises(ValueError, match=r"fit into memory, 1e-07 GB. Got .* take 1.75e-06 GB"):
        pruned_by(problem, params, KEEPS, key=key)
