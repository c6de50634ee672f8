"""The representations of the frontier: the numbers that are stored in place of the samples.

Each is a function from a basin to a distribution that can be sampled. Factors are fitted, and
draws are chosen, on inputs between training inputs. Validation and test data are not used here.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import numpy as np

from onebasin import _trees
from onebasin.gaussians.factor_analysis import factor_analysis
from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian, summarize
from onebasin.gaussians.mixture import GaussianMixture
from onebasin.gaussians.unit_blocks import UnitBlocks
from onebasin.prediction.kept_draws import chosen_draws
from onebasin.prediction.tempering import Gaussian, fit_temperature, fit_temperatures, temper
from onebasin.run.setup import Setup
from onebasin.studies.frontier.basin import Basin, as_draws
from onebasin.studies.frontier.matchings import LIKELIHOOD, WITHOUT_SIGNS, ways_that_apply
from onebasin.types import Params

Representation: TypeAlias = DiagonalGaussian | LowRankGaussian | GaussianMixture | UnitBlocks
Builder: TypeAlias = Callable[[Basin], Representation]

RANKS = (2, 6)
CHOSEN = (1, 2, 4, 8)
SHARED = (7,)
_MOST_FIT_DRAWS = 64
_NUM_BLURS = 4


def direct(basin: Basin) -> Representation:
    """The mean and std of the samples before alignment."""
    return summarize(basin.samples)


def compact(way: str) -> Builder:
    """The mean and std of the samples, aligned in one of the ways."""
    return lambda basin: summarize(basin.in_basin[way])


def mean_network(way: str) -> Builder:
    """The mean network of the samples, aligned in one of the ways."""
    return lambda basin: GaussianMixture(as_draws(basin.in_basin[way].mean()))


def compact_tempered(basin: Basin) -> Representation:
    """The compact Gaussian with its std times one fitted factor."""
    return _tempered(basin, summarize(basin.aligned), "temper")


def compact_layer_tempered(basin: Basin) -> Representation:
    """The compact Gaussian with its std times a fitted factor for each array."""
    return _layer_tempered(basin, summarize(basin.aligned), "temper-layers")


def unit_blocks(basin: Basin) -> Representation:
    """A Gaussian with the full covariance within each unit, and none between units."""
    return UnitBlocks(basin.aligned, basin.setup.posterior.symmetry)


def low_rank(rank: int) -> Builder:
    """Principal components of the aligned samples, with their residual std tempered."""
    return lambda basin: _tempered(basin, summarize(basin.aligned, rank), f"rank-{rank}")


def factors(rank: int) -> Builder:
    """Factor analysis of the aligned samples, with its residual std tempered."""
    return lambda basin: _tempered(basin, factor_analysis(basin.aligned, rank), f"factors-{rank}")


def chain_means(basin: Basin) -> Representation:
    """The mean network of each chain, aligned within the chain."""
    return GaussianMixture(_trees.stack([chain.mean() for chain in basin.aligned_chains]))


def chain_gaussians_whole(basin: Basin) -> GaussianMixture:
    """A Gaussian for each chain, aligned within the chain, with an untempered std."""
    fits = [summarize(chain) for chain in basin.aligned_chains]
    return GaussianMixture(
        _trees.stack([fit.mean for fit in fits]), _trees.stack([fit.std for fit in fits])
    )


def chain_gaussians(basin: Basin) -> Representation:
    """A Gaussian for each chain, aligned within the chain, with the stds times one factor."""
    return _tempered(basin, chain_gaussians_whole(basin), "chains")


def chosen(count: int) -> Builder:
    """Draws that are chosen so that together they predict as all draws do."""

    def build(basin: Basin) -> Representation:
        reference = basin.fit_reference
        return _choose(basin, reference.cell_probs(reference), count)

    return build


def chosen_and_shared_std(count: int) -> Builder:
    """Chosen aligned draws, each with the compact std times a fitted factor for each array."""

    def build(basin: Basin) -> Representation:
        reference, std = basin.fit_reference, summarize(basin.aligned).std
        around = lambda networks: GaussianMixture(networks.mean, as_draws(std))
        first = around(_choose(basin, reference.cell_probs(reference), count))
        # Draws are chosen a second time, now with the blur that the std gives their predictions.
        blurred = _blurred_probs(basin, _tempered(basin, first, f"shared-{count}").std)
        return _layer_tempered(basin, around(_choose(basin, blurred, count)), f"shared-{count}")

    return build


def from_samples(setup: Setup) -> dict[str, Builder]:
    """All representations that are made only of samples and apply to a setup, by name.

    `unit-blocks` does not apply if groups of units are nested. Factors or networks apply if there
    are enough draws for them. All this is known without samples.
    """
    num_draws = setup.config.method.num_chains * setup.config.method.num_draws
    found = {way: compact(way) for way in ways_that_apply(setup)}
    if WITHOUT_SIGNS in found:
        found["compact-mean-without-signs"] = mean_network(WITHOUT_SIGNS)
    if not setup.posterior.symmetry.nested:
        found["unit-blocks"] = unit_blocks
    return found | {
        "direct": direct,
        "compact-mean": mean_network(LIKELIHOOD),
        "compact-tempered": compact_tempered,
        "compact-layer-tempered": compact_layer_tempered,
        **{f"low-rank-{rank}": low_rank(rank) for rank in RANKS if rank < num_draws},
        "factor-analysis-2": factors(2),
        "chain-means": chain_means,
        "chain-gaussians": chain_gaussians,
        "chain-gaussians-whole": chain_gaussians_whole,
        **{f"chosen-{count}": chosen(count) for count in CHOSEN if count <= num_draws},
        **{
            f"chosen-{count}-shared-std": chosen_and_shared_std(count)
            for count in SHARED
            if count <= num_draws
        },
    }


def _num_fit_draws(basin: Basin) -> int:
    return min(_MOST_FIT_DRAWS, basin.setup.config.evaluation.num_gaussian_draws)


def _tempered(basin: Basin, whole: Gaussian, purpose: str) -> Gaussian:
    key, reference = basin.setup.key(purpose), basin.fit_reference
    return temper(
        whole, fit_temperature(whole, basin.predict, reference, _num_fit_draws(basin), key=key)
    )


def _layer_tempered(basin: Basin, whole: Gaussian, purpose: str) -> Gaussian:
    key, reference = basin.setup.key(purpose), basin.fit_reference
    factors = fit_temperatures(
        whole,
        basin.predict,
        reference,
        _num_fit_draws(basin),
        num_sweeps=basin.num_sweeps,
        key=key,
    )
    return temper(whole, factors)


def _choose(basin: Basin, probs: np.ndarray, count: int) -> GaussianMixture:
    reference = basin.fit_reference
    goal = reference.cell_probs(reference).mean(axis=0)
    rows = chosen_draws(probs, goal, count)
    return GaussianMixture(jax.tree.map(lambda leaf: leaf[rows], basin.aligned.flatten()))


def _blurred_probs(basin: Basin, std: Params) -> np.ndarray:
    """The predictive of each draw after noise of a std is added to its weights."""
    draws, total = basin.aligned.flatten(), 0.0
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    for blur in range(_NUM_BLURS):
        key = jax.random.fold_in(basin.setup.key("blur"), blur)
        noisy = GaussianMixture(draws, std).sample(num_draws, key=key)
        total = total + basin.predict(noisy).cell_probs(basin.fit_reference)
    return np.asarray(total / _NUM_BLURS)
