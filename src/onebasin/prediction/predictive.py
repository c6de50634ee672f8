"""Predictive: what every predictive distribution can be asked, whatever its targets are.

Those of classes live in `categorical`, those of regression in `regression`, those of counts in
`counts`, and those of a log density of one's own in `density`.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Num

from onebasin._arguments import check_is
from onebasin.types import Array

P = TypeVar("P", bound="Predictive")
T = TypeVar("T")


@runtime_checkable
class Predictive(Protocol):
    r"""A predictive distribution of the targets of some examples, averaged over draws.

    $p(y \mid x) = \tfrac1S \sum_s p(y \mid x, w_s)$ for the draws $w_1 \dots w_S$ of the weights.

    `predict` makes those of classes (`CategoricalPredictive`), of regression
    (`MixturePredictive`), of counts (`CountPredictive`) and of a log density of your own
    (`DensityPredictive`, which compares nothing). A type of your own needs these methods and no
    base class. Whatever takes a `Predictive` takes it too, except `predictive_match`. Two
    predictives are compared only if they have one type and the same examples.
    """

    @property
    def num_draws(self) -> int:
        """The number of draws that are averaged."""
        ...

    def take(self: P, rows: Int[np.ndarray, " rows"]) -> P:
        """The predictive of some draws alone, given by their rows."""
        ...

    def at(self: P, examples: slice) -> P:
        """The predictive of some examples alone."""
        ...

    def log_density(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, " batch"]:
        r"""$\log p(y \mid x)$ of each example's target, in nats.

        The mean over draws is taken in log space. A density that no float can hold still has its
        logarithm.
        """
        ...

    def scores(self, targets: Num[Array, " batch"]) -> dict[str, float]:
        """How well it predicts targets: scores by name, each a mean over examples.

        `nll`, the mean negative log density in nats, is always among them. A score that these
        targets do not have is absent.
        """
        ...

    def example_scores(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, " batch"]:
        """The score of each example that pruning curves average, such as 1 for a right class."""
        ...

    def draw_predictions(self, targets: Num[Array, " batch"]) -> Float[np.ndarray, "draw batch"]:
        """One number for each draw and example, by which to judge whether chains converged."""
        ...

    def cell_probs(self: P, reference: P) -> Float[np.ndarray, "draw batch cells"]:
        """Each draw's probabilities of cells into which a reference divides the targets.

        Cells do not overlap, and every target lies in one: they are the classes, if there are
        classes.
        """
        ...

    def total_variation(self: P, reference: P) -> float:
        """Half the L1 distance to a reference (0 to 1), the mean over examples."""
        ...

    def comparison(self: P, reference: P) -> dict[str, float]:
        """How near it comes to a reference, by name. `total_variation` is always among them."""
        ...


def check_targets(targets: Num[Array, "..."], num_examples: int) -> None:
    """Refuse targets that are not one number for each example.

    Raises: ValueError.
    """
    if np.shape(targets) != (num_examples,):
        raise ValueError(
            f"targets must be one number for each of the {num_examples} examples. Got targets of "
            f"shape {np.shape(targets)}. Take the targets of the inputs that were predicted."
        )


def check_reference(
    predictive: T, reference: T, shape_of: Callable[[T], tuple[int, ...]], axes: str
) -> None:
    """Refuse a reference of another type, or of other examples or classes.

    Raises: TypeError for another type; ValueError for another shape.
    """
    hint = "Predict both with one posterior on the same inputs."
    check_is("reference", reference, type(predictive), hint)
    if shape_of(reference) != shape_of(predictive):
        raise ValueError(
            f"A reference must have the same {axes}, here {shape_of(predictive)}. "
            f"Got {shape_of(reference)}. {hint}"
        )
