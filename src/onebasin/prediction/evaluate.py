"""evaluate: how well a predictive fits targets, and how near it comes to a reference."""

from jaxtyping import Num

from onebasin.prediction.predictive import Predictive
from onebasin.types import Array


def evaluate(
    predictive: Predictive, targets: Num[Array, " batch"], reference: Predictive
) -> dict[str, float]:
    """Scores against targets and the comparison with a reference, by name.

    Classes: `accuracy`, `nll`, `brier`, `ece`, `agreement`, `total_variation`.
    Regression and counts: `rmse`, `nll`, `crps`, `calibration_error`, `total_variation`.
    What each means stands at `scores` and `comparison` of the predictive. Whatever your own
    predictive gives there is given here too.

    Raises:
        TypeError: If the reference is a predictive of another type.
        ValueError: If targets or the reference are of other examples, or the likelihood is a log
            density of your own, which has no total variation: take `predictive.scores`.

    Examples:
        >>> reference = ob.predict(posterior, samples.flatten(), data.test.inputs)
        >>> four_draws = reference.take(np.arange(4))
        >>> scores = ob.prediction.evaluate(four_draws, data.test.targets, reference)
        >>> 0 < scores["total_variation"] < 0.5
        True
    """
    return predictive.scores(targets) | predictive.comparison(reference)
