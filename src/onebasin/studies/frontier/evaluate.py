"""One seed of the frontier: the scores of every representation of one run."""

from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin.alignment.align import align
from onebasin.alignment.gaussian_matching import gaussian_matching
from onebasin.alignment.null import rms
from onebasin.alignment.reference import to
from onebasin.alignment.weight_matching import weight_matching
from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.gaussians.mixture import GaussianMixture
from onebasin.gaussians.unit_blocks import UnitBlocks
from onebasin.prediction.kept_draws import evenly_spaced
from onebasin.run.judge import Judge
from onebasin.run.results import Scores
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.samples import Samples
from onebasin.studies.frontier.basin import Basin, make_basin
from onebasin.studies.frontier.matchings import LIKELIHOOD, relabelled, significance
from onebasin.studies.frontier.protocol import Protocol
from onebasin.studies.frontier.refined import refined_chains, refined_compact, refinements
from onebasin.studies.frontier.representations import Builder, Representation
from onebasin.studies.frontier.rows import KEPT, kept
from onebasin.studies.frontier.table import Numbers
from onebasin.types import Array, LogDensity, Params

_NUM_ELBO_DRAWS = 64


def evaluate_seed(
    setup: Setup,
    samples: Samples,
    builders: Mapping[str, Builder],
    protocol: Protocol,
    on_progress: ProgressCallback,
) -> dict[str, Numbers]:
    """The scores of the given representations, the path of refinement, and significance."""
    on_progress("aligning", 0.0, "by weights, then by likelihood")
    basin = make_basin(setup, samples, protocol.num_sweeps)
    judge = Judge(setup, setup.predict(samples.flatten()))
    table = _marks(judge, samples)
    for number, (name, build) in enumerate(builders.items()):
        on_progress("from samples", number / len(builders), name)
        table[name] = _score(judge, name, build(basin))
    chosen = refinements()
    for number, (name, refinement) in enumerate(chosen.items()):
        on_progress("refining", number / (len(chosen) + 1), name)
        gaussian = refined_compact(basin, refinement, protocol.num_steps)
        table[name] = _score(judge, name, gaussian) | _distance(basin, gaussian)
    on_progress("refining", len(chosen) / (len(chosen) + 1), "refined-chains")
    table["refined-chains"] = _score(
        judge, "refined-chains", refined_chains(basin, protocol.num_steps)
    )
    on_progress("held-out chain", 0.0, "log density of its aligned draws")
    for name, scores in held_out(setup, samples).items():
        table[name] |= scores
    for number, (name, way) in enumerate(basin.ways.items()):
        on_progress("null floor", number / len(basin.ways), name)
        table[name] |= significance(setup, way, basin.in_basin[name])
    return table


def _marks(judge: Judge, samples: Samples) -> dict[str, Numbers]:
    """The baselines of representations: HMC, one chain of HMC, and kept draws."""
    num_thinnings = judge.setup.config.evaluation.num_thinnings
    starts = (np.arange(num_thinnings) + 0.5) / num_thinnings
    total = judge.reference.num_draws
    found = {"hmc": _stored(judge(judge.reference), total)}
    if samples.num_chains > 1:
        chain = judge.held_out_chain(samples.num_chains, samples.num_draws)
        found["hmc-chain"] = _stored(chain, samples.num_draws)
    for count in (count for count in KEPT if count <= total):
        rows = [evenly_spaced(total, count, float(start)) for start in starts]
        found[kept(count).name] = _stored(judge.kept(rows), count)
    return found


def _stored(scores: Scores, values_per_weight: int) -> Numbers:
    return {**scores.model_dump(), "values_per_weight": values_per_weight}


