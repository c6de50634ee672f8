"""Judge: how every representation of a posterior is scored, and what it is held against."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Int

from onebasin._types import Params
from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian
from onebasin.prediction.categorical import Predictive, evaluate
from onebasin.run.setup import Setup

Scores: TypeAlias = dict[str, Any]


class Judge:
    """Scores predictives on the test set, against HMC's."""

    def __init__(self, setup: Setup, reference: Predictive):
        self.setup = setup
        self.reference = reference

    def __call__(
        self, predictive: Predictive, num_numbers: int, reference: Predictive | None = None
    ) -> Scores:
        """The scores of a predictive that stores some numbers for each weight."""
        reference = self.reference if reference is None else reference
        scores = evaluate(predictive, self.setup.test_targets, reference)
        return {**scores, "num_numbers": num_numbers}

    def gaussian(self, name: str, gaussian: DiagonalGaussian | LowRankGaussian) -> Scores:
        """The scores of a Gaussian by draws of it."""
        key = self.setup.key(f"evaluate-{name}")
        draws = gaussian.sample(key, self.setup.config.evaluation.num_gaussian_draws)
        return self(self.setup.predict(draws), gaussian.num_numbers)

    def network(self, params: Params) -> Scores:
        """The scores of one network."""
        alone = jax.tree.map(lambda leaf: leaf[None], params)
        return self(self.setup.predict(alone), 1)

    def held_out_chain(self, num_chains: int, num_draws: int) -> Scores | None:
        """One chain against the others, the mean over which: the best a representation can do."""
        if num_chains < 2:
            return None
        rows = np.arange(num_chains * num_draws).reshape(num_chains, num_draws)
        found = []
        for chain in range(num_chains):
            others = self.reference.take(np.delete(rows, chain, axis=0).reshape(-1))
            found.append(self(self.reference.take(rows[chain]), num_draws, others))
        return _mean_scores(found)

    def kept(self, thinnings: Sequence[Int[np.ndarray, " rows"]]) -> Scores:
        """A few of HMC's draws, the mean over several choices of as many rows."""
        found = [self(self.reference.take(rows), len(rows)) for rows in thinnings]
        return _mean_scores(found)


def _mean_scores(found: Sequence[Scores]) -> Scores:
    return {
        name: None if value is None else float(np.mean([scores[name] for scores in found]))
        for name, value in found[0].items()
    } | {"num_numbers": found[0]["num_numbers"]}
