"""refine on a Gaussian log density, whose optimum is known, to within the optimizer's last steps.

Maximized over independent Gaussians q: E[log p] + H[q] - L KL(q || a). With precisions P of p and
A of the anchor a, q has the precision (P + L A) / (1 + L) and the mean
(P m_p + L A m_a) / (P + L A).
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from onebasin import _trees
from onebasin.gaussians import DiagonalGaussian
from onebasin.methods import mean_logdensity, refine, sample

pytestmark = pytest.mark.slow

KEY = jax.random.key(11)
NUM_STEPS = 1500
TARGET = DiagonalGaussian(
    {"b": jnp.float32(1.0), "w": jnp.array([-2.0, 0.5])},
    {"b": jnp.float32(0.3), "w": jnp.array([1.0, 2.0])},
)
ANCHOR = DiagonalGaussian(
    {"b": jnp.float32(-1.0), "w": jnp.array([0.0, 3.0])},
    {"b": jnp.float32(0.6), "w": jnp.array([0.5, 0.4])},
)


def logdensity(params, key):
    del key
    return TARGET.log_prob(params)


def refined(**settings) -> DiagonalGaussian:
    """From a start that is neither the target nor the anchor."""
    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, NUM_STEPS))
    method = refine(
        mean_logdensity(logdensity),
        ANCHOR,
        num_steps=NUM_STEPS,
        num_particles=16,
        optimizer=optimizer,
        **settings,
    )
    start = {"b": jnp.array([0.5]), "w": jnp.array([[1.0, 1.0]])}
    state = sample(method, start, 1, num_chunks=2, key=KEY).last_state
    return method.gaussian(jax.tree.map(lambda leaf: leaf[0, ...], state))


def flat(tree) -> np.ndarray:
    return _trees.ravel_batch(tree, 0).astype(np.float64)


@pytest.mark.parametrize("pull", [0.5, 1e4])
def test_the_optimum_between_target_and_anchor_is_found(pull: float) -> None:
    found = refined(pull=pull)
    target, anchor = flat(TARGET.std) ** -2, flat(ANCHOR.std) ** -2
    both = target + pull * anchor
    std = np.sqrt((1 + pull) / both)
    mean = (target * flat(TARGET.mean) + pull * anchor * flat(ANCHOR.mean)) / both
    np.testing.assert_allclose(flat(found.std), std, rtol=0.03)
    assert (np.abs(flat(found.mean) - mean) < 0.03 * std).all()


def test_a_large_pull_stays_at_the_anchor_without_any_entropy() -> None:
    found = refined(pull=1e4, entropy=0.0)
    np.testing.assert_allclose(flat(found.mean), flat(ANCHOR.mean), atol=0.02)
    np.testing.assert_allclose(flat(found.std), flat(ANCHOR.std), rtol=0.02)


def test_without_entropy_and_pull_the_spread_collapses_onto_the_mode() -> None:
    found = refined(entropy=0.0)
    np.testing.assert_allclose(flat(found.mean), flat(TARGET.mean), atol=0.02)
    assert (flat(found.std) < 0.1 * flat(ANCHOR.std)).all()