def _score(judge: Judge, name: str, gaussian: Representation) -> Numbers:
    setup = judge.setup
    if isinstance(gaussian, GaussianMixture) and gaussian.std is None:
        predictive = setup.predict(gaussian.mean)
    else:
        num_draws = setup.config.evaluation.num_gaussian_draws
        predictive = setup.predict(gaussian.sample(num_draws, key=setup.key(f"evaluate-{name}")))
    return _stored(judge(predictive), gaussian.values_per_weight) | {"elbo": _elbo(setup, gaussian)}


def _elbo(setup: Setup, gaussian: Representation) -> float | None:
    r"""$\mathrm E_q[\log p(w, D) - \log q(w)]$ in nats. None if there is no density."""
    if isinstance(gaussian, UnitBlocks):
        return None
    if isinstance(gaussian, GaussianMixture) and gaussian.std is None:
        return None
    draws = gaussian.sample(_NUM_ELBO_DRAWS, key=setup.key("elbo"))
    log_densities = _log_densities_of(setup.posterior.logdensity, draws)
    elbo = float((log_densities - _log_densities_of(gaussian.log_prob, draws)).mean())
    return elbo if np.isfinite(elbo) else None


def _distance(basin: Basin, gaussian: DiagonalGaussian) -> Numbers:
    """The distance of a refined Gaussian's mean from the aligned mean, and its std, both as rms."""
    anchor = summarize(basin.aligned)
    moved = jax.tree.map(np.subtract, gaussian.mean, anchor.mean)
    return {"moved": rms(moved), "std": rms(gaussian.std)}


def held_out(setup: Setup, samples: Samples) -> dict[str, Numbers]:
    """Mean log densities, in nats for each weight, of aligned draws that a fit has not used.

    `held_out_chain` is the density of each chain under the fit to the other chains.
    `held_out_draws` is the density of every second draw of each chain under the fit to the
    other draws. Held-out draws are aligned to the fit by the matching of the fit. For `direct`
    neither the draws of the fit nor the held-out draws are aligned.
    """
    chains = range(samples.num_chains)
    between = lambda first: Samples(jax.tree.map(lambda leaf: leaf[:, first::2], samples.params))
    halves = [_log_densities(setup, between(0), between(1))]
    if samples.num_chains < 2:
        return _means("held_out_draws", halves)
    splits = [(samples.select_chains(*(c for c in chains if c != out)), out) for out in chains]
    by_chain = [_log_densities(setup, others, samples.select_chains(out)) for others, out in splits]
    found = _means("held_out_draws", halves)
    for name, scores in _means("held_out_chain", by_chain).items():
        found[name] |= scores
    return found


def _means(score: str, found: list[dict[str, float]]) -> dict[str, Numbers]:
    return {name: {score: float(np.mean([one[name] for one in found]))} for name in found[0]}


def _log_densities(setup: Setup, seen: Samples, unseen: Samples) -> dict[str, float]:
    symmetry = setup.posterior.symmetry
    by_weights, by_likelihood = relabelled(seen, symmetry)
    found = {"direct": _log_density(summarize(seen), unseen)}
    fit = summarize(by_weights.apply(seen))
    brought = align(unseen, symmetry, weight_matching(), to(by_weights.reference)).apply(unseen)
    found["compact-by-weights"] = _log_density(fit, brought)
    fit = summarize(by_likelihood.apply(seen))
    brought = align(unseen, symmetry, gaussian_matching(fit), to(by_likelihood.reference))
    found[LIKELIHOOD] = _log_density(fit, brought.apply(unseen))
    return found


def _log_density(gaussian: DiagonalGaussian, samples: Samples) -> float:
    terms = _log_densities_of(gaussian.log_prob, samples.flatten())
    return float(terms.mean()) / _trees.size(gaussian.mean)


@eqx.filter_jit
def _log_densities_of(log_density: LogDensity, draws: Params) -> Float[Array, " draws"]:
    """The log density of every draw, in nats.

    The arrays of a bound method count as arguments, so this is compiled only once.
    """
    return jax.lax.map(log_density, jax.tree.map(jax.numpy.asarray, draws))
