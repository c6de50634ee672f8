"""Convergence of chains: R-hat and effective sample sizes, and when they are good enough."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_count, check_positive
from onebasin._collections import without_statistics
from onebasin.diagnostics.effective_size import bulk_ess
from onebasin.diagnostics.rhat import r_hat
from onebasin.samples import Samples
from onebasin.types import Array

MAX_QUANTITIES = 200
_MOST_IN_BLOCK = 10


@dataclass(frozen=True)
class Converged:
    """When draws count as converged: by their worst R-hat and their smallest effective sample size.

    The worst of 200 R-hats is above 1.01 now and then although all chains sample one distribution,
    so 1.02 is asked of it.

    `sample(..., until=Converged(...))` checks draws while it samples, and ends once they have
    converged. It checks at `least_draws` draws of each chain, and then whenever their number has
    doubled. A sampling that ended at the first good R-hat would be biased: it would end when chains
    agree by chance.

    Args:
        rhat: The largest rank-normalized R-hat that is allowed, above 1. Default: 1.02.
        ess: The smallest bulk effective sample size that is allowed, of all chains together and in
            draws, positive. Default: 400.
        least_draws: For `sample`: how many draws of each chain the first check needs. Default: 100.
        quantities: For `sample`: what is checked, as numbers that it computes of a few draws, such
            as predictions at some inputs. It must compute those of a draw from that draw alone. Of
            more than 200, 200 that are evenly spaced are checked. If the method gives the log
            density `lp` of the draws, its R-hat is checked too. Default: `lp` alone, with its
            effective sample size. It does not show that chains stay in different modes of equal
            density, so give predictions.

    Raises:
        ValueError: If a number is out of its range.

    Examples:
        >>> found = {"rhat_max": 1.07, "ess_min": 520.0}
        >>> print(ob.diagnostics.Converged().problem(found))
        the worst R-hat is 1.070 (at most 1.02 is asked)
        >>> predict = lambda params: network.apply(params, data.test.inputs[:5])
        >>> def logits(samples):  # (chain, draw, inputs * classes)
        ...     logits = jax.vmap(jax.vmap(predict))(samples.params)
        ...     return logits.reshape(samples.num_chains, samples.num_draws, -1)
        >>> until = ob.diagnostics.Converged(quantities=logits)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=20, until=until, key=key)
        >>> print(until.problem(samples.convergence))
        the worst R-hat is ... and the smallest effective sample size is ...

    Source: Vehtari et al. (2021), arXiv 1903.08008, section 4, who ask for 1.01 and 400 of a single
    quantity. Cowles, Roberts and Rosenthal (1999), Journal of Statistical Computation and
    Simulation 64, pages 87 to 104, for the bias of samplings that end when a diagnostic says so;
    Jones et al. (2006), arXiv math/0601446, for a least number of draws against it.
    """

    rhat: float = 1.02
    ess: float = 400.0
    least_draws: int = 100
    quantities: Callable[[Samples], Float[Array, "chain draw quantity"]] | None = None

    def __post_init__(self):
        if not 1 < self.rhat < float("inf"):
            raise ValueError(f"rhat must lie in (1, inf). Got {self.rhat}.")
        check_positive("ess", self.ess)
        check_count("least_draws", self.least_draws)

    @property
    def block(self) -> int:
        """How many draws of each chain `quantities` is called with, from their multiples on.

        Checks come after whole blocks. So its values do not depend on the chunks in which draws
        come, not even by rounding.
        """
        return math.gcd(self.least_draws, _MOST_IN_BLOCK)

    def problem(self, found: Mapping[str, float | None] | None) -> str | None:
        """What is wrong with draws, in words. None if they have converged.

        `found` holds what `convergence` found, as `samples.convergence` does, and perhaps
        "rhat_lp", the R-hat of the log density. Draws of which a number is missing have not
        converged, nor have those that were not checked.
        """
        if found is None:
            return "the draws were not checked"
        rhat, ess, rhat_lp = found["rhat_max"], found["ess_min"], found.get("rhat_lp", 1.0)
        if rhat is None or ess is None or rhat_lp is None:
            return "R-hat or the effective sample size could not be computed"
        problems = []
        if rhat > self.rhat:
            problems.append(f"the worst R-hat is {rhat:.3f} (at most {self.rhat:g} is asked)")
        if ess < self.ess:
            problems.append(
                f"the smallest effective sample size is {ess:.0f} (at least {self.ess:g} is asked)"
            )
        if rhat_lp > self.rhat:
            problems.append(
                f"the R-hat of the log density is {rhat_lp:.3f} (at most {self.rhat:g} is asked)"
            )
        return " and ".join(problems) or None

    def lengths(self, num_draws: int) -> tuple[int, ...]:
        """How many draws of each chain there are at each check, if there are at most `num_draws`.

        Examples:
            >>> ob.diagnostics.Converged(least_draws=100).lengths(1000)
            (100, 200, 400, 800, 1000)
        """
        found: list[int] = []
        length = self.least_draws
        while length < num_draws:
            found.append(length)
            length *= 2
        return (*found, num_draws)


def evenly_spaced(values: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the quantities along the last axis."""
    count = values.shape[-1]
    return values[..., np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))]


