"""Judge: scores every representation of a posterior and compares it with the sampler."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Int

from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian
from onebasin.prediction.evaluate import evaluate
from onebasin.prediction.predictive import Predictive
from onebasin.run.results import PredictionScores, Scores
from onebasin.run.setup import Setup
from onebasin.types import Params

_FIELDS = {"calibration_error": "ece"}
"""Scores that have another name in the results."""


def scores_of(setup: Setup, predictive: Predictive) -> PredictionScores:
    """The scores of a predictive on the test set."""
    return PredictionScores.model_validate(by_field(predictive.scores(setup.test_targets)))


class Judge:
    """Scores predictives on the test set and compares them with a reference: all draws."""

    def __init__(self, setup: Setup, reference: Predictive):
        self.setup = setup
        self.reference = reference

    def __call__(self, predictive: Predictive, reference: Predictive | None = None) -> Scores:
        """The scores of a predictive, compared with `reference` or else with all draws."""
        reference = self.reference if reference is None else reference
        scores = evaluate(predictive, self.setup.test_targets, reference)
        return Scores.model_validate(by_field(scores))

    def gaussian(self, name: str, gaussian: DiagonalGaussian | LowRankGaussian) -> Scores:
        """The scores of a Gaussian, whose predictions are averaged over draws from it."""
        key = self.setup.key(f"evaluate-{name}")
        draws = gaussian.sample(self.setup.config.evaluation.num_gaussian_draws, key=key)
        return self(self.setup.predict(draws))

    def network(self, params: Params) -> Scores:
        """The scores of one network."""
        alone = jax.tree.map(lambda leaf: leaf[None], params)
        return self(self.setup.predict(alone))

    def held_out_chain(self, num_chains: int, num_draws: int) -> Scores:
        """The scores of one chain against the remaining chains, averaged over chains.

        This is the Monte Carlo floor: no representation can be expected to come closer.
        """
        rows = np.arange(num_chains * num_draws).reshape(num_chains, num_draws)
        by_chain: list[Scores] = []
        for chain in range(num_chains):
            others = self.reference.take(np.delete(rows, chain, axis=0).reshape(-1))
            by_chain.append(self(self.reference.take(rows[chain]), others))
        return mean_scores(by_chain)

    def kept(self, thinnings: Sequence[Int[np.ndarray, " rows"]]) -> Scores:
        """The scores of a few of the draws, averaged over several selections of rows."""
        return mean_scores([self(self.reference.take(rows)) for rows in thinnings])


def by_field(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores by their names in the results, in which both calibration errors are called `ece`."""
    return {_FIELDS.get(name, name): score for name, score in scores.items()}


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of each score. None if the task does not have the score."""
    values = [one.model_dump() for one in scores]
    return Scores.model_validate(
        {
            name: None if value is None else float(np.mean([by_name[name] for by_name in values]))
            for name, value in values[0].items()
        }
    )
