"""The samplers that are compared, each tuned by its own rule, all from the same starts.

A gradient budget is per chain, and the same for all whose draws have a fixed cost.
"""

from collections.abc import Callable
from functools import partial

from benchmarks.samplers import peers
from benchmarks.samplers.drawn import Drawn, Sampler, draw
from onebasin.methods import adjusted_mclmc, hmc, mclmc, nuts
from onebasin.types import Key, LogDensity, Params

NUM_WARMUP = 150
BASELINE = "hmc 60 .80"


def samplers(budget: int) -> dict[str, Sampler]:
    """All samplers by name, for a budget of gradients of each chain."""
    return {
        BASELINE: _hmc(budget, 60, 0.8),
        "hmc 60 .65": _hmc(budget, 60, 0.65),
        "hmc 60 .65 jitter .5": _hmc(budget, 60, 0.65, jitter=0.5),
        "hmc 30 .65": _hmc(budget, 30, 0.65),
        "hmc 120 .65": _hmc(budget, 120, 0.65),
        "hmc 120 .65 jitter .5": _hmc(budget, 120, 0.65, jitter=0.5),
        "hmc 60 .65 mass": _hmc(budget, 60, 0.65, adapt_mass=True),
        "nuts .80": _nuts(budget, 0.8),
        "nuts .65": _nuts(budget, 0.65),
        "nuts .80 mass": _nuts(budget, 0.8, adapt_mass=True),
        "mclmc": _fixed(mclmc, budget, 60),
        "mclmc 15 .002": _short_mclmc(budget, 2e-3),
        "mclmc 15 .004": _short_mclmc(budget, 4e-3),
        "adjusted_mclmc": _fixed(adjusted_mclmc, budget, 60),
        "numpyro nuts": partial(
            peers.numpyro_nuts, num_warmup=NUM_WARMUP, num_draws=max(20, budget // 300)
        ),
        "chees": partial(peers.chees, num_warmup=500, num_draws=budget // 100),
        "meads": partial(peers.meads, num_warmup=budget // 5, num_draws=budget // 75),
    }


def _hmc(
    budget: int, num_steps: int, target: float, *, adapt_mass: bool = False, jitter: float = 0.0
) -> Sampler:
    build = partial(
        hmc,
        num_steps=num_steps,
        num_warmup=NUM_WARMUP,
        target_acceptance=target,
        adapt_mass=adapt_mass,
        jitter=jitter,
    )
    return partial(_draw, build, budget // num_steps - NUM_WARMUP)


def _short_mclmc(budget: int, energy_variance: float) -> Sampler:
    build = partial(mclmc, num_steps=15, energy_variance=energy_variance)
    return _fixed(build, budget, 30, 120)


def _fixed(builder: Callable, budget: int, cost: int, num_warmup: int = NUM_WARMUP) -> Sampler:
    """A method of which a draw costs so many gradients, more or less."""
    return partial(_draw, partial(builder, num_warmup=num_warmup), budget // cost - num_warmup)


def _nuts(budget: int, target: float, *, adapt_mass: bool = False) -> Sampler:
    # What a draw costs is known afterwards: 350 to 1,023 gradients on diabetes.
    build = partial(nuts, num_warmup=NUM_WARMUP, target_acceptance=target, adapt_mass=adapt_mass)
    return partial(_draw, build, budget // 200)


def _draw(
    build: Callable, num_draws: int, logdensity: LogDensity, positions: Params, key: Key
) -> Drawn:
    return draw(build(logdensity), positions, num_draws, key=key)
