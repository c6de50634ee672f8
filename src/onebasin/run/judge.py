"""Judge: how every representation of a posterior is scored, and what it is held against."""

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
"""Scores that the results hold by another name."""


def scores_of(setup: Setup, predictive: Predictive) -> PredictionScores:
    """The scores of a predictive on the test set."""
    return PredictionScores.model_validate(_by_field(predictive.scores(setup.test_targets)))


class Judge:
    """Scores predictives on the test set, against HMC's."""

    def __init__(self, setup: Setup, reference: Predictive):
        self.setup = setup
        self.reference = reference

    def __call__(self, predictive: Predictive, reference: Predictive | None = None) -> Scores:
        """The scores of a predictive, held against HMC's or another one."""
        reference = self.reference if reference is None else reference
        scores = evaluate(predictive, self.setup.test_targets, reference)
        return Scores.model_validate(_by_field(scores))

    def gaussian(self, name: str, gaussian: DiagonalGaussian | LowRankGaussian) -> Scores:
        """The scores of a Gaussian by draws of it."""
        key = self.setup.key(f"evaluate-{name}")
        draws = gaussian.sample(self.setup.config.evaluation.num_gaussian_draws, key=key)
        return self(self.setup.predict(draws))

    def network(self, params: Params) -> Scores:
        """The scores of one network."""
        alone = jax.tree.map(lambda leaf: leaf[None], params)
        return self(self.setup.predict(alone))

    def held_out_chain(self, num_chains: int, num_draws: int) -> Scores:
        """The scores of one chain against the remaining chains, averaged over chains.

        It is the Monte Carlo floor: no representation can be expected to come nearer.
        """
        rows = np.arange(num_chains * num_draws).reshape(num_chains, num_draws)
        by_chain: list[Scores] = []
        for chain in range(num_chains):
            others = self.reference.take(np.delete(rows, chain, axis=0).reshape(-1))
            by_chain.append(self(self.reference.take(rows[chain]), others))
        return mean_scores(by_chain)

    def kept(self, thinnings: Sequence[Int[np.ndarray, " rows"]]) -> Scores:
        """A few of HMC's draws, the mean over several choices of as many rows."""
        return mean_scores([self(self.reference.take(rows)) for rows in thinnings])


def _by_field(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores by the fields of the results, which hold both calibration errors as `ece`."""
    return {_FIELDS.get(name, name): score for name, score in scores.items()}


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Each score averaged; None if the task does not have it."""
    values = [one.model_dump() for one in scores]
    return Scores.model_validate(
        {
            name: None if value is None else float(np.mean([by_name[name] for by_name in values]))
            for name, value in values[0].items()
        }
    )
