"""Mixed matching: the weighted sum of objectives, and its ends."""

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given, settings, strategies as st

from onebasin.alignment import (
    activation_matching,
    align,
    gaussian_matching,
    mixed_matching,
    to,
    weight_matching,
)
from onebasin.networks import mlp

CASE = strategies.make_case(mlp(3, (5,), 2), 0)
SAMPLES = strategies.random_samples(CASE.network, 1, 1, 6)
ACTIVATIONS = activation_matching(lambda params: CASE.network.activations(params, CASE.inputs))


def aligned(matching, **options):
    return align(SAMPLES, CASE.network.symmetry, matching, to(CASE.params), **options)


@settings(max_examples=6)
@given(weights=st.tuples(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(0.01, 10)))
def test_the_objective_is_the_weighted_sum_and_no_part_alone_does_better(weights) -> None:
    parts = [weight_matching(), ACTIVATIONS, gaussian_matching()]
    mixed = aligned(mixed_matching(parts, weights)).objective
    for other in map(aligned, parts):
        here = jax.tree.map(lambda p: p.reshape(6, -1), other.permutation)
        total = sum(w * value(part, here) for w, part in zip(weights, parts, strict=True))
        assert (mixed[0] >= total - 1e-5 * np.abs(total)).all()
    there = aligned(mixed_matching(parts, weights)).permutation
    here = jax.tree.map(lambda p: p.reshape(6, -1), there)
    total = sum(w * value(part, here) for w, part in zip(weights, parts, strict=True))
    np.testing.assert_allclose(mixed[0], total, rtol=1e-5)


def value(matching, permutation) -> np.ndarray:
    """The objective of each draw, from the definition of a matching."""
    from onebasin.symmetry import permute

    alone = matching.features(jax.tree.map(lambda leaf: leaf[None], CASE.params))
    features = jax.tree.map(lambda leaf: np.asarray(leaf[0], np.float64), alone)
    moved = permute(
        matching.features(SAMPLES.flatten()), matching.symmetry(CASE.network.symmetry), permutation
    )
    products = jax.tree.map(
        lambda r, x: (np.asarray(x, np.float64) * r).reshape(6, -1).sum(axis=1),
        matching.target(features),
        moved,
    )
    return sum(jax.tree.leaves(products)) + matching.constant(features)


def test_a_mixture_of_one_is_that_matching() -> None:
    first, second = aligned(mixed_matching([ACTIVATIONS], [3.0])), aligned(ACTIVATIONS)
    jax.tree.map(np.testing.assert_array_equal, first.permutation, second.permutation)
    np.testing.assert_allclose(first.objective, 3 * second.objective)


def test_it_is_called_by_what_is_in_it() -> None:
    found = mixed_matching([weight_matching(), ACTIVATIONS], [1.0, 1.0])
    assert found.name == "weights and activations"


@pytest.mark.parametrize(
    ("count", "weights", "message"),
    [
        (0, [], r"at least one matching.*Got 0 matchings and 0 weights"),
        (2, [1.0], r"a weight for each\. Got 2 matchings and 1 weights"),
        (2, [1.0, 0.0], r"positive and finite\. Got \[1\.0, 0\.0\]"),
        (2, [1.0, float("nan")], r"positive and finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(count, weights, message) -> None:
    with pytest.raises(ValueError, match=message):
        mixed_matching([weight_matching()] * count, weights)
