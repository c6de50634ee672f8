"""The predictive distribution of regression: a mixture of one Gaussian for each draw."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri

from onebasin._types import Array

_GRID_POINTS = (256, 1024)
_GRID_STDS = 6.0
_CELLS = 64
_QUANTILES = np.linspace(0.05, 0.95, 19)


class MixturePredictive:
    r"""$p(y \mid x) = \tfrac1S \sum_s \mathcal N(y; m_s(x), s_s^2)$, in the targets' units."""

    def __init__(self, means: Float[np.ndarray, "draw batch"], stds: Float[np.ndarray, " draw"]):
        self.means = means
        self.stds = stds

    @property
    def num_draws(self) -> int:
        """The number of draws that are averaged."""
        return len(self.means)

    @cached_property
    def mean(self) -> Float[np.ndarray, " batch"]:
        """The predictive mean."""
        return self.means.mean(axis=0)

    def cell_probs(self, reference: "MixturePredictive") -> Float[np.ndarray, "draw batch cells"]:
        """Each draw's probability of each of 64 cells of the target, which a reference lays out.

        Cells lie between quantiles of the normal with the reference's mean and variance.
        """
        levels = np.linspace(0, 1, _CELLS + 1)[1:-1]
        spread = np.sqrt(reference.means.var(axis=0) + (reference.stds**2).mean())
        edges = reference.mean[:, None] + spread[:, None] * ndtri(levels)
        below = ndtr((edges[None] - self.means[..., None]) / self.stds[:, None, None])
        ends = [np.full((*below.shape[:-1], 1), end) for end in (0.0, 1.0)]
        cells = np.diff(np.concatenate([ends[0], below, ends[1]], axis=-1))
        return cells.astype(np.float32)

    def take(self, rows: Int[np.ndarray, " rows"]) -> "MixturePredictive":
        """The predictive of some draws alone."""
        return MixturePredictive(self.means[rows], self.stds[rows])

    def at(self, examples: slice) -> "MixturePredictive":
        """The predictive of some examples alone."""
        return MixturePredictive(self.means[:, examples], self.stds)

    def density(self, y: Float[np.ndarray, "batch points"]) -> Float[np.ndarray, "batch points"]:
        """The predictive density at some points for each example."""
        return self._average(y, lambda z, std: np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * std))

    def cdf(self, y: Float[np.ndarray, "batch points"]) -> Float[np.ndarray, "batch points"]:
        """The predictive probability of a target below some points for each example."""
        return self._average(y, lambda z, std: ndtr(z))

    def _average(
        self, y: np.ndarray, function: Callable[[np.ndarray, float], np.ndarray]
    ) -> np.ndarray:
        total = np.zeros(y.shape)
        for mean, std in zip(self.means, self.stds, strict=True):
            total += function((y - mean[:, None]) / std, float(std))
        return total / len(self.means)

    def scores(self, targets: Float[Array, " batch"]) -> dict[str, float | None]:
        r"""Root mean squared error, negative log likelihood in nats, CRPS and calibration error.

        CRPS: $\int (F(z) - 1[z \ge y])^2 dz$ (Gneiting and Raftery 2007, equation 20), by a
        grid. Calibration error: the mean over levels $q$ of $|q - \mathrm{share}(F(y) \le q)|$
        (Kuleshov et al. 2018, arXiv 1807.00263, section 3.5). The Brier score is for classes.
        """
        targets = np.asarray(targets, np.float64)
        log_terms = -0.5 * ((targets - self.means) / self.stds[:, None]) ** 2
        log_terms -= np.log(self.stds)[:, None] + 0.5 * np.log(2 * np.pi)
        log_density = np.logaddexp.reduce(log_terms, axis=0) - np.log(len(self.means))
        grid, width = self._grid(targets)
        # The cell that holds the target is split there.
        above = np.clip((grid - targets[:, None]) / width[:, None] + 0.5, 0.0, 1.0)
        below = self.cdf(grid)
        squares = (1 - above) * below**2 + above * (1 - below) ** 2
        levels = self.cdf(targets[:, None])[:, 0]
        shares = (levels[:, None] <= _QUANTILES).mean(axis=0)
        return {
            "rmse": float(np.sqrt(((self.mean - targets) ** 2).mean())),
            "nll": float(-log_density.mean()),
            "brier": None,
            "crps": float((squares.sum(axis=1) * width).mean()),
            "ece": float(np.abs(shares - _QUANTILES).mean()),
        }

    def agreement(self, other: "MixturePredictive") -> None:
        """Not defined without classes."""
        return

    def total_variation(self, other: "MixturePredictive") -> float:
        r"""$\tfrac12 \int |p(y) - q(y)| dy$, the mean over examples (0 to 1).

        By the probabilities of cells of the target, a few in a std of the other's narrowest
        component: exact but for cells in which the densities cross.
        """
        edges, probs = other._cells
        gap = np.abs(self._probs_between(edges) - probs).sum(axis=1)
        return float(np.minimum(0.5 * gap, 1.0).mean())

    @cached_property
    def _cells(self) -> tuple[Float[np.ndarray, "batch edges"], Float[np.ndarray, "batch cells"]]:
        """Edges of cells that cover this mixture, and its probabilities between them.

        Kept, for many are compared with one reference.
        """
        low, high = self._range()
        fractions = np.linspace(0, 1, self._num_points(low, high) + 1)
        edges = low[:, None] + fractions * (high - low)[:, None]
        return edges, self._probs_between(edges)

    def _probs_between(self, edges: Float[np.ndarray, "batch edges"]) -> np.ndarray:
        """The predictive probabilities between edges, before the first and after the last."""
        ends = [np.full((len(edges), 1), end) for end in (0.0, 1.0)]
        return np.diff(np.concatenate([ends[0], self.cdf(edges), ends[1]], axis=1), axis=1)

    def _range(self) -> tuple[Float[np.ndarray, " batch"], Float[np.ndarray, " batch"]]:
        reach = _GRID_STDS * self.stds.max()
        return self.means.min(axis=0) - reach, self.means.max(axis=0) + reach

    def _num_points(self, low: np.ndarray, high: np.ndarray) -> int:
        return int(np.clip(2 * np.max(high - low) / self.stds.min(), *_GRID_POINTS))

    def _grid(
        self, targets: Float[np.ndarray, " batch"]
    ) -> tuple[Float[np.ndarray, "batch points"], Float[np.ndarray, " batch"]]:
        """Points for each example that cover mixture and target, and their spacing."""
        low, high = self._range()
        low, high = np.minimum(low, targets), np.maximum(high, targets)
        num_points = self._num_points(low, high)
        fractions = (np.arange(num_points) + 0.5) / num_points
        width = (high - low) / num_points
        return low[:, None] + fractions * (high - low)[:, None], width
