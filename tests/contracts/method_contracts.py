"""The list of methods, the density that they draw from, and what each promises of its draws."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from onebasin.gaussians import DiagonalGaussian
from onebasin.methods import (
    Method,
    adjusted_mclmc,
    deep_ensemble,
    hmc,
    laplace,
    last_layer_laplace,
    mclmc,
    mean_field_vi,
    mean_logdensity,
    nuts,
    refine,
    sghmc,
    sgld,
    swag,
)

KEY = jax.random.key(7)
NUM_CHAINS = 3  # does not divide the two devices of conftest.py
NUM_DRAWS = 7
NUM_WARMUP = 5


def logdensity(params):
    """A Gaussian of three weights, two of them correlated; one leaf is a scalar."""
    w, b = params["w"], params["b"]
    return -0.5 * (w**2).sum() - 0.5 * (b - w[0]) ** 2


def noisy_logdensity(params, key):
    """An unbiased estimate, for a method that is random in nothing else."""
    return logdensity(params) + 0.5 * jax.random.normal(key) * params["b"]


def keyed_logdensity(params, key):
    """The exact density for a method that would take an estimate; quick to compile."""
    del key
    return logdensity(params)


ANCHOR = DiagonalGaussian(
    {"b": jnp.float32(0.5), "w": jnp.zeros(2)}, {"b": jnp.float32(0.3), "w": jnp.full(2, 0.7)}
)

POINT = DiagonalGaussian(ANCHOR.mean, ANCHOR.std | {"b": jnp.float32(0.0)})


def refine_from_anchor(logdensity, anchor=ANCHOR, **settings) -> Method:
    """`refine` as a function of a log density, as the other builders are."""
    return refine(mean_logdensity(logdensity), anchor, **settings)


class Contract(NamedTuple):
    """A method, what it takes, and what it says of every draw."""

    builder: Callable[..., Method]
    logdensity: Callable[..., Any]
    settings: dict[str, Any]
    num_warmup: int
    stats: set[str]

    def build(self, logdensity=None, **changes) -> Method:
        return self.builder(logdensity or self.logdensity, **self.settings | changes)


HMC_STATS = {"lp", "energy", "acceptance_rate", "diverging", "step_size", "n_steps"}
MCLMC_STATS = {"lp", "diverging", "step_size", "momentum_decoherence_length", "n_steps"}
SGMCMC_STATS = {"lp", "step_size", "temperature", "diverging"}

# Every method goes here, and is then held to all that follows.
METHODS = {
    "hmc": Contract(
        hmc,
        logdensity,
        {"num_steps": 3, "step_size": 0.3, "num_warmup": NUM_WARMUP, "target_acceptance": 0.8},
        NUM_WARMUP,
        HMC_STATS,
    ),
    "nuts": Contract(
        nuts,
        logdensity,
        {"max_depth": 3, "step_size": 0.3, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        HMC_STATS | {"tree_depth"},
    ),
    "mclmc": Contract(
        mclmc,
        logdensity,
        # The first energy errors are far above rounding, which the tuning would amplify.
        {"num_steps": 2, "step_size": 2.0, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        MCLMC_STATS | {"energy_variance"},
    ),
    "adjusted_mclmc": Contract(
        adjusted_mclmc,
        logdensity,
        {"max_steps": 3, "step_size": 0.3, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        MCLMC_STATS | {"acceptance_rate"},
    ),
    "deep_ensemble": Contract(
        deep_ensemble,
        noisy_logdensity,
        {"num_steps": NUM_WARMUP, "optimizer": optax.adam(0.1)},
        NUM_WARMUP - 1,
        {"lp"},
    ),
    "mean_field_vi": Contract(
        mean_field_vi,
        keyed_logdensity,
        {"num_steps": NUM_WARMUP, "optimizer": optax.adam(0.1)},
        NUM_WARMUP,
        {"elbo"},
    ),
    "refine": Contract(
        refine_from_anchor,
        keyed_logdensity,
        {
            "num_steps": NUM_WARMUP,
            "num_particles": 2,
            "pull": 0.5,
            "optimizer": optax.adam(0.1),
        },
        NUM_WARMUP,
        {"elbo"},
    ),
    "sgld": Contract(
        sgld,
        noisy_logdensity,
        {"step_size": 0.1, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        SGMCMC_STATS,
    ),
    "sghmc": Contract(
        sghmc,
        noisy_logdensity,
        {"step_size": 0.3, "num_steps": 3, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        SGMCMC_STATS,
    ),
    "swag": Contract(
        swag,
        noisy_logdensity,
        {"num_burn_in": 1, "num_collected": 2, "collect_every": 2, "optimizer": optax.sgd(0.1)},
        NUM_WARMUP,
        {"lp"},
    ),
    "laplace": Contract(
        laplace,
        logdensity,
        {"least_precision": 0.1, "num_steps": NUM_WARMUP, "optimizer": optax.adam(0.1)},
        NUM_WARMUP,
        {"lp"},
    ),
    "last_layer_laplace": Contract(
        last_layer_laplace,
        logdensity,
        {
            "leaves": ("w",),
            "least_precision": 0.1,
            "num_steps": NUM_WARMUP,
            "optimizer": optax.adam(0.1),
        },
        NUM_WARMUP,
        {"lp"},
    ),
}


def starts(num_chains: int = NUM_CHAINS):
    """Where chains begin; the second and the third begin alike."""
    draws = np.random.default_rng(3).standard_normal((2, 3)).astype(np.float32)
    draws = draws[[0, 1, 1]][:num_chains]
    return {"b": jnp.asarray(draws[:, 0]), "w": jnp.asarray(draws[:, 1:])}
