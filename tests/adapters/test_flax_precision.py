"""verify on Flax modules that compute in a dtype of their own, or carry one from step to step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("flax")

import trials
from flax import linen, nnx

import onebasin as ob

X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)


def verified(module, x):
    """The symmetry of a Linen module, which must be all that is left after trying it."""
    apply, params = ob.from_flax(module, module.init(jax.random.key(0), x))
    symmetry = ob.find_symmetry(apply, params, x)
    assert ob.verify(symmetry, apply, trials.randomized(params), x).symmetry == symmetry
    return symmetry


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_dense_layers_in_a_dtype_of_their_own_keep_their_units(dtype):
    layers = [linen.Dense(8, dtype=dtype), linen.tanh, linen.Dense(7, dtype=dtype), linen.relu]
    symmetry = verified(linen.Sequential([*layers, linen.Dense(2)]), X)
    assert trials.groups(symmetry) == trials.alone(8, 7)
    assert len(symmetry.signs) == 1


@pytest.mark.parametrize(
    "cell", [linen.SimpleCell, linen.GRUCell, linen.LSTMCell, linen.OptimizedLSTMCell]
)
def test_recurrent_layers_that_carry_float32_keep_their_units(cell):
    symmetry = verified(linen.Sequential([linen.RNN(cell(6)), linen.Dense(2)]), X)
    assert trials.groups(symmetry) == trials.alone(6)


def test_a_normalization_in_float32_of_half_precision_keeps_the_residual_stream():
    class Block(nnx.Module):
        def __init__(self, rngs):
            half = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16, "rngs": rngs}
            self.embed, self.out = nnx.Linear(4, 8, **half), nnx.Linear(8, 3, **half)
            self.up, self.down = nnx.Linear(8, 12, **half), nnx.Linear(12, 8, **half)
            self.norm = nnx.RMSNorm(8, dtype=jnp.float32, rngs=rngs)

        def __call__(self, x):
            x = self.embed(x)
            return self.out(x + self.down(jax.nn.silu(self.up(self.norm(x)))))

    apply, params = ob.from_flax(Block(nnx.Rngs(0)))
    symmetry = ob.find_symmetry(apply, params, X)
    assert trials.groups(symmetry) == trials.alone(8, 12)
    assert ob.verify(symmetry, apply, trials.randomized(params), X).symmetry == symmetry
