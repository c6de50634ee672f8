"""Chains first: draws are brought to the mean of their own chain, then chains to each other.

Draws of one chain lie closer to each other than to those of others, so that their mean is a
better network to match than any single draw.
"""

import jax
import numpy as np

from onebasin import _trees
from onebasin.alignment.matching import Matching
from onebasin.alignment.reference import (
    Problem,
    Rounds,
    match_to,
    match_to_mean,
    starting_point,
)
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation


def chains_start(
    samples: Samples, symmetry: Symmetry, matching: Matching, rounds: Rounds
) -> Permutation:
    """Permutations of all draws, chain after chain, that take each by way of its chain's mean.

    Each chain is matched to its iterated mean, from its densest draw (or first), and the means
    to theirs.
    """
    own, means = [], []
    for chain in range(samples.num_chains):
        alone = samples.chains(chain)
        problem = Problem(symmetry, matching, _trees.to_host(alone.draws()))
        begin, _ = match_to(problem, starting_point(alone, symmetry, "mean"), rounds)
        found, _, mean = match_to_mean(problem, begin.permutation, rounds)
        own.append(found.permutation)
        means.append(mean)
    problem = Problem(symmetry, matching, _trees.stack(means))
    begin, _ = match_to(problem, means[0], rounds)
    between, _, _ = match_to_mean(problem, begin.permutation, rounds)
    repeat = lambda p: np.repeat(p, samples.num_draws, axis=0)
    within = jax.tree.map(lambda *parts: np.concatenate(parts), *own)
    return jax.tree.map(repeat, between.permutation) @ within
