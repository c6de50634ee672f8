"""Chains whose convergence is known: autoregressive processes, and chains in two modes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

import onebasin as ob

COEFFICIENT = 0.8
EFFECTIVE = (1 - COEFFICIENT) / (1 + COEFFICIENT)
"""The share of draws that is effective for a mean."""


class State(NamedTuple):
    position: Any


def _init(position, key):
    return State(position)


def _step(coefficient, sign, state, key):
    """A stationary step about +-5, or 0, with mean `center` and std 1."""
    center = sign * jnp.sign(state.position)
    noise = jax.random.normal(key, jnp.shape(state.position))
    moved = coefficient * (state.position - center) + jnp.sqrt(1 - coefficient**2) * noise
    return State(center + moved), {"lp": -0.5 * (moved**2).sum()}


def autoregressive(**changes) -> ob.methods.Method:
    """Draws with mean 0, std 1 and the autocorrelation COEFFICIENT."""
    return ob.methods.Method(_init, Partial(_step, COEFFICIENT, 0.0), **changes)


def two_modes() -> ob.methods.Method:
    """Independent draws about +-20, on the side on which a chain begins."""
    return ob.methods.Method(_init, Partial(_step, 0.0, 20.0))


def starts(num_chains: int = 4, size: int = 3, seed: int = 5) -> jax.Array:
    """Positions that are draws of the process."""
    return jax.random.normal(jax.random.key(seed), (num_chains, size))


def itself(samples: ob.Samples):
    """The draws themselves as quantities."""
    return samples.params
