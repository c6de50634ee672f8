"""Samples drawn elsewhere (here by BlackJAX's NUTS), aligned and summarized by onebasin.

Run: python examples/blackjax_samples.py
"""

import blackjax
import jax
import jax.numpy as jnp

import onebasin as ob

NUM_CHAINS, NUM_WARMUP, NUM_DRAWS = 2, 100, 100


def apply(params: dict, inputs: jax.Array) -> jax.Array:
    """A network with one hidden layer of six units, whose signs tanh leaves open."""
    hidden = jnp.tanh(inputs @ params["w1"] + params["b1"])
    return (hidden @ params["w2"])[:, 0]


def main() -> None:
    """Regress a sine; print what each weight is known to."""
    inputs = jnp.linspace(-2, 2, 40)[:, None]
    targets = jnp.sin(2 * inputs[:, 0])

    def logdensity(params: dict) -> jax.Array:
        residual = targets - apply(params, inputs)
        prior = sum((leaf**2).sum() for leaf in jax.tree.leaves(params))
        return -0.5 * (residual**2).sum() / 0.1**2 - 0.5 * prior

    def one_chain(key: jax.Array) -> dict:
        key_start, key_warmup, key_draws = jax.random.split(key, 3)
        start = {"w1": jnp.zeros((1, 6)), "b1": jnp.zeros(6), "w2": jnp.zeros((6, 1))}
        start = jax.tree.map(lambda leaf: leaf + jax.random.normal(key_start, leaf.shape), start)
        warmup = blackjax.window_adaptation(blackjax.nuts, logdensity)
        (state, tuned), _ = warmup.run(key_warmup, start, NUM_WARMUP)
        step = blackjax.nuts(logdensity, **tuned).step

        def draw(state, key: jax.Array):
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(draw, state, jax.random.split(key_draws, NUM_DRAWS))[1]

    keys = jax.random.split(jax.random.key(0), NUM_CHAINS)
    samples = ob.Samples(jax.lax.map(one_chain, keys))  # leaves lead with (chain, draw)

    symmetry = ob.find_symmetry(apply, samples.draw(0, 0), inputs)
    aligned = ob.align(samples, symmetry).apply(samples)
    floor = ob.null_floor(samples, symmetry, key=jax.random.key(1))
    for name, gaussian in {
        "unaligned": ob.summarize(samples),
        "aligned": ob.summarize(aligned),
        "null floor": floor,
    }.items():
        print(f"{name:>10}: root mean square std of a weight {ob.alignment.rms(gaussian.std):.3f}")
    found = ob.alignment.std_significance(samples, symmetry, key=jax.random.key(2))
    print("   verdict:", found.cannot_tell or f"{found.share():.0%} of the stds are significant")


if __name__ == "__main__":
    main()
