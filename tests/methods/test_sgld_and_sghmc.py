"""SGLD and SGHMC: what they say of a step, and what they leave as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from onebasin.methods import sample, sghmc, sgld

KEY = jax.random.key(5)


def standard_normal(params, key):
    del key
    return -0.5 * sum((leaf**2).sum() for leaf in jax.tree.leaves(params))


def draw(method, positions, num_draws: int = 6, **options):
    return sample(method, positions, num_draws, num_chunks=1, **options, key=KEY)


def logdensities(draws) -> np.ndarray:
    return -0.5 * (draws**2).sum(axis=-1)


def test_lp_of_sghmc_is_that_of_the_draw_itself() -> None:
    samples = draw(sghmc(standard_normal, step_size=0.3), jnp.ones((2, 3)))
    np.testing.assert_allclose(samples.stats["lp"], logdensities(samples.params), rtol=1e-5)


def test_lp_of_sgld_is_that_of_the_draw_before() -> None:
    samples = draw(sgld(standard_normal, step_size=0.3), jnp.ones((2, 3)))
    expected = logdensities(samples.params[:, :-1])
    np.testing.assert_allclose(samples.stats["lp"][:, 1:], expected, rtol=1e-5)


def test_every_step_of_a_trajectory_has_a_batch_of_its_own() -> None:
    """Ten steps of one batch g end at (9 + 8 + ... + 0) g; of ten batches at 9 g1 + 8 g2 + ...

    The std of the first is 45, that of the second 16.9. Its estimate from 8000 numbers has a
    standard error of .13: it is off by 1 for fewer than one key in a million.
    """
    batches = lambda params, key: params @ jax.random.normal(key, (4,))
    method = sghmc(batches, step_size=1.0, temperature=0.0, num_warmup=0, friction=0.0)
    moved = np.diff(draw(method, jnp.zeros((1, 4)), 2001).params[0], axis=0)
    assert abs(moved.std() - np.sqrt(sum(k**2 for k in range(10)))) < 1


@pytest.mark.parametrize("method", [sgld, sghmc])
def test_a_draw_that_is_not_finite_counts_as_diverging_when_thinned_too(method) -> None:
    made = method(standard_normal, step_size=1e8, num_warmup=0)
    samples = draw(made, jnp.ones((1, 2)), 20, thin=3)
    is_finite = np.isfinite(samples.params).all(axis=-1)
    assert not is_finite[0, -1]
    np.testing.assert_array_equal(samples.stats["diverging"], ~is_finite)


@pytest.mark.parametrize("method", [sgld, sghmc])
def test_running_statistics_stay_as_they_are(method) -> None:
    params = {"weights": {"w": jnp.ones((1, 2))}, "statistics": {"var": jnp.ones((1, 2))}}
    weights_only = lambda params, key: standard_normal(params["weights"], key)
    drawn = draw(method(weights_only, step_size=0.1), params).params
    np.testing.assert_array_equal(drawn["statistics"]["var"], 1)
    assert (drawn["weights"]["w"] != 1).all()


@pytest.mark.parametrize("method", [sgld, sghmc])
def test_leaves_keep_their_precision(method) -> None:
    params = {"half": jnp.ones((1, 2), jnp.bfloat16), "whole": jnp.ones((1, 3))}
    drawn = draw(method(standard_normal, step_size=0.1), params).params
    assert drawn["half"].dtype == jnp.bfloat16
    assert drawn["whole"].dtype == np.float32


@pytest.mark.parametrize("method", [sgld, sghmc])
def test_a_log_density_without_a_key_is_refused(method) -> None:
    with pytest.raises(TypeError, match=r"logdensity must be a function, called as"):
        method(lambda params: 0.0, step_size=0.1)
