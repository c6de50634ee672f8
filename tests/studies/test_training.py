"""Training in epochs: against plain NumPy, and what it owes to the symmetry of networks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from onebasin import _trees
from onebasin.run.setup import silent
from onebasin.studies.training import load_task, train
from onebasin.studies.twins import Judge, displaced, match_all, plant

pytestmark = pytest.mark.slow

RATE = 0.05


@pytest.fixture(scope="module")
def task():
    return load_task("digits", (6,), num_train=100)


@pytest.fixture(scope="module")
def starts(task):
    """Two networks, and a permuted copy of the first."""
    networks = [_trees.to_host(task.network.init(jax.random.key(n))) for n in range(2)]
    _, copy = plant(task, networks[0], {"hidden_0": 4}, key=jax.random.key(9))
    return _trees.stack([*networks, copy])


def _train(task, starts, **changes):
    chosen = {"batch_size": 100, "num_epochs": 3, **changes}
    rates = np.full(len(jax.tree.leaves(starts)[0]), RATE)
    return train(task, starts, rates, silent, **chosen, key=jax.random.key(5))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_one_batch_an_epoch_is_plain_gradient_descent(task, starts, optimizer):
    # With one batch the order of the images does not matter: optax on all images is the oracle.
    split = task.dataset.train
    oracle = optax.sgd(RATE, momentum=0.9) if optimizer == "sgd" else optax.adam(RATE)

    def loss(params):
        log_probs = jax.nn.log_softmax(task.network.apply(params, jnp.asarray(split.inputs)))
        return -log_probs[jnp.arange(100), split.targets].mean()

    found = _train(task, starts, optimizer=optimizer)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf[1]), starts)
    state = oracle.init(params)
    for epoch in range(3):
        updates, state = oracle.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, updates)
        jax.tree.map(
            lambda leaf, w, epoch=epoch: np.testing.assert_allclose(
                leaf[1, epoch], w, rtol=1e-4, atol=1e-5
            ),
            found,
            params,
        )


def test_training_commutes_with_permutations(task, starts):
    found = _train(task, starts)
    first, copy = (jax.tree.map(lambda leaf, n=n: leaf[n, -1], found) for n in (0, 2))
    planted, permuted = plant(task, first, {"hidden_0": 4}, key=jax.random.key(9))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), copy, permuted
    )
    together = jax.tree.map(lambda p: p[None], planted)
    copies = jax.tree.map(lambda leaf: leaf[None], copy)
    judge = Judge(task, 50, 50)
    assert not displaced(match_all(task, judge.matchings["weights"], first, copies), together).any()


def test_networks_see_every_image_once_an_epoch_in_an_order_of_their_own(task, starts):
    # A rate of 0 leaves the weights alone: the mean loss of an epoch is that of all images.
    same = jax.tree.map(lambda leaf: np.stack([leaf[0], leaf[0]]), starts)
    told = []
    rates = np.zeros(2)
    train(
        task, same, rates, lambda *what: told.append(what), batch_size=20,
        num_epochs=2, key=jax.random.key(5),
    )  # fmt: skip
    first = jax.tree.map(lambda leaf: leaf[0], starts)
    log_probs = jax.nn.log_softmax(task.network.apply(first, task.dataset.train.inputs))
    loss = -np.asarray(log_probs)[np.arange(100), task.dataset.train.targets].mean()
    compiling, *trained = (details for _, _, details in told)
    assert compiling == "compiling"
    assert trained
    assert all(details.endswith(f"loss {loss:.3g}") for details in trained)
    apart = _train(task, same, batch_size=20)
    assert not np.array_equal(*apart["hidden_0"]["kernel"][:, -1])


def test_kept_epochs_are_those_of_a_training_that_keeps_all(task, starts):
    every, some = _train(task, starts, num_epochs=4), _train(task, starts, num_epochs=4, every=2)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:, 1::2], b), every, some)
    last = _train(task, starts, num_epochs=4, every=None)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:, 3:], b), every, last)


def test_a_batch_larger_than_the_data_is_refused(task, starts):
    with pytest.raises(ValueError, match="batch_size must be at most 100. Got 101"):
        _train(task, starts, batch_size=101)
