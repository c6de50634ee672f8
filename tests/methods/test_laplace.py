"""Laplace approximations against Hessians in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from onebasin.methods import laplace, last_layer_laplace, sample

pytestmark = pytest.mark.slow

KEY = jax.random.key(4)
PRIOR_STD, NOISE_STD = 1.5, 0.7
LEAST = PRIOR_STD**-2


def make_design() -> np.ndarray:
    rng = np.random.default_rng(4)
    mixing = np.array([[1.0, 0.7, 0.3], [0.0, 1.0, -0.6], [0.0, 0.0, 1.0]])
    return np.column_stack([np.ones(20), rng.standard_normal((20, 3)) @ mixing])


DESIGN = make_design()
TARGETS = np.random.default_rng(5).standard_normal(20)
PRECISION = DESIGN.T @ DESIGN / NOISE_STD**2 + np.eye(4) / PRIOR_STD**2
MEAN = np.linalg.solve(PRECISION, DESIGN.T @ TARGETS / NOISE_STD**2)


def regression(params):
    weights = jnp.concatenate([params["bias"][None], params["slopes"]])
    residuals = (jnp.asarray(TARGETS, float) - jnp.asarray(DESIGN, float) @ weights) / NOISE_STD
    return -0.5 * ((residuals**2).sum() + (weights**2).sum() / PRIOR_STD**2)


def mode(num_chains: int = 1):
    rows = np.tile(MEAN, (num_chains, 1)).astype(np.float32)
    return {"bias": jnp.asarray(rows[:, 0]), "slopes": jnp.asarray(rows[:, 1:])}


def first_state(method, positions, num_draws: int = 1):
    samples = sample(method, positions, num_draws, num_chunks=1, key=KEY)
    return jax.tree.map(lambda leaf: leaf[0], samples.last_state)


def test_the_diagonal_is_one_over_that_of_the_precision() -> None:
    method = laplace(regression, least_precision=LEAST, num_steps=0)
    state = first_state(method, mode())
    gaussian = method.gaussian(state)
    variances = np.r_[gaussian.std["bias"], gaussian.std["slopes"]] ** 2
    np.testing.assert_allclose(variances, 1 / np.diag(PRECISION), rtol=1e-5)
    np.testing.assert_array_equal(gaussian.mean["slopes"], mode()["slopes"][0])
    assert state.num_raised == 0


def test_the_full_block_has_the_covariance_of_the_posterior() -> None:
    method = last_layer_laplace(regression, ("bias", "slopes"), least_precision=LEAST, num_steps=0)
    state = first_state(method, mode())
    covariance = state.scale.astype(np.float64) @ state.scale.T
    np.testing.assert_allclose(covariance, np.linalg.inv(PRECISION), rtol=1e-4, atol=1e-6)
    assert state.num_raised == 0


def test_a_block_of_some_leaves_is_the_posterior_given_all_others() -> None:
    method = last_layer_laplace(regression, ("slopes",), least_precision=LEAST, num_steps=0)
    samples = sample(method, mode(), 3, num_chunks=1, key=KEY)
    scale = samples.last_state.scale[0].astype(np.float64)
    expected = np.linalg.inv(PRECISION[1:, 1:])
    np.testing.assert_allclose(scale @ scale.T, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(samples.params["bias"], np.float32(MEAN[0]))
    assert method.gaussian is None


@pytest.mark.parametrize("num_chains", [1, 3])
def test_training_ends_in_the_mode_in_every_chain(num_chains: int) -> None:
    schedule = optax.cosine_decay_schedule(0.1, 2000)
    method = laplace(
        regression, least_precision=LEAST, num_steps=2000, optimizer=optax.adam(schedule)
    )
    starts = jax.tree.map(jnp.zeros_like, mode(num_chains))
    state = sample(method, starts, 1, num_chunks=2, key=KEY).last_state
    found = np.column_stack([state.mode["bias"], state.mode["slopes"]])
    np.testing.assert_allclose(found, np.tile(MEAN, (num_chains, 1)), rtol=1e-3, atol=1e-4)
    expected = np.tile(np.diag(PRECISION) ** -0.5, (num_chains, 1))
    np.testing.assert_allclose(state.scale, expected, rtol=1e-4)


def test_training_climbs_the_estimate_and_curvature_is_that_of_the_exact_density() -> None:
    exact = lambda params: -0.5 * (4 * params**2).sum()
    estimate = lambda params, key: -0.5 * ((params - 1) ** 2).sum()
    method = laplace(
        exact,
        least_precision=0.1,
        num_steps=100,
        minibatch_logdensity=estimate,
        optimizer=optax.sgd(0.5),
    )
    state = first_state(method, jnp.zeros((1, 2)))
    np.testing.assert_allclose(state.mode, 1, rtol=1e-5)
    np.testing.assert_allclose(state.scale, 0.5, rtol=1e-5)


def test_a_network_has_the_diagonal_of_its_hessian_whatever_is_computed_together() -> None:
    """37 weights: more than two blocks of rows and a rest."""
    inputs = jax.random.normal(KEY, (10, 5))

    def network(params):
        hidden = jnp.tanh(inputs @ params["in"])
        scores = jnp.log(jnp.cosh(hidden @ params["out"])).sum()
        return -scores - 2 * sum((leaf**2).sum() for leaf in jax.tree.leaves(params))

    params = {"in": jax.random.normal(KEY, (5, 6)) / 3, "out": jnp.linspace(-1, 1, 7)[:6] / 3}
    params = {**params, "rest": jnp.ones(1)}
    state = first_state(
        laplace(network, least_precision=1e-3, num_steps=0),
        jax.tree.map(lambda leaf: leaf[None], params),
    )
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    hessian = -jax.hessian(lambda flat: network(unravel(flat)))(flat)
    np.testing.assert_allclose(state.scale, jnp.diagonal(hessian) ** -0.5, rtol=1e-4)


@pytest.mark.parametrize("num_chains", [1, 4])
def test_the_curvature_is_computed_once_however_long_training_is(num_chains: int) -> None:
    """And while no chain trains; two devices have two vectorized chains each."""

    def num_evaluations(num_steps: int) -> int:
        evaluated: list[object] = []

        def counted(params):
            jax.debug.callback(evaluated.append, params[0])
            return -0.5 * (params**2).sum()

        method = laplace(
            counted,
            least_precision=1.0,
            num_steps=num_steps,
            minibatch_logdensity=lambda params, key: -0.5 * (params**2).sum(),
        )
        sample(method, jnp.ones((num_chains, 5)), 3, num_chunks=1, key=KEY)
        jax.effects_barrier()
        return len(evaluated)

    assert num_evaluations(1) == num_evaluations(30) == num_chains


@pytest.mark.parametrize("leaves", [None, ("",)])
def test_precisions_below_the_least_are_raised_to_it_and_counted(leaves) -> None:
    saddle = lambda params: -0.5 * (params**2 * jnp.array([4.0, -1.0, 0.0, 0.1])).sum()
    chosen = {"least_precision": 0.25, "num_steps": 0}
    if leaves is None:
        method = laplace(saddle, **chosen)
    else:
        method = last_layer_laplace(saddle, leaves, **chosen)
    state = first_state(method, jnp.zeros((1, 4)))
    variances = state.scale**2 if leaves is None else np.diag(state.scale @ state.scale.T)
    np.testing.assert_allclose(variances, [0.25, 4, 4, 4], rtol=1e-5)
    assert state.num_raised == 3


def test_the_last_layer_under_a_softmax_needs_no_floor() -> None:
    """At any weights its block is at least the precision of the prior."""
    features = jax.random.normal(KEY, (30, 4))
    labels = jnp.arange(30) % 3

    def softmax(params):
        logits = features @ params["kernel"] + params["bias"][None]
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
        return picked.sum() - 0.5 * sum((leaf**2).sum() for leaf in jax.tree.leaves(params))

    params = {"kernel": jax.random.normal(KEY, (1, 4, 3)), "bias": jnp.ones((1, 3))}
    method = last_layer_laplace(softmax, ("kernel", "bias"), least_precision=0.99, num_steps=0)
    assert first_state(method, params).num_raised == 0


def test_draws_of_the_block_have_its_covariance() -> None:
    """Fails by chance for fewer than one key in a million."""
    method = last_layer_laplace(regression, ("bias", "slopes"), least_precision=LEAST, num_steps=0)
    num_draws = 20_000
    params = sample(method, mode(), num_draws, num_chunks=1, key=KEY).params
    draws = np.column_stack([params["bias"][0], params["slopes"][0]]).astype(np.float64)
    white = (draws - MEAN) @ np.linalg.cholesky(PRECISION)
    # Products of standard normals have variance 1, squares 2: 14 comparisons at 6.5 deviations.
    assert np.abs(white.mean(axis=0)).max() < 6.5 / np.sqrt(num_draws)
    errors = np.abs(white.T @ white / num_draws - np.eye(4))
    assert errors.max() < 6.5 * np.sqrt(2 / num_draws)


def test_running_statistics_stay_a_point() -> None:
    params = {"weights": {"w": jnp.ones((1, 2))}, "statistics": {"var": jnp.ones((1, 2))}}
    method = laplace(
        lambda params: -(params["weights"]["w"] ** 2).sum(), least_precision=1.0, num_steps=0
    )
    samples = sample(method, params, 4, num_chunks=1, key=KEY)
    np.testing.assert_array_equal(samples.params["statistics"]["var"], 1)
    std = method.gaussian(jax.tree.map(lambda leaf: leaf[0], samples.last_state)).std
    np.testing.assert_array_equal(std["statistics"]["var"], 0)
    np.testing.assert_allclose(std["weights"]["w"], np.sqrt(0.5), rtol=1e-6)


def test_leaves_that_are_none_of_the_params_are_refused_by_name() -> None:
    method = last_layer_laplace(regression, ("slope",), least_precision=LEAST)
    with pytest.raises(ValueError, match=r"paths of the params, which are bias, slopes\. Got 'sl"):
        sample(method, mode(), 1, key=KEY)


def test_an_estimate_in_place_of_the_exact_density_is_refused() -> None:
    with pytest.raises(TypeError, match="pass an estimate as minibatch_logdensity"):
        laplace(lambda params, key: 0.0, least_precision=1.0)
