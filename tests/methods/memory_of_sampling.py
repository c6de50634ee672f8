"""What `test_stored_sampling.py` measures: sampling of 20,000 weights into a store.

It prints the largest resident set of this process in bytes.
"""

import resource
import sys

import jax
import jax.numpy as jnp

import onebasin as ob

if __name__ == "__main__":
    path, num_draws = sys.argv[1], int(sys.argv[2])
    method = ob.hmc(lambda params: -jnp.sum(params["w"] ** 2), num_steps=1, num_warmup=0)
    positions = {"w": jnp.zeros((4, 200, 100))}
    ob.sample(method, positions, num_draws, store=path, key=jax.random.key(1)).mean()
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
