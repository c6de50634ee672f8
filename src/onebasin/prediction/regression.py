"""MixturePredictive: predictive distributions of regression, and their scores."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, Num
from scipy.special import ndtr, ndtri

from onebasin.prediction.predictive import check_reference, check_targets
from onebasin.types import Array

_GRID_POINTS = (256, 1024)
_GRID_STDS = 6.0
_CELLS = 64
_QUANTILES = np.linspace(0.05, 0.95, 19)


class MixturePredictive:
    r"""A mixture of one Gaussian for each draw, for each of some examples.

    $p(y \mid x) = \tfrac1S \sum_s \mathcal N(y; m_s(x), \sigma_s(x)^2)$, in the targets' units.

    Args:
        means: $m_s(x)$ for each draw and example, in the targets' units.
        stds: The std $\sigma_s(x)$ of the noise, positive, in the targets' units: one for each
            draw, or one for each draw and example.

    Examples:
        >>> from onebasin.prediction.regression import MixturePredictive
        >>> mixture = MixturePredictive(np.array([[0.0], [2.0]]), np.array([0.5, 0.5]))
        >>> mixture.mean, mixture.cdf(np.array([[1.0]]))
        (array([1.]), array([[0.5]]))
    """

    def __init__(
        self,
        means: Float[np.ndarray, "draw batch"],
        stds: Float[np.ndarray, " draw"] | Float[np.ndarray, "draw batch"],
    ):
        self.means = means
        self.stds = stds

    @property
    def _columns(self) -> Float[np.ndarray, "draw _batch"]:
        """The stds with an axis of examples, of length 1 if a draw has one std for all."""
        return self.stds if self.stds.ndim == 2 else self.stds[:, None]

    @property
    def num_draws(self) -> int:
        """The number of draws that are averaged."""
        return len(self.means)

    @cached_property
    def mean(self) -> Float[np.ndarray, " batch"]:
        """The predictive mean."""
        return self.means.mean(axis=0)

    def take(self, rows: Int[np.ndarray, " rows"]) -> "MixturePredictive":
        """The predictive of some draws alone, given by their rows."""
        return MixturePredictive(self.means[rows], self.stds[rows])

    def at(self, examples: slice) -> "MixturePredictive":
        """The predictive of some examples alone."""
        stds = self.stds[:, examples] if self.stds.ndim == 2 else self.stds
        return MixturePredictive(self.means[:, examples], stds)

    def density(self, y: Float[np.ndarray, "batch points"]) -> Float[np.ndarray, "batch points"]:
        r"""$p(y \mid x)$ at some points for each example, in one over the targets' unit."""
        return self._average(y, lambda z, std: np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * std))

    def cdf(self, y: Float[np.ndarray, "batch points"]) -> Float[np.ndarray, "batch points"]:
        """$F(y)$, the probability of a target below some points for each example."""
        return self._average(y, lambda z, std: ndtr(z))

    def _average(
        self, y: np.ndarray, function: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        total = np.zeros(y.shape)
        for mean, std in zip(self.means, self._columns[..., None], strict=True):
            total += function((y - mean[:, None]) / std, std)
        return total / len(self.means)

    def log_density(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, " batch"]:
        r"""$\log p(y \mid x)$ of each example's target, in nats.

        It is summed in log space, and finite for a target far from all draws.

        Raises:
            ValueError: If targets are not one number for each example.
        """
        check_targets(targets, self.means.shape[1])
        targets = np.asarray(targets, np.float64)
        log_terms = -0.5 * ((targets - self.means) / self._columns) ** 2
        log_terms -= np.log(self._columns) + 0.5 * np.log(2 * np.pi)
        return np.logaddexp.reduce(log_terms, axis=0) - np.log(len(self.means))

    def scores(self, targets: Num[Array, " batch"]) -> dict[str, float]:
        r"""`rmse`, `nll` in nats, `crps` and `calibration_error`, each over all examples.

        `rmse` is the root mean squared error of the predictive mean, in the targets' units. `nll`
        is the mean of $-\log p(y \mid x)$. `crps` is the continuous ranked probability score
        $\int (F(z) - 1[z \ge y])^2 dz$, in the targets' units, the mean over examples, by a grid.
        `calibration_error` is the mean over 19 levels $q$ = .05 ... .95 of
        $|q - \mathrm{share}(F(y) \le q)|$ (0 to 1): the share is that of the examples.

        Raises:
            ValueError: If targets are not one number for each example.

        Source: Gneiting and Raftery (2007), doi 10.1198/016214506000001437, equation 20; Kuleshov
        et al. (2018), arXiv 1807.00263, section 3.5.
        """
        log_density, targets = self.log_density(targets), np.asarray(targets, np.float64)
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
            "crps": float((squares.sum(axis=1) * width).mean()),
            "calibration_error": float(np.abs(shares - _QUANTILES).mean()),
        }

    def example_scores(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, " batch"]:
        """The squared error of the predictive mean, in squared units of the targets."""
        check_targets(targets, self.means.shape[1])
        return (self.mean - np.asarray(targets)) ** 2

    def draw_predictions(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, "draw batch"]:
        """The mean that every draw predicts, in the targets' units, whatever the targets are."""
        check_targets(targets, self.means.shape[1])
        return self.means

    def cell_probs(self, reference: "MixturePredictive") -> Float[np.ndarray, "draw batch cells"]:
        """Each draw's probability of each of 64 cells of the target, which a reference lays out.

        Cells lie between quantiles of the normal with the reference's mean and variance.

        Raises:
            TypeError: If the reference is of another type.
            ValueError: If the reference has other examples.
        """
        self._check_reference(reference)
        levels = np.linspace(0, 1, _CELLS + 1)[1:-1]
        spread = np.sqrt(reference.means.var(axis=0) + (reference._columns**2).mean(axis=0))
        edges = reference.mean[:, None] + spread[:, None] * ndtri(levels)
        below = ndtr((edges[None] - self.means[..., None]) / self._columns[..., None])
        ends = [np.full((*below.shape[:-1], 1), end) for end in (0.0, 1.0)]
        cells = np.diff(np.concatenate([ends[0], below, ends[1]], axis=-1))
        return cells.astype(np.float32)

    def total_variation(self, reference: "MixturePredictive") -> float:
        r"""$\tfrac12 \int |p(y) - q(y)| dy$ to a reference's $q$, the mean over examples (0 to 1).

        By the probabilities of cells of the target, a few in a std of the reference's narrowest
        component: exact but for cells in which the densities cross.

        Raises:
            TypeError: If the reference is of another type.
            ValueError: If the reference has other examples.

        Source: Izmailov et al. (2021), arXiv 2104.14421, for classes.
        """
        self._check_reference(reference)
        edges, probs = reference._cells
        gap = np.abs(self._probs_between(edges) - probs).sum(axis=1)
        return float(np.minimum(0.5 * gap, 1.0).mean())

    def comparison(self, reference: "MixturePredictive") -> dict[str, float]:
        """`total_variation`; targets without classes have no agreement."""
        return {"total_variation": self.total_variation(reference)}

    def _check_reference(self, reference: "MixturePredictive") -> None:
        check_reference(self, reference, lambda mixture: mixture.means.shape[1:], "examples")

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
        reach = _GRID_STDS * self._columns.max(axis=0)
        return self.means.min(axis=0) - reach, self.means.max(axis=0) + reach

    def _num_points(self, low: np.ndarray, high: np.ndarray) -> int:
        """Enough for two in the narrowest std of the example that needs most, within limits."""
        needed = 2 * np.max((high - low) / self._columns.min(axis=0))
        return int(np.clip(needed, *_GRID_POINTS))

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
