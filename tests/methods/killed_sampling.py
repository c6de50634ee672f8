"""What `test_killed_sampling.py` kills: HMC into each store that is named, a line for each commit.

Chunks are short, so that most of the time goes into commits.
"""

import sys

import jax
import jax.numpy as jnp

import onebasin as ob

NUM_DRAWS, NUM_WARMUP, NUM_CHUNKS = 300, 20, 100


def logdensity(params):
    return -0.5 * jnp.sum(params["w"] ** 2) - 0.5 * (params["b"] - 1) ** 2


def sample(store=None, progress=None) -> ob.Samples:
    positions = {"w": jnp.ones((2, 300)), "b": jnp.zeros(2)}
    method = ob.hmc(logdensity, num_steps=3, step_size=0.1, num_warmup=NUM_WARMUP)
    key = jax.random.key(3)
    return ob.sample(
        method,
        positions,
        NUM_DRAWS,
        num_chunks=NUM_CHUNKS,
        progress=progress,
        store=store,
        key=key,
    )


def tell(progress: ob.methods.Progress) -> None:
    if progress.phase != "compiling":
        print(max(0, progress.num_steps - NUM_WARMUP), flush=True)


if __name__ == "__main__":
    for store in sys.argv[1:]:
        sample(store, tell)
