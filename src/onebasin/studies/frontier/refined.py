"""Refined representations: Gaussians that are optimized from the Gaussian of aligned samples."""

from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.gaussians.mixture import GaussianMixture
from onebasin.run.refinement import Refinement, refined, refined_mixture
from onebasin.studies.frontier.basin import Basin
from onebasin.studies.frontier.representations import chain_gaussians_whole
from onebasin.studies.frontier.rows import PATH, pulled

REFINEMENTS = {
    "refined-elbo": Refinement(elbo=1.0, predictive=0.0, pull=0.0),
    "refined-predictive": Refinement(elbo=0.0, predictive=1.0, pull=0.1),
    "refined-both": Refinement(elbo=1.0, predictive=1.0, pull=0.0),
}


def refinements() -> dict[str, Refinement]:
    """Every refinement by name, including the path of pulls."""
    path = {pulled(pull).name: Refinement(1.0, 0.0, pull) for pull in PATH}
    return REFINEMENTS | path


def refined_compact(basin: Basin, refinement: Refinement, num_steps: int) -> DiagonalGaussian:
    """The compact Gaussian of a basin, refined."""
    return refined(basin.setup, summarize(basin.aligned), basin.fit, refinement, num_steps)


def refined_chains(basin: Basin, num_steps: int) -> GaussianMixture:
    """A Gaussian for each chain, refined together so that they predict as the samples do.

    Targets are not used.
    """
    return refined_mixture(basin.setup, chain_gaussians_whole(basin), basin.fit, num_steps)
