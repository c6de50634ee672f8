"""Conditional pruning: against ridge regression, a brute-force Fisher, and what it promises."""

import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from onebasin import _trees
from onebasin.fisher.by_unit import (
    from_unit_rows,
    unit_fisher,
    unit_layers,
    unit_rows,
)
from onebasin.networks import Posterior, mlp, posterior
from onebasin.pruning import conditional_copies

pytestmark = pytest.mark.slow

KEEPS = (1.0, 0.6, 0.3, 0.1)
NOISE, PRIOR = 0.5, 2.0


def classifier(num_examples: int = 150) -> Posterior:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((num_examples, 5)).astype(np.float32)
    targets = rng.integers(3, size=num_examples)
    return posterior(mlp(5, (4,), 3), SimpleNamespace(inputs=inputs, targets=targets))


def linear(inputs: np.ndarray, targets: np.ndarray) -> Posterior:
    data = SimpleNamespace(inputs=inputs, targets=targets)
    network = mlp(inputs.shape[1], (), 1)
    return posterior(network, data, likelihood="gaussian", prior_std=PRIOR, noise_std=NOISE)


def test_rows_of_units_and_back_are_the_params(key) -> None:
    problem = classifier()
    params = problem.init(key)
    layers = unit_layers(params, problem.symmetry)
    rows = unit_rows(params, layers)
    assert [w.shape for w in rows.values()] == [(4, 6), (3, 5)]
    jax.tree.map(np.testing.assert_array_equal, from_unit_rows(rows, layers, params), params)


def test_blocks_are_sums_of_squared_gradients_one_example_at_a_time(key) -> None:
    problem = classifier()
    params = problem.init(key)
    targets = problem.drawn_targets(params, key=jax.random.fold_in(key, 0))
    layers = unit_layers(params, problem.symmetry)
    expected = dict.fromkeys(unit_rows(params, layers), 0.0)
    for x, y in zip(problem.inputs, targets, strict=True):
        gradient = jax.grad(lambda p, x=x, y=y: problem.log_likelihood(p, x[None], y[None])[0])(
            params
        )
        for layer, row in unit_rows(gradient, layers).items():
            expected[layer] = expected[layer] + np.einsum("uw,uv->uwv", row, row)
    found = unit_fisher(problem, params, key=key)
    for layer, block in found.items():
        np.testing.assert_allclose(np.stack(block), expected[layer], rtol=1e-4, atol=1e-4)


def test_what_stays_of_a_linear_model_is_ridge_regression_on_it(key) -> None:
    rng = np.random.default_rng(1)
    # Correlated inputs: without them nothing has to move.
    inputs = (rng.standard_normal((60, 4)) @ rng.standard_normal((4, 4))).astype(np.float32)
    noise = NOISE * rng.standard_normal(60)
    targets = (inputs @ [1.0, -0.7, 0.3, 0.1] + 0.4 + noise).astype(np.float32)
    design = np.concatenate([inputs, np.ones((60, 1))], axis=1).astype(np.float64)
    order = ["out/kernel", "out/bias"]

    def ridge(columns: np.ndarray) -> np.ndarray:
        some = design[:, columns]
        precision = some.T @ some / NOISE**2 + np.eye(len(columns)) / PRIOR**2
        weights = np.zeros(5)
        weights[columns] = np.linalg.solve(precision, some.T @ targets / NOISE**2)
        return weights

    best = ridge(np.arange(5))
    leaves = {
        order[0]: best[:4, None].astype(np.float32),
        order[1]: best[4:].astype(np.float32),
    }
    problem = linear(inputs, targets)
    # Drawn targets estimate the Fisher information: 600 of them to within some per cent.
    pruned = conditional_copies(problem, _trees.nest(leaves), (0.6,), num_probes=600, key=key)
    found = _trees.named_leaves(pruned)
    weights = np.concatenate([found[order[0]][0, :, 0], found[order[1]][0]])
    kept = np.flatnonzero(weights)
    assert len(kept) == 3
    np.testing.assert_allclose(weights, ridge(kept), rtol=0.05, atol=0.02)
    assert np.abs(best - ridge(kept))[kept].max() > 0.1  # far from what merely stayed


@pytest.mark.parametrize("order", ["signal-to-noise", "magnitude"])
def test_shares_are_met_and_what_has_left_never_returns(key, order) -> None:
    problem = classifier()
    params = problem.init(key)
    copies = conditional_copies(problem, params, KEEPS, order=order, key=key)
    flat = np.stack([_trees.ravel_batch(jax.tree.map(lambda x, n=n: x[n], copies), 0)
                     for n in range(len(KEEPS))])  # fmt: skip
    np.testing.assert_array_equal(flat[0], _trees.ravel_batch(params, 0))
    # Zero from the start: biases. They count as kept as long as they have not left.
    counts = [np.ceil(keep * flat.shape[1]) for keep in KEEPS]
    assert all((flat[n] != 0).sum() <= counts[n] for n in range(len(KEEPS)))
    for before, after in itertools.pairwise(flat):
        assert not ((before == 0) & (after != 0)).any()
    assert np.isfinite(flat).all()


def test_conditioning_loses_less_than_zeroing(key) -> None:
    # Gradient steps get near enough to a maximum of the posterior.
    problem = classifier()
    params = problem.init(key)
    step = jax.jit(lambda p: jax.tree.map(lambda w, g: w + 0.005 * g, p,
                                          jax.grad(problem.logdensity)(p)))  # fmt: skip
    for _ in range(800):
        params = step(params)
    keeps = (0.5,)
    pruned = conditional_copies(problem, params, keeps, num_probes=20, key=key)
    one = jax.tree.map(lambda leaf: leaf[0], pruned)
    zeroed = jax.tree.map(lambda new, old: jnp.where(new == 0, 0.0, old), one, params)
    assert problem.logdensity(one) > problem.logdensity(zeroed)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"keeps": (0.1, 0.5)}, "keeps must fall"),
        ({"keeps": (1.2,)}, "keeps must fall"),
        ({"ratio": 1.0}, r"ratio must lie in \(0, 1\)"),
        ({"num_probes": 0}, "num_probes"),
    ],
)
def test_bad_input_says_the_rule(key, changes, rule) -> None:
    problem = classifier(10)
    arguments = {"keeps": (0.5,)} | changes
    with pytest.raises(ValueError, match=rule):
        conditional_copies(problem, problem.init(key), key=key, **arguments)
