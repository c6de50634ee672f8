"""One cell of the pruning study: networks trained without Bayes, and posteriors of their data."""

from typing import Any, NamedTuple

import jax
import numpy as np

from onebasin.alignment.align import align
from onebasin.alignment.bring import (
    bring_to,
)
from onebasin.alignment.reference import to, to_mean
from onebasin.diagnostics import convergence
from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.methods.method import Method, inits
from onebasin.methods.sample import sample
from onebasin.run.config import RunConfig, check_config
from onebasin.run.methods import ensemble_of, final_gaussian, method_of, vi_of
from onebasin.run.setup import Setup, set_up
from onebasin.samples import Samples
from onebasin.types import Params

NUM_CHAINS = 2
"""The number of HMC's chains. The network at which a chain starts is pruned by that chain only."""

NUM_PRUNED = 2
"""The number of networks that are pruned: the networks at which no chain started."""


class Cell(NamedTuple):
    """One network size on one data set with one seed, and how much is computed for it."""

    data: str
    pool: int
    width: int
    seed: int
    num_train: int | None
    num_test: int | None
    num_draws: int
    num_warmup: int
    num_steps: int
    num_training_steps: int

    @property
    def config(self) -> RunConfig:
        """The config of a run with the same networks."""
        chains = {
            "num_chains": NUM_CHAINS,
            "num_draws": self.num_draws,
            "step_size": 0.008,  # close to the step size after warm-up, so that warm-up is short
            "start": "map",
            "thin": 1,
            "target_acceptance": 0.8,
            "adapt_mass": False,
        }
        return check_config(
            {
                "seed": self.seed,
                "data": {
                    "name": self.data,
                    "pool": self.pool,
                    "num_train": self.num_train,
                    "num_test": self.num_test,
                },
                "network": {"hidden": (self.width,)},
                "method": chains | {"num_warmup": self.num_warmup, "num_steps": self.num_steps},
                "ensemble": {
                    "num_members": NUM_CHAINS + NUM_PRUNED,
                    "num_steps": self.num_training_steps,
                },
                "vi": {"num_steps": self.num_training_steps},
            }
        )


class Posteriors(NamedTuple):
    """The posteriors by HMC and variational inference, and the networks that are pruned.

    `members` are the trained networks, and `aligned_members` the same networks aligned to HMC's
    reference. HMC's chains started at the first of them. `draws` are HMC's draws, and `aligned`
    the same draws aligned.
    """

    setup: Setup
    members: Samples
    aligned_members: Samples
    draws: Samples
    aligned: Samples
    compact: DiagonalGaussian
    vi: DiagonalGaussian


def fit(cell: Cell) -> Posteriors:
    """Train the networks, sample by HMC, fit VI, and align everything to one reference."""
    setup = set_up(cell.config)
    symmetry, matching = setup.posterior.symmetry, setup.matching
    members = _train(setup)
    starts = jax.tree.map(lambda leaf: leaf[:NUM_CHAINS, 0], members.params)
    draws = _draw(setup, starts)
    alignment = align(draws, symmetry, matching, to_mean())
    aligned = alignment.apply(draws)
    aligned_members = align(members, symmetry, matching, to(alignment.reference)).apply(members)
    vi = bring_to(_fit_vi(setup, starts), symmetry, matching, alignment.reference)
    return Posteriors(setup, members, aligned_members, draws, aligned, summarize(aligned), vi)


def _train(setup: Setup) -> Samples:
    num_members = setup.config.ensemble.num_members
    positions = inits(setup.posterior.init, num_members, key=setup.key("ensemble-starts"))
    return _run(setup, ensemble_of(setup), "ensemble", positions, 1)


def _draw(setup: Setup, starts: Params) -> Samples:
    return _run(setup, method_of(setup), "hmc", starts, setup.config.method.num_draws)


def _fit_vi(setup: Setup, starts: Params) -> DiagonalGaussian:
    """Fit VI. It starts at a trained network, so that few steps are enough."""
    method, first = vi_of(setup), jax.tree.map(lambda leaf: leaf[:1], starts)
    return final_gaussian(method, _run(setup, method, "vi", first, 1))


def _run(setup: Setup, method: Method, purpose: str, positions: Any, num_draws: int) -> Samples:
    return sample(method, positions, num_draws, num_chunks=2, key=setup.key(purpose))


def health(found: Posteriors) -> dict[str, float | None]:
    """Whether HMC moved and mixed: its acceptance rate, step size, and R-hat of predictions."""
    predictive = found.setup.predict(found.draws.flatten())
    targets = found.setup.test_targets
    shape = (found.draws.num_chains, found.draws.num_draws, -1)
    mixed = convergence(predictive.draw_predictions(targets).reshape(shape))
    return {
        "hmc_accuracy": predictive.scores(targets)["accuracy"],
        "acceptance_rate": float(np.mean(found.draws.stats["acceptance_rate"])),
        "step_size": float(np.mean(found.draws.stats["step_size"])),
        "rhat_median": mixed["rhat_median"],
        "ess_median": mixed["ess_median"],
    }
