"""The step that prunes the mean network and members, in several orders and with a control."""

import jax
import numpy as np
from jaxtyping import Float

from onebasin.gaussians.gaussian import DiagonalGaussian, load_gaussian
from onebasin.intervals import bootstrap_interval, t_interval
from onebasin.pruning.prune import pruned_copies, pruning_scores
from onebasin.run.judge import scores_of
from onebasin.run.results import PrunedNetwork, PruneResults, PruningCurve, PruningPoint
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.run.steps.summarize import load_alignment
from onebasin.samples import Samples
from onebasin.store.draws import load_samples
from onebasin.types import Params


def prune_networks(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> PruneResults:
    """Pruning curves: the score and its 95 % interval by the share of weights kept.

    A curve of members is the mean over members, with Student's interval. A curve of the mean
    network has the bootstrap interval over test examples.
    """
    compact, _ = load_gaussian(run.compact("compact"), setup.template)
    assert isinstance(compact, DiagonalGaussian)
    members = load_samples(run.samples("ensemble"), setup.template)
    aligned = load_alignment(run, setup, "ensemble").apply(members)
    curves: list[PruningCurve] = []
    for order, scores in _scores(setup, compact.mean, compact, 0).items():
        on_progress("pruning", 0.2, f"mean network by {order}")
        points, errors = _curve(setup, compact.mean, scores)
        bounds = _as_score(setup, *bootstrap_interval(errors))
        curves.append(_pruning_curve("compact-mean", order, points, *bounds))
    for order, points in _member_curves(setup, compact, members, aligned, on_progress).items():
        bounds = t_interval(points[:, :, 1])
        curves.append(_pruning_curve("member", order, points.mean(axis=0), *bounds))
    return PruneResults(curves=tuple(curves))


def _pruning_curve(
    network: PrunedNetwork,
    order: str,
    points: Float[np.ndarray, "keeps 3"],
    low: Float[np.ndarray, " keeps"],
    high: Float[np.ndarray, " keeps"],
) -> PruningCurve:
    rows = np.column_stack([points, low, high]).tolist()
    names = ("keep", "score", "nll", "low", "high")
    found = tuple(PruningPoint(**dict(zip(names, row, strict=True))) for row in rows)
    return PruningCurve(network=network, order=order, points=found)


def _member_curves(
    setup: Setup,
    compact: DiagonalGaussian,
    members: Samples,
    aligned: Samples,
    on_progress: ProgressCallback,
) -> dict[str, np.ndarray]:
    """Curves of every member: aligned to the draws, and not aligned (the misaligned control)."""
    found: dict[str, list[np.ndarray]] = {}
    for member in range(members.num_chains):
        on_progress("pruning", 0.2 + 0.8 * member / members.num_chains, f"member {member + 1}")
        here, there = aligned.draw(member, 0), members.draw(member, 0)
        for name, scores in _scores(setup, here, compact, member).items():
            found.setdefault(name, []).append(_curve(setup, here, scores)[0])
        for name, scores in _scores(setup, there, compact, member).items():
            if name in ("std", "signal-to-noise"):
                points = _curve(setup, there, scores)[0]
                found.setdefault(f"{name}-misaligned", []).append(points)
    return {name: np.stack(points) for name, points in found.items()}


def _scores(
    setup: Setup, params: Params, gaussian: DiagonalGaussian, number: int
) -> dict[str, Params]:
    """The scores of every order."""
    return pruning_scores(params, gaussian, key=setup.key(f"prune-{number}"))


def _curve(setup: Setup, params: Params, scores: Params) -> tuple[np.ndarray, np.ndarray]:
    """The points [keep, score, nll], and the score of each test example at each share."""
    keeps = setup.config.evaluation.keeps
    predictive = setup.predict(pruned_copies(params, scores, keeps))
    points, examples = [], []
    for row, keep in enumerate(keeps):
        pruned = predictive.take(np.array([row]))
        scores_on_test = scores_of(setup, pruned)
        points.append([keep, scores_on_test.first, scores_on_test.nll])
        examples.append(pruned.example_scores(setup.test_targets))
    return np.array(points), np.stack(examples, axis=1)


def _as_score(setup: Setup, *bounds: np.ndarray) -> list[np.ndarray]:
    """Convert mean squared errors to root mean squared errors. Accuracies are left as they are."""
    return (
        list(bounds)
        if setup.dataset.task == "classification"
        else jax.tree.map(np.sqrt, list(bounds))
    )
