"""Two runs of HMC on one real posterior compare as equal, and another prior is found.

The network is small and after tanh, so that chains exchange units and signs all the time: R-hat is
below 1.03 after alignment. Each of the 80 runs has chains of its own, so the 40 pairs are
independent. If a pair had any difference with a probability of 5 %, 7 or more of 40 would have one
with a probability of .0034.
"""

from functools import cache

import jax
import numpy as np
import pytest

import onebasin as ob
from onebasin.knowledge import PosteriorComparison, compare_posteriors, describe_comparison
from onebasin.samples import Samples

pytestmark = pytest.mark.long

NUM_PAIRS, NUM_CHAINS, NUM_DRAWS, THIN = 40, 2, 400, 3
MOST = 6


@cache
def runs(prior_std: float, count: int) -> list[Samples]:
    """Runs of HMC with different seeds: all their chains are drawn in one program."""
    data = ob.load_dataset("digits", num_train=100, pool=2)
    network = ob.mlp(16, (3,), 10, "tanh")
    posterior = ob.posterior(network, data.train, prior_std=prior_std)
    method = ob.hmc(posterior.logdensity, num_steps=20, num_warmup=300, jitter=0.2)
    key = jax.random.key(int(10 * prior_std))
    num_chains = count * NUM_CHAINS
    starts = ob.methods.inits(posterior.init_from_prior, num_chains, key=key)
    draws = ob.sample(method, starts, NUM_DRAWS, key=key, thin=THIN, batch_size=num_chains)
    chains = np.arange(num_chains).reshape(count, NUM_CHAINS)
    return [draws.select_chains(*own) for own in chains.tolist()]


def compared(first: Samples, second: Samples) -> PosteriorComparison:
    return compare_posteriors(first, second, ob.mlp(16, (3,), 10, "tanh").symmetry)


def any_differs(comparison) -> bool:
    return bool(comparison["differs_mean"].any() or comparison["differs_std"].any())


def test_runs_with_other_seeds_compare_as_equal(
    capsys: pytest.CaptureFixture[str], unchecked: None
) -> None:
    found = runs(1.0, 2 * NUM_PAIRS)
    pairs = [compared(*found[2 * number : 2 * number + 2]) for number in range(NUM_PAIRS)]
    assert np.mean([float(pair.first["r_hat"].max()) for pair in pairs]) < 1.03
    different = sum(any_differs(pair.comparison) for pair in pairs)
    in_control = sum(any_differs(pair.control) for pair in pairs)
    with capsys.disabled():
        print(f"\n{different} of {NUM_PAIRS} pairs differ anywhere, {in_control} of the controls")
        print(describe_comparison(pairs[0].comparison, pairs[0].control))
    assert different <= MOST
    assert in_control <= MOST


def test_a_prior_that_is_twice_as_wide_is_found(
    capsys: pytest.CaptureFixture[str], unchecked: None
) -> None:
    pair = compared(runs(1.0, 2 * NUM_PAIRS)[0], runs(2.0, 1)[0])
    with capsys.disabled():
        print(f"\n{describe_comparison(pair.comparison, pair.control)}")
    assert float(pair.comparison["share_differs_std"].sel(array_name="all arrays")) > 0.5
    wide = pair.comparison["log_std_ratio"].values[pair.comparison["differs_std"].values]
    assert (wide > 0).mean() > 0.9
