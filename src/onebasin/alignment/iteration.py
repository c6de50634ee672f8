"""How draws are matched to one network, and to the mean of the matched draws, round by round."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from onebasin.alignment.descent import Match, match
from onebasin.alignment.gains import movable_part
from onebasin.alignment.problem import Listener, Problem
from onebasin.alignment.similarity import Draws
from onebasin.alignment.starts import RULES
from onebasin.symmetry.permutation import Permutation
from onebasin.types import Params


class Brought(NamedTuple):
    """Matched draws, the objective of each, and the network that they were matched to."""

    match: Match
    objective: Float[np.ndarray, " draw"]
    network: Params


def match_to(problem: Problem, network: Params, progress: Listener) -> Brought:
    """Match all draws to a network.

    If one pass is not exact, the problem's effort says how many starts are tried.
    """
    rule = RULES[problem.effort]

    def match_with_objective(draws: Draws, start: Permutation) -> Match:
        found = rule(draws, start)
        if found.objective is not None:
            return found
        return found._replace(objective=found.gain + draws.objective(start))

    features = problem.features_of(network)
    target = problem.matching.target(features)
    found, _ = problem.matched(target, problem.identity, match_with_objective, 0, progress)
    objective = np.asarray(found.objective) + problem.matching.constant(features)
    return Brought(found, objective, network)


def match_to_mean(
    problem: Problem, start: Match, max_rounds: int, tolerance: float, progress: Listener
) -> Brought:
    """Match all draws to their mean features, from a start and until they move no more.

    Args:
        problem: The draws.
        start: The match of the draws before the first round.
        max_rounds: The most rounds. A draw that moves in the last of them has not converged.
        tolerance: The iteration ends when a round raises the mean objective by no more than this
            share of what permutations can change of it.
        progress: Called after every chunk of draws.
    """
    found, objective = start, None
    total, moved = problem.sum_features(start.permutation), np.ones(problem.num_draws, bool)
    for number in range(1, max_rounds + 1):
        target = problem.matching.target(problem.mean_features(total))
        previous, before = found, total
        found, moved = problem.matched(target, previous.permutation, match, number, progress)
        found = found._replace(start=previous.start, sweeps=previous.sweeps + found.sweeps)
        total = problem.moved_sum(total, moved, previous.permutation, found.permutation)
        if not moved.any():
            objective = found.objective  # The mean is still what it was matched to.
            break
        part = movable_part(problem.matching.symmetry(problem.symmetry), target)
        if part(jax.tree.map(np.subtract, total, before)) <= tolerance * abs(part(total)):
            break
    else:
        found = found._replace(converged=found.converged & ~moved)
    if objective is None:
        objective = problem.objective(problem.mean_features(total), found.permutation)
    objective = objective + problem.matching.constant(problem.mean_features(total))
    return Brought(found, objective, problem.mean(found.permutation, total))