def convergence(values: Float[np.ndarray, "chain draw quantities"]) -> dict[str, float | None]:
    """Rank-normalized R-hat and bulk effective sample size (ESS), median and worst of quantities.

    The result has "rhat_median", "rhat_max", "ess_median" and "ess_min". R-hat has no unit and is 1
    if chains agree; ESS is in draws, of all chains together. Of more than 200 quantities, 200 that
    are evenly spaced are taken. Quantities that never vary are left out. A single chain is split
    into two halves.

    All are None if no quantity varies within a chain, or if there are fewer than 4 draws (8 of a
    single chain). One alone is None if it is not finite. For instance, the R-hat of a quantity is
    infinite if it varies from chain to chain and in no chain, or holds a NaN or infinity.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))  # chains that agree
        >>> print(f"{ob.diagnostics.convergence(values)['rhat_max']:.2f}")
        1.00

    Source: Vehtari et al. (2021), arXiv 1903.08008, sections 3 and 4.
    """
    values = np.asarray(evenly_spaced(values, MAX_QUANTITIES), np.float64)
    values = values[..., (values != values[:1, :1]).any(axis=(0, 1))]
    has_rhat = (values != values[:, :1]).any(axis=(0, 1)) & np.isfinite(values).all(axis=(0, 1))
    if len(values) == 1:
        half = values.shape[1] // 2
        values = values[0, : 2 * half].reshape(2, half, -1)
    if values.shape[1] < 4 or not has_rhat.any():
        return dict.fromkeys(("rhat_median", "rhat_max", "ess_median", "ess_min"))
    rhat, ess = np.where(has_rhat, r_hat(values), np.inf), bulk_ess(values)
    return {
        "rhat_median": finite(np.median(rhat)),
        "rhat_max": finite(np.max(rhat)),
        "ess_median": finite(np.median(ess)),
        "ess_min": finite(np.min(ess)),
    }


def finite(value: np.floating) -> float | None:
    """The number, or None if it is not finite, which JSON cannot hold."""
    return float(value) if np.isfinite(value) else None


def weight_convergence(samples: Samples) -> dict[str, float | None]:
    """R-hat and effective sample size of single weights, as `convergence` gives them.

    Running statistics are left out. Before alignment, a weight also varies because units are
    permuted, so these numbers do not say how well chains mix in what the network computes. Neither
    does a good R-hat after alignment say so: see that of predictions too.

    Examples:
        >>> health = ob.diagnostics.weight_convergence(aligned)
        >>> sorted(health)
        ['ess_median', 'ess_min', 'rhat_max', 'rhat_median']

    Source: Vehtari et al. (2021), arXiv 1903.08008, sections 3 and 4.
    """
    return convergence(_trees.ravel_batch(without_statistics(samples.params), num_batch_axes=2))
