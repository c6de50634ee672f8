"""The universe as a reference: draws, or the means of chains, that fit each other in all pairs."""

import equinox as eqx
import jax
import numpy as np

from onebasin import _trees
from onebasin._arguments import check_count
from onebasin.alignment.descent import unmatched
from onebasin.alignment.iteration import Brought, match_to, match_to_mean
from onebasin.alignment.problem import Listener, Problem
from onebasin.alignment.reference import (
    Start,
    by_way_of_chains,
    check_tolerance,
    densest_draw,
    flat_start,
    to_mean,
)
from onebasin.alignment.universe import check_universe, match_pairs
from onebasin.samples import Samples
from onebasin.symmetry.permutation import Permutation
from onebasin.types import Params

_MOST_ROUNDS = 200


def to_universe(
    *,
    start: Start | None = None,
    by_chain: bool = False,
    max_steps: int = 100,
    tolerance: float = 1e-4,
) -> "ToUniverse":
    r"""The mean of draws that are permuted to fit each other in all pairs at once.

    The permutations maximize $\sum_{i < j} \langle P_i F_i, P_j F_j \rangle$. The iterated mean of
    `to_mean` maximizes the same sum, which is that of the squared norm of the mean, but for
    constants. The difference is the search: the Frank-Wolfe algorithm searches over doubly
    stochastic matrices, whose first steps commit no unit. Each matrix is then rounded to the
    nearest permutation. From there the iterated mean continues, which never lowers the sum.

    Take `by_chain=True` for chains of MCMC, and the default for draws that share no chain. In
    measurements with networks of 64-32-32-10 units, the sum of squared distances between pairs
    was, as a share of what `to_mean()` leaves (`python -m benchmarks references`):

    | draws                      | `to_mean(by_chain=True)` | universe | with `by_chain` |
    |----------------------------|--------------------------|----------|-----------------|
    | HMC, 4 chains of 12        | 1.00                     | 1.00     | .96             |
    | HMC, 8 chains of 6         | .96                      | .94      | .92             |
    | HMC, 8 chains of 1         | 1.00                     | .94      | .95             |
    | 10 independent networks    | 1.00                     | .95      | .95             |
    | 50 independent networks    | 1.00                     | .97      | .97             |
    | 50 copies, noise of 1 std  | 1.00                     | 1.00     | 1.00            |
    | 50 copies, noise of 2 stds | 1.00                     | .90      | .90             |

    It does not help if draws are close to each other: then `to_mean()` finds the same. Without
    `by_chain` it can be worse than `to_mean()` by 1 % if few chains have many draws each. It took
    .4 to 9 times the time of `to_mean()` here, but 50 to 80 times with two layers of 256 units.
    Permutations also fit unrelated networks to each other a little: see `null_floor`.

    The search begins by a match to the densest draw. If `lp` is not known, it begins by a match to
    the draw of the largest norm. So the order of the draws decides nothing, except for ties and
    rounding; with `by_chain` that holds for the order of the chains. The optimum is local, even
    with one hidden layer.

    The memory holds the features of all draws, and several times (draws) x (sum of squared group
    sizes) numbers in float32. At most 256 draws, or chains with `by_chain`, are matched. `progress`
    is called after every step, and then in the rounds of the mean.

    Args:
        start: An earlier alignment of the same samples, from whose permutations to begin.
        by_chain: Whether each chain is first brought to its own mean. The means of the chains are
            then permuted to fit each other in all pairs.
        max_steps: The most steps of the Frank-Wolfe algorithm.
        tolerance: The search ends when a step raises the sum by no more than this share of it. The
            iteration of the mean ends as that of `to_mean` does, after 200 rounds at most.

    Raises:
        ValueError: For `start` together with `by_chain`, a negative number of steps, or a negative
            tolerance. In `align`: for nested groups, for signs that flip only some arrays of their
            units, for more than 256 draws, and for a matching whose target is not the mean
            features, each times a number, such as `gaussian_matching`.

    Examples:
        >>> universe = ob.alignment.to_universe(by_chain=True)
        >>> alignment = ob.align(samples, symmetry, reference=universe)

    Source: Crisostomi et al. (2024), arXiv 2405.17897, section 3. The start, the chains and the
    continuation by the mean are ours.
    """
    if start is not None and by_chain:
        raise ValueError(
            "start and by_chain both say where the universe begins. Got both. Leave one out."
        )
    check_count("max_steps", max_steps, 0)
    check_tolerance(tolerance)
    return ToUniverse(start, by_chain, max_steps, tolerance)


class ToUniverse(eqx.Module):
    """Match draws to each other in all pairs at once, and then to their mean."""

    start: Start | None
    by_chain: bool = eqx.field(static=True)
    max_steps: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        """What reports call it."""
        return "universe of chains" if self.by_chain else "universe"

    def bring(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        """Match every draw to all others, or every chain, and then to the iterated mean.

        Raises:
            ValueError: If the start is no alignment of these samples, or if no universe is found
                of such draws, their symmetry or their matching.
        """
        check_universe(problem, samples.num_chains if self.by_chain else problem.num_draws)
        if self.by_chain:
            found = self._chain_by_chain(problem, samples, progress)
        elif self.start is not None:
            found = self._search(problem, flat_start(self.start, problem, samples), progress)
        else:
            found = self._from_one_draw(problem, densest_draw(samples), progress)
        begin = unmatched(found, problem.num_draws)
        return match_to_mean(problem, begin, _MOST_ROUNDS, self.tolerance, progress)

    def _chain_by_chain(
        self, problem: Problem, samples: Samples, progress: Listener
    ) -> Permutation:
        mean = to_mean(max_rounds=_MOST_ROUNDS, tolerance=self.tolerance)
        within, means = mean.within_chains(problem, samples, progress)
        between = self._from_one_draw(problem.of(_trees.stack(means)), None, progress)
        return by_way_of_chains(between, within, samples.num_draws)

    def _from_one_draw(
        self, problem: Problem, draw: Params | None, progress: Listener
    ) -> Permutation:
        draw = _largest_draw(problem) if draw is None else draw
        return self._search(problem, match_to(problem, draw, progress).match.permutation, progress)

    def _search(self, problem: Problem, start: Permutation, progress: Listener) -> Permutation:
        return match_pairs(problem, start, self.max_steps, self.tolerance, progress)


def _largest_draw(problem: Problem) -> Params:
    """The draw whose weights have the largest norm."""
    squares = [
        np.square(leaf.reshape(problem.num_draws, -1), dtype=np.float64).sum(axis=1)
        for leaf in jax.tree.leaves(problem.draws)
    ]
    number = int(np.sum(squares, axis=0).argmax())
    return jax.tree.map(lambda leaf: leaf[number], problem.draws)
