"""Lines between networks, their barriers, and losses: against closed forms and plain NumPy."""

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from onebasin.networks import mlp
from onebasin.prediction import barrier, line, midpoint_barrier, weight_distance
from onebasin.prediction.connectivity import losses_and_errors

FRACTIONS = np.linspace(0, 1, 11)
NETWORK = mlp(3, (4,), 3, "relu")

losses = arrays.arrays(np.float64, 11, elements=st.floats(-10, 10))


def test_the_barrier_is_the_largest_rise_above_the_chord():
    values = 2 + 3 * FRACTIONS + 5 * FRACTIONS * (1 - FRACTIONS) ** 2
    rises = 5 * FRACTIONS * (1 - FRACTIONS) ** 2
    assert barrier(values, FRACTIONS) == pytest.approx(rises.max(), abs=1e-12)
    assert midpoint_barrier(values, FRACTIONS) == pytest.approx(5 / 8, abs=1e-12)


@given(values=losses, slope=st.floats(-10, 10))
def test_a_barrier_is_not_negative_not_below_the_midpoint_and_blind_to_slopes(values, slope):
    found = barrier(values, FRACTIONS)
    assert found >= 0
    assert found >= midpoint_barrier(values, FRACTIONS) - 1e-12
    assert barrier(values + slope * FRACTIONS, FRACTIONS) == pytest.approx(found, abs=1e-10)
    assert barrier(values[::-1], FRACTIONS) == pytest.approx(found, abs=1e-10)


def test_a_line_that_dips_has_no_barrier_and_a_negative_midpoint():
    values = (FRACTIONS - 0.5) ** 2
    assert barrier(values, FRACTIONS) == 0
    assert midpoint_barrier(values, FRACTIONS) == pytest.approx(-0.25)


def test_fractions_that_miss_an_end_or_the_middle_are_refused():
    with pytest.raises(ValueError, match="must begin at 0 and end at 1"):
        barrier(np.zeros(3), np.array([0.1, 0.5, 1.0]))
    with pytest.raises(ValueError, match=r"must contain 0\.5"):
        midpoint_barrier(np.zeros(3), np.array([0.0, 0.4, 1.0]))


@pytest.fixture(scope="module")
def pair():
    return [jax.tree.map(np.asarray, NETWORK.init(jax.random.key(n))) for n in range(2)]


def test_a_line_begins_at_one_network_and_ends_at_the_other(pair):
    points = line(*pair, FRACTIONS)
    for end, network in ((0, pair[0]), (-1, pair[1])):
        jax.tree.map(
            lambda leaf, w, end=end: np.testing.assert_array_equal(leaf[end], w), points, network
        )
    middle = jax.tree.map(lambda a, b: (a + b) / 2, *pair)
    jax.tree.map(
        lambda leaf, w: np.testing.assert_allclose(leaf[5], w, rtol=1e-6, atol=1e-7),
        points,
        middle,
    )


def test_a_distance_is_that_of_all_weights_in_one_row(pair):
    flat = [np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(p)]) for p in pair]
    expected = np.linalg.norm(flat[0].astype(np.float64) - flat[1])
    assert weight_distance(*pair) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("num_points", [1, 3])
def test_losses_and_errors_are_those_of_numpy(pair, num_points):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(20, 3)).astype(np.float32)
    targets = rng.integers(0, 3, 20).astype(np.int32)
    points = line(*pair, np.linspace(0, 1, num_points))
    losses, errors = losses_and_errors(NETWORK, points, inputs, targets)
    for n in range(num_points):
        p = jax.tree.map(lambda leaf, n=n: leaf[n].astype(np.float64), points)
        hidden = np.maximum(inputs @ p["hidden_0"]["kernel"] + p["hidden_0"]["bias"], 0)
        logits = hidden @ p["out"]["kernel"] + p["out"]["bias"]
        chosen = logits[np.arange(20), targets]
        expected = (np.log(np.exp(logits).sum(axis=1)) - chosen).mean()
        assert losses[n] == pytest.approx(expected, rel=1e-5)
        assert errors[n] == pytest.approx((logits.argmax(axis=1) != targets).mean(), abs=1e-6)
