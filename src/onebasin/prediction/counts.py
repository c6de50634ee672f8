"""CountPredictive: predictive distributions of counts, and their scores."""

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, Num
from scipy.special import gammaln, pdtr

from onebasin.networks.likelihood import check_counts
from onebasin.prediction.predictive import check_reference, check_targets
from onebasin.types import Array

_CELLS = 64
_MOST_CELLS = 1024
_REACH = 6.5, 20.0
_QUANTILES = np.linspace(0.05, 0.95, 19)


class CountPredictive:
    r"""A mixture of one Poisson distribution for each draw, for each of some examples.

    $p(y \mid x) = \tfrac1S \sum_s \lambda_s(x)^y e^{-\lambda_s(x)} / y!$ for counts $y$.

    Args:
        log_rates: $\log \lambda_s(x)$ for each draw and example. They are held as logarithms,
            because a rate below 1e-308 is no float.

    Examples:
        >>> from onebasin.prediction import CountPredictive
        >>> counts = CountPredictive(np.log([[1.0], [3.0]]))
        >>> counts.mean, counts.cdf(np.array([[0.0]])).round(3)
        (array([2.]), array([[0.209]]))
    """

    def __init__(self, log_rates: Float[np.ndarray, "draw batch"]):
        self.log_rates = log_rates

    @property
    def num_draws(self) -> int:
        """The number of draws that are averaged."""
        return len(self.log_rates)

    @cached_property
    def rates(self) -> Float[np.ndarray, "draw batch"]:
        """The mean count that every draw predicts."""
        return np.exp(self.log_rates.astype(np.float64))

    @cached_property
    def mean(self) -> Float[np.ndarray, " batch"]:
        """The predictive mean."""
        return self.rates.mean(axis=0)

    def take(self, rows: Int[np.ndarray, " rows"]) -> "CountPredictive":
        """The predictive of some draws alone, given by their rows."""
        return CountPredictive(self.log_rates[rows])

    def at(self, examples: slice) -> "CountPredictive":
        """The predictive of some examples alone."""
        return CountPredictive(self.log_rates[:, examples])

    def cdf(self, counts: Num[np.ndarray, "batch points"]) -> Float[np.ndarray, "batch points"]:
        """$F(k)$, the probability of a target of at most $k$, at some $k$ for each example."""
        total = np.zeros(counts.shape)
        for rates in self.rates:
            total += _cdf(counts, rates[:, None])
        return total / self.num_draws

    def log_density(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, " batch"]:
        r"""$\log p(y \mid x)$ of each example's count, in nats.

        It is summed in log space, and finite for a count far from all draws.

        Raises:
            ValueError: If targets are not one count for each example.
        """
        counts = self._checked(targets)
        log_terms = counts * self.log_rates - self.rates - gammaln(counts + 1)
        return np.logaddexp.reduce(log_terms, axis=0) - np.log(self.num_draws)

    def scores(self, targets: Num[Array, " batch"]) -> dict[str, float]:
        r"""`rmse`, `nll` in nats, `crps` and `calibration_error`, each over all examples.

        `rmse` is the root mean squared error of the predictive mean, in counts. `nll` is the mean
        of $-\log p(y \mid x)$. `crps` is the ranked probability score
        $\sum_k (F(k) - 1[k \ge y])^2$, in counts, the mean over examples. It is exact if an
        example's probable counts span up to 1,024, and otherwise by cells of several counts.
        `calibration_error` is the mean over 19 levels $q$ = .05 ... .95 of $|q - h(q)|$ (0 to 1).
        Counts have no continuous levels, so $h(q)$ is the mean over examples of
        $(q - F(y - 1)) / (F(y) - F(y - 1))$, held within 0 and 1. Its expectation is $q$ if
        predictions are calibrated.

        Raises:
            ValueError: If targets are not one count for each example.

        Source: Czado, Gneiting and Held (2009), doi 10.1111/j.1541-0420.2009.01191.x, section 2
        for $h$ and section 3 for the ranked probability score.
        """
        log_density, counts = self.log_density(targets), self._checked(targets)
        ends = np.stack([counts - 1, counts], axis=1)
        before, upto = self.cdf(ends).T[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.clip((_QUANTILES - before) / (upto - before), 0.0, 1.0)
        # A count that no draw thinks possible has F(y) = F(y - 1).
        shares = np.where(upto > before, shares, upto <= _QUANTILES).mean(axis=0)
        return {
            "rmse": float(np.sqrt(((self.mean - counts) ** 2).mean())),
            "nll": float(-log_density.mean()),
            "crps": float(self._ranked_scores(counts).mean()),
            "calibration_error": float(np.abs(shares - _QUANTILES).mean()),
        }

    def _ranked_scores(self, counts: Float[np.ndarray, " batch"]) -> np.ndarray:
        low, high = self._range()
        last = _cells(np.minimum(low, counts), np.maximum(high, counts), _MOST_CELLS)
        width = np.diff(last, axis=1, prepend=-1.0)
        # Of the counts of a cell, those that are not below the target.
        above = np.clip(last - counts[:, None] + 1, 0.0, width)
        below = self.cdf(last - np.floor(width / 2))
        return ((width - above) * below**2 + above * (1 - below) ** 2).sum(axis=1)

    def example_scores(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, " batch"]:
        """The squared error of the predictive mean, in squared counts."""
        return (self.mean - self._checked(targets)) ** 2

    def draw_predictions(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, "draw batch"]:
        """The mean count that every draw predicts, whatever the targets are."""
        self._checked(targets)
        return self.rates

    def cell_probs(self, reference: "CountPredictive") -> Float[np.ndarray, "draw batch cells"]:
        """Each draw's probability of each of up to 64 cells of counts, which a reference lays out.

        A cell is a single count if the reference's probable counts span up to 63. Otherwise a
        cell is a range of counts. The first cell holds all counts below too, the last all above.

        Raises:
            TypeError: If the reference is of another type.
            ValueError: If the reference has other examples.
        """
        self._check_reference(reference)
        last = _cells(*reference._range(), _CELLS - 1)
        below = _cdf(last[None], self.rates[..., None])
        ends = [np.full((*below.shape[:-1], 1), end) for end in (0.0, 1.0)]
        cells = np.diff(np.concatenate([ends[0], below, ends[1]], axis=-1))
        return cells.astype(np.float32)

    def total_variation(self, reference: "CountPredictive") -> float:
        r"""$\tfrac12 \sum_k |p(k) - q(k)|$ to a reference's $q$, the mean over examples (0 to 1).

        It is exact, but for tails of less than 1e-9, if an example's probable counts span up to
        1,024. Otherwise it is by cells of several counts, and too small where the probabilities
        cross inside of a cell.

        Raises:
            TypeError: If the reference is of another type.
            ValueError: If the reference has other examples.

        Source: Izmailov et al. (2021), arXiv 2104.14421, for classes.
        """
        self._check_reference(reference)
        low, high = zip(self._range(), reference._range(), strict=True)
        last = _cells(np.minimum(*low), np.maximum(*high), _MOST_CELLS)
        gap = np.diff(self.cdf(last) - reference.cdf(last), axis=1, prepend=0.0, append=0.0)
        return float(np.minimum(0.5 * np.abs(gap).sum(axis=1), 1.0).mean())

    def comparison(self, reference: "CountPredictive") -> dict[str, float]:
        """`total_variation`; counts have no agreement."""
        return {"total_variation": self.total_variation(reference)}

    def _checked(self, targets: Num[Array, "..."]) -> Float[np.ndarray, " batch"]:
        check_targets(targets, self.log_rates.shape[1])
        check_counts(targets)
        return np.asarray(targets, np.float64)

    def _check_reference(self, reference: "CountPredictive") -> None:
        check_reference(self, reference, lambda counts: counts.log_rates.shape[1:], "examples")

    def _range(self) -> tuple[Float[np.ndarray, " batch"], Float[np.ndarray, " batch"]]:
        """Counts that leave less than 1e-9 below the first and above the second."""
        stds, more = _REACH
        least, most = self.rates.min(axis=0), self.rates.max(axis=0)
        low = np.floor(least - stds * np.sqrt(least) - more)
        return np.maximum(low, 0.0), np.ceil(most + stds * np.sqrt(most) + more)


def _cdf(counts: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The probability of at most `counts`, 0 for counts below 0."""
    return np.where(counts < 0, 0.0, pdtr(np.maximum(counts, 0.0), rates))


def _cells(
    low: Float[np.ndarray, " batch"], high: Float[np.ndarray, " batch"], most: int
) -> Float[np.ndarray, "batch cells"]:
    """The last count of each cell, for each example, from `low` to `high` at least.

    Cells are single counts from `low` on if `most` of them suffice. Otherwise they are equally wide
    in the square root of the count, on which Poisson distributions have the std 1/2.
    """
    number = int(min(most, np.max(high - low) + 1))
    single = low[:, None] + np.arange(number)
    steps = np.linspace(0, 1, number)
    roots = np.sqrt(low)[:, None] + steps * (np.sqrt(high) - np.sqrt(low))[:, None]
    wide = np.maximum(np.ceil(roots**2), low[:, None])
    wide[:, -1] = np.maximum(wide[:, -1], high)
    return np.where((high - low < most)[:, None], single, wide)
