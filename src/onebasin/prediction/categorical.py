"""CategoricalPredictive: predictive distributions of classes, and their scores."""

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from onebasin.networks.likelihood import check_classes
from onebasin.prediction.predictive import check_reference, check_targets
from onebasin.types import Array

_CALIBRATION_BINS = 15


class CategoricalPredictive:
    r"""The class probabilities of some examples, averaged over draws.

    $p_k = \tfrac1S \sum_s p_s(k)$, where $p_s(k)$ is the probability that draw $s$ gives to class
    $k$. Two classes or more.

    Args:
        draw_log_probs: $\log p_s(k)$ in nats for each draw, example and class: the log softmax of
            logits. They are held as logarithms, because a probability below 1e-308 is no float.

    Examples:
        >>> from onebasin.prediction.categorical import CategoricalPredictive
        >>> halves = CategoricalPredictive(np.log([[[0.9, 0.1]], [[0.3, 0.7]]]))
        >>> halves.probs.round(2)
        array([[0.6, 0.4]])
    """

    def __init__(self, draw_log_probs: Float[np.ndarray, "draw batch classes"]):
        self.draw_log_probs = draw_log_probs

    @property
    def num_draws(self) -> int:
        """The number of draws that are averaged."""
        return len(self.draw_log_probs)

    @cached_property
    def draw_probs(self) -> Float[np.ndarray, "draw batch classes"]:
        """The probabilities that every draw gives."""
        return np.exp(self.draw_log_probs)

    @cached_property
    def probs(self) -> Float[np.ndarray, "batch classes"]:
        """The predictive probabilities."""
        return self.draw_probs.mean(axis=0, dtype=np.float64)

    def take(self, rows: Int[np.ndarray, " rows"]) -> "CategoricalPredictive":
        """The predictive of some draws alone, given by their rows."""
        return CategoricalPredictive(self.draw_log_probs[rows])

    def at(self, examples: slice) -> "CategoricalPredictive":
        """The predictive of some examples alone."""
        return CategoricalPredictive(self.draw_log_probs[:, examples])

    def log_density(self, targets: Int[Array, " batch"]) -> Float[np.ndarray, " batch"]:
        r"""$\log \tfrac1S \sum_s p_s(y)$ of each example's class $y$, in nats.

        It is summed in log space, and as exact for a class that all draws take to be all but
        impossible.

        Raises:
            ValueError: If targets are not one class for each example, counted from 0.
        """
        log_probs = self._of_targets(self.draw_log_probs, targets).astype(np.float64)
        return np.logaddexp.reduce(log_probs, axis=0) - np.log(self.num_draws)

    def scores(self, targets: Int[Array, " batch"]) -> dict[str, float]:
        r"""`accuracy`, `nll` in nats, `brier` and `ece`, each a mean over examples.

        `nll` is the mean of $-\log p_y$ for the class $y$ that is right. `brier` is the Brier
        score $\sum_k (p_k - 1[y = k])^2$ (0 to 2). `ece` is the expected calibration error of
        `expected_calibration_error` (0 to 1).

        Raises:
            ValueError: If targets are not one class for each example, counted from 0.

        Source: Brier (1950), Monthly Weather Review 78, page 1; Guo et al. (2017),
        arXiv 1706.04599, equation 3.
        """
        log_density, probs, targets = self.log_density(targets), self.probs, np.asarray(targets)
        truth = np.eye(probs.shape[1])[targets]
        return {
            "accuracy": float((probs.argmax(axis=1) == targets).mean()),
            "nll": float(-log_density.mean()),
            "brier": float(((probs - truth) ** 2).sum(axis=1).mean()),
            "ece": expected_calibration_error(probs, targets),
        }

    def example_scores(self, targets: Int[Array, " batch"]) -> Float[np.ndarray, " batch"]:
        """1 for each example whose most probable class is right, else 0."""
        self._check_targets(targets)
        return (self.probs.argmax(axis=1) == np.asarray(targets)).astype(float)

    def draw_predictions(self, targets: Int[Array, " batch"]) -> Float[np.ndarray, "draw batch"]:
        """The probability that every draw gives to the class that is right."""
        return self._of_targets(self.draw_probs, targets)

    def cell_probs(
        self, reference: "CategoricalPredictive"
    ) -> Float[np.ndarray, "draw batch classes"]:
        """The probabilities that every draw gives to every class.

        Raises:
            TypeError: If the reference is of another type.
            ValueError: If the reference has other examples or classes.
        """
        self._check_reference(reference)
        return self.draw_probs

    def agreement(self, reference: "CategoricalPredictive") -> float:
        """The share of examples with the same most probable class (0 to 1).

        Raises:
            TypeError: If the reference is of another type.
            ValueError: If the reference has other examples or classes.

        Source: Izmailov et al. (2021), arXiv 2104.14421.
        """
        self._check_reference(reference)
        return float((self.probs.argmax(axis=1) == reference.probs.argmax(axis=1)).mean())

    def total_variation(self, reference: "CategoricalPredictive") -> float:
        r"""$\tfrac12 \sum_k |p_k - q_k|$ to a reference's $q$, the mean over examples (0 to 1).

        Raises:
            TypeError: If the reference is of another type.
            ValueError: If the reference has other examples or classes.

        Source: Izmailov et al. (2021), arXiv 2104.14421.
        """
        self._check_reference(reference)
        return float(0.5 * np.abs(self.probs - reference.probs).sum(axis=1).mean())

    def comparison(self, reference: "CategoricalPredictive") -> dict[str, float]:
        """`agreement` and `total_variation`."""
        return {
            "agreement": self.agreement(reference),
            "total_variation": self.total_variation(reference),
        }

    def _of_targets(
        self, values: Float[np.ndarray, "draw batch classes"], targets: Int[Array, "..."]
    ) -> Float[np.ndarray, "draw batch"]:
        """What every draw says of the classes that are right."""
        self._check_targets(targets)
        return values[:, np.arange(len(targets)), np.asarray(targets)]

    def _check_targets(self, targets: Int[Array, "..."]) -> None:
        _, num_examples, num_classes = self.draw_log_probs.shape
        check_targets(targets, num_examples)
        check_classes(targets, num_classes)

    def _check_reference(self, reference: "CategoricalPredictive") -> None:
        shape_of = lambda predictive: predictive.draw_log_probs.shape[1:]
        check_reference(self, reference, shape_of, "examples and classes")


def expected_calibration_error(
    probs: Float[np.ndarray, "batch classes"], targets: Int[np.ndarray, " batch"]
) -> float:
    r"""$\sum_b \tfrac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|$ over 15 equal bins of confidence.

    In bin $b$ lie $n_b$ of $n$ examples, whose accuracy is $\mathrm{acc}_b$ and whose mean
    confidence, the largest of `probs`, is $\mathrm{conf}_b$. It depends on the bins and is biased
    upward on few examples.

    Source: Guo et al. (2017), arXiv 1706.04599, equation 3.
    """
    confidence = probs.max(axis=1)
    correct = probs.argmax(axis=1) == targets
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    gaps = np.zeros(_CALIBRATION_BINS)
    np.add.at(gaps, bins, correct - confidence)
    return float(np.abs(gaps).sum() / len(targets))
