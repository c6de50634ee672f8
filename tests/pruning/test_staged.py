"""Pruning in stages: an order of all weights, measured anew on what each stage leaves."""

import jax
import numpy as np
import pytest

from onebasin import _trees
from onebasin.fisher import fisher_diagonal
from onebasin.gaussians import DiagonalGaussian
from onebasin.networks import Posterior, mlp, posterior
from onebasin.pruning import prune, pruning_scores
from onebasin.pruning.staged import staged_scores
from onebasin.types import Params

pytestmark = pytest.mark.slow


class Examples:
    inputs = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    targets = np.arange(6) % 3


@pytest.fixture(scope="module")
def model() -> Posterior:
    return posterior(mlp(3, (4,), 3), Examples())


@pytest.fixture
def params(model: Posterior, key) -> Params:
    return jax.tree.map(lambda leaf: np.asarray(leaf) + 0.1, model.init(key))


def alone(params: Params) -> Params:
    return jax.tree.map(lambda leaf: leaf[None], params)


def test_scores_put_every_weight_in_one_place_of_one_order(model, params, key) -> None:
    flat = _trees.ravel_batch(staged_scores(model, params, alone(params), key=key), 0)
    np.testing.assert_allclose(np.sort(flat), np.arange(1, flat.size + 1) / flat.size)


def test_one_stage_prunes_by_the_loss_increase_of_the_whole_network(model, params, key) -> None:
    keep = 0.5
    staged = staged_scores(model, params, alone(params), ratio=keep, least=keep, key=key)
    curvature = fisher_diagonal(model, alone(params), key=jax.random.fold_in(key, 0))
    gaussian = DiagonalGaussian(params, params)
    whole = pruning_scores(params, gaussian, {"fisher": curvature}, key=key)["fisher"]
    both = (prune(params, scores, keep) for scores in (staged, whole))
    jax.tree.map(np.testing.assert_array_equal, *both)


def test_a_second_stage_measures_what_the_first_has_left(model, params, key) -> None:
    staged = staged_scores(model, params, alone(params), ratio=0.5, least=0.25, key=key)
    left = prune(params, staged, 0.5)
    curvature = fisher_diagonal(model, alone(left), key=jax.random.fold_in(key, 1))
    # Weights that have left are zero, so that their loss increase is zero as well.
    increase = jax.tree.map(lambda c, w: c * w**2, curvature, left)
    both = (prune(left, scores, 0.25) for scores in (staged, increase))
    jax.tree.map(np.testing.assert_array_equal, *both)


@pytest.mark.parametrize("name", ["ratio", "least"])
@pytest.mark.parametrize("share", [0.0, 1.0, 70.0])
def test_shares_outside_zero_to_one_are_refused(model, params, key, name, share) -> None:
    with pytest.raises(ValueError, match=rf"{name} must lie in \(0, 1\)\. Got {share}"):
        staged_scores(model, params, alone(params), **{name: share}, key=key)


def test_a_stage_keeps_no_weight_more_for_the_rounding_of_its_share(key) -> None:
    # 0.55 * 100 is 55.00000000000001 in float64, and a second stage that keeps 56 weights
    # measures another Fisher diagonal.
    model = posterior(mlp(3, (12,), 4), Examples())
    params = jax.tree.map(lambda leaf: np.asarray(leaf) + 0.1, model.init(key))
    assert _trees.size(params) == 100
    staged = staged_scores(model, params, alone(params), ratio=0.55, least=0.4, key=key)
    left = prune(params, staged, 0.55)
    curvature = fisher_diagonal(model, alone(left), key=jax.random.fold_in(key, 1))
    increase = jax.tree.map(lambda c, w: c * w**2, curvature, left)
    order, expected = (np.argsort(-_trees.ravel_batch(x, 0))[:50] for x in (staged, increase))
    np.testing.assert_array_equal(order, expected)
