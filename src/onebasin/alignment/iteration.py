"""How draws are matched to one network, and to the mean of the matched draws, round by round."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from onebasin.alignment.descent import Match, match
from onebasin.alignment.gains import movable_part
from onebasin.alignment.layers import match_from_both_starts
from onebasin.alignment.problem import Listener, Problem
from onebasin.alignment.similarity import Draws
from onebasin.symmetry.permutation import Permutation
from onebasin.types import Params


class Brought(NamedTuple):
    """Matched draws, the objective of each, and the network that they were matched to."""

    match: Match
    objective: Float[np.ndarray, " draw"]
    network: Params


def match_to(problem: Problem, network: Params, progress: Listener) -> Brought:
    """Match all draws to a network.

    If one pass is not exact, each draw takes the better of two local optima: from where it is,
    and from a start layer by layer.
    """
    features = problem.features_of(network)
    target = problem.matching.target(features)
    found, _ = problem.matched(target, problem.identity, _match_with_objective, 0, progress)
    return Brought(found, found.gain + problem.matching.constant(features), network)


def _match_with_objective(draws: Draws, start: Permutation) -> Match:
    """A match whose gain is one over nothing: what is matched is the goal itself."""
    found = match_from_both_starts(draws, start)
    return found._replace(gain=found.gain + draws.objective(start))


def match_to_mean(
    problem: Problem, start: Permutation, max_rounds: int, tolerance: float, progress: Listener
) -> Brought:
    """Match all draws to their mean features, from a start and until they move no more.

    Args:
        problem: The draws.
        start: The permutations of the draws before the first round.
        max_rounds: The most rounds. A draw that moves in the last of them has not converged.
        tolerance: The iteration ends when a round raises the mean objective by no more than this
            share of what permutations can change of it.
        progress: Called after every chunk of draws.
    """
    nothing = np.zeros(problem.num_draws)
    found = Match(start, nothing, nothing == 0, nothing.astype(np.int32))
    total, moved = problem.sum_features(start), np.ones(problem.num_draws, bool)
    for number in range(1, max_rounds + 1):
        target = problem.matching.target(problem.mean_features(total))
        previous, before = found.permutation, total
        found, moved = problem.matched(target, previous, match, number, progress)
        total = problem.moved_sum(total, moved, previous, found.permutation)
        if not moved.any():
            break
        part = movable_part(problem.matching.symmetry(problem.symmetry), target)
        if part(jax.tree.map(np.subtract, total, before)) <= tolerance * abs(part(total)):
            break
    else:
        found = found._replace(converged=found.converged & ~moved)
    objective = problem.objective(problem.mean_features(total), found.permutation)
    return Brought(found, objective, problem.mean(found))
