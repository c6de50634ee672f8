"""The null of weight-by-weight comparison: units shuffled apart, everything else as it was."""

import jax
import numpy as np
from hypothesis import given, strategies as st

from onebasin import _trees
from onebasin.gaussians import DiagonalGaussian
from onebasin.networks import mlp
from onebasin.run.config import load_config
from onebasin.run.setup import set_up
from onebasin.studies.compare.measure import live_weights, shuffle_units

NETWORK = mlp(3, (6, 5), 2, "relu")


def _gaussian(seed: int) -> DiagonalGaussian:
    rng = np.random.default_rng(seed)
    mean = jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32),
        NETWORK.init(jax.random.key(0)),
    )
    return DiagonalGaussian(mean, jax.tree.map(lambda leaf: np.exp(leaf), mean))


@given(seed=st.integers(0, 1000))
def test_shuffled_units_keep_every_weight_and_its_std_in_its_array(seed):
    gaussian = _gaussian(seed)
    found = shuffle_units(gaussian, NETWORK.symmetry, key=jax.random.key(seed))
    jax.tree.map(lambda m, s: np.testing.assert_array_equal(s, np.exp(m)), found.mean, found.std)
    for name, leaf in _trees.named_leaves(found.mean).items():
        old = _trees.named_leaves(gaussian.mean)[name]
        np.testing.assert_array_equal(np.sort(leaf, axis=None), np.sort(old, axis=None))
    # Inputs and outputs never move: their rows keep what they hold.
    first, last = found.mean["hidden_0"]["kernel"], found.mean["out"]["kernel"]
    np.testing.assert_array_equal(
        np.sort(first, axis=1), np.sort(gaussian.mean["hidden_0"]["kernel"], axis=1)
    )
    np.testing.assert_array_equal(
        np.sort(last, axis=0), np.sort(gaussian.mean["out"]["kernel"], axis=0)
    )
    np.testing.assert_array_equal(found.mean["out"]["bias"], gaussian.mean["out"]["bias"])


def test_shuffled_units_are_torn_apart():
    gaussian = _gaussian(0)
    found = shuffle_units(gaussian, NETWORK.symmetry, key=jax.random.key(0))
    columns = {tuple(column) for column in gaussian.mean["hidden_0"]["kernel"].T}
    assert not columns & {tuple(column) for column in found.mean["hidden_0"]["kernel"].T}


def test_live_weights_are_those_that_some_image_exercises():
    setup = set_up(load_config("digits", ["network.hidden=[4]"]))
    live = _trees.unravel_batch(live_weights(setup), setup.template)
    inputs = setup.dataset.train.inputs
    for pixel, row in enumerate(live["hidden_0"]["kernel"]):
        assert row.all() == row.any() == (len(set(inputs[:, pixel].tolist())) > 1)
    assert live["hidden_0"]["bias"].all()
    assert live["out"]["kernel"].all()
    assert not live["hidden_0"]["kernel"].all()
