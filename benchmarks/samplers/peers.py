"""Other libraries' samplers, tuned by their own rules: NumPyro's NUTS, BlackJAX's ChEES, MEADS."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

import onebasin as ob
from benchmarks.samplers.drawn import Drawn, health_of
from onebasin.types import Key, LogDensity, Params


def numpyro_nuts(
    logdensity: LogDensity, positions: Params, key: Key, *, num_warmup: int, num_draws: int
) -> Drawn:
    """NumPyro's NUTS with its own defaults: a diagonal mass, acceptance .8, chains in turn."""
    from numpyro.infer import MCMC, NUTS

    mcmc = MCMC(
        NUTS(potential_fn=lambda params: -logdensity(params)),
        num_warmup=num_warmup,
        num_samples=num_draws,
        num_chains=len(jax.tree.leaves(positions)[0]),
        chain_method="sequential",
        progress_bar=False,
    )
    fields = ("num_steps", "accept_prob", "diverging", "potential_energy", "adapt_state.step_size")
    key_warmup, key_draws, key_again = jax.random.split(key, 3)
    options: dict[str, Any] = {"init_params": positions, "extra_fields": fields}
    mcmc.warmup(key_warmup, collect_warmup=True, **options)
    warmup = float(np.sum(mcmc.get_extra_fields()["num_steps"]))
    mcmc.post_warmup_state = mcmc.last_state
    mcmc.run(key_draws, extra_fields=fields)  # compiles
    mcmc.post_warmup_state = mcmc.last_state
    begin = time.perf_counter()
    mcmc.run(key_again, extra_fields=fields)
    jax.block_until_ready(mcmc.get_samples())
    seconds = time.perf_counter() - begin
    found = mcmc.get_extra_fields(group_by_chain=True)
    stats = {
        "n_steps": np.asarray(found["num_steps"]),
        "acceptance_rate": np.asarray(found["accept_prob"]),
        "diverging": np.asarray(found["diverging"]),
        "step_size": np.asarray(found["adapt_state.step_size"]),
    }
    params = jax.tree.map(np.asarray, mcmc.get_samples(group_by_chain=True))
    draws = float(np.sum(stats["n_steps"]))
    samples = ob.Samples(params, stats)
    return Drawn(samples, warmup + draws, seconds * (warmup + draws) / draws, health_of(stats))


def chees(
    logdensity: LogDensity, positions: Params, key: Key, *, num_warmup: int, num_draws: int
) -> Drawn:
    """BlackJAX's HMC whose trajectory length maximizes the ChEES criterion over all chains."""
    import blackjax
    import optax

    key_warmup, key_draws = jax.random.split(key)
    flat, unravel = _raveled(positions)
    of_flat = lambda vector: logdensity(unravel(vector))
    adaptation = blackjax.chees_adaptation(of_flat, len(flat), target_acceptance_rate=0.651)
    arguments = key_warmup, flat, 1e-3, optax.adam(0.02), num_warmup
    (states, settings), info = adaptation.run(*arguments)  # pyright: ignore
    warmup = float(np.sum(info.info.num_integration_steps))
    kernel = blackjax.dynamic_hmc(of_flat, **settings).step
    return _loop(kernel, unravel, states, key_draws, num_draws, warmup, "num_integration_steps")


def meads(
    logdensity: LogDensity, positions: Params, key: Key, *, num_warmup: int, num_draws: int
) -> Drawn:
    """BlackJAX's generalized HMC, tuned by MEADS: one gradient a step, of which a draw is 60."""
    import blackjax

    key_warmup, key_draws = jax.random.split(key)
    flat, unravel = _raveled(positions)
    of_flat = lambda vector: logdensity(unravel(vector))
    adaptation = blackjax.meads_adaptation(of_flat, len(flat))
    (states, settings), _ = adaptation.run(key_warmup, flat, num_warmup)  # pyright: ignore
    one = blackjax.ghmc(of_flat, **settings).step

    def kernel(key: Key, state: Any) -> Any:
        def step(state: Any, key: Key) -> Any:
            state, info = one(key, state)
            return state, info

        state, infos = jax.lax.scan(step, state, jax.random.split(key, _MEADS_THIN))
        return state, jax.tree.map(lambda leaf: leaf[-1], infos)

    warmup = float(num_warmup * len(flat))
    return _loop(kernel, unravel, states, key_draws, num_draws, warmup, None)


_MEADS_THIN = 60


def _raveled(positions: Params) -> tuple[jax.Array, Callable[[Any], Params]]:
    """Every chain as one vector, as BlackJAX's adaptations over chains want it."""
    _, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], positions))
    return jax.vmap(lambda params: ravel_pytree(params)[0])(positions), unravel


def _loop(
    kernel: Any,
    unravel: Callable[[Any], Params],
    states: Any,
    key: Key,
    num_draws: int,
    warmup: float,
    counts: str | None,
) -> Drawn:
    """Draws of all chains in step; the first half is timed apart, for it compiles."""

    @jax.jit
    def run(states: Any, keys: Key) -> Any:
        def step(states: Any, key: Key) -> Any:
            keys = jax.random.split(key, len(jax.tree.leaves(states)[0]))
            states, infos = jax.vmap(kernel)(keys, states)
            steps = getattr(infos, counts) if counts else np.int32(_MEADS_THIN)
            positions = jax.vmap(unravel)(states.position)
            return states, (positions, steps, infos.acceptance_rate, infos.is_divergent)

        return jax.lax.scan(step, states, keys)

    keys = jax.random.split(key, num_draws)
    half = num_draws // 2
    states, first = jax.block_until_ready(run(states, keys[:half]))
    begin = time.perf_counter()
    states, second = jax.block_until_ready(run(states, keys[half : 2 * half]))
    seconds = time.perf_counter() - begin
    both = jax.tree.map(lambda a, b: np.concatenate([np.asarray(a), np.asarray(b)]), first, second)
    positions, steps, acceptance, diverging = jax.tree.map(
        lambda leaf: np.swapaxes(leaf, 0, 1) if leaf.ndim > 1 else leaf, both
    )
    steps = np.broadcast_to(steps, acceptance.shape)
    stats = {"n_steps": steps, "acceptance_rate": acceptance, "diverging": diverging}
    draws = float(np.sum(steps))
    timed = float(np.sum(steps[:, half:]))
    return Drawn(
        ob.Samples(positions, stats),
        warmup + draws,
        seconds * (warmup + draws) / timed,
        health_of(stats),
    )
