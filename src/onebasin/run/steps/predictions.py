"""predictions.csv: what all draws together predict for each test example."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.special import entr

from onebasin.prediction.categorical import CategoricalPredictive
from onebasin.prediction.counts import CountPredictive
from onebasin.prediction.predictive import Predictive
from onebasin.prediction.regression import MixturePredictive
from onebasin.run.setup import Setup
from onebasin.store.files import write_text


def save_predictions(path: Path, setup: Setup, predictive: Predictive) -> None:
    """Write one line for each test example, in the order of their rows in the file.

    Classes: the row, the true class, the most probable class, the probability of each class, and
    the entropy of the probabilities, in nats. Regression: the row, the target, the predictive mean
    and the predictive std, in units of the target.
    """
    rows = setup.dataset.test.rows
    order = np.arange(len(setup.dataset.test)) if rows is None else np.argsort(rows, kind="stable")
    numbers = order if rows is None else rows
    is_categorical = isinstance(predictive, CategoricalPredictive)
    lines = _of_classes(setup, predictive) if is_categorical else _of_numbers(setup, predictive)
    header, *cells = lines
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["row", *header])
    writer.writerows([int(numbers[example]), *cells[example]] for example in order)
    write_text(path, file.getvalue())


def _of_classes(setup: Setup, predictive: CategoricalPredictive) -> Iterator[list[str]]:
    """The header, then the cells of each example."""
    data, probs = setup.dataset, predictive.probs
    names = data.class_names or tuple(map(str, range(probs.shape[1])))
    yield ["target", "predicted", *(f"probability of {name}" for name in names), "entropy"]
    best, entropies = probs.argmax(axis=1), entr(probs).sum(axis=1)
    for example, target in enumerate(data.test.targets.tolist()):
        values = [*probs[example], entropies[example]]
        yield [names[target], names[best[example]], *(f"{value:.6g}" for value in values)]


def _of_numbers(setup: Setup, predictive: Predictive) -> Iterator[list[str]]:
    """The header, then the cells of each example.

    The variance of a mixture is the mean of the variances plus the variance of the means. That of
    a Poisson distribution is its mean.
    """
    if isinstance(predictive, CountPredictive):
        means, variances = predictive.rates, predictive.rates
    else:
        assert isinstance(predictive, MixturePredictive)
        means, variances = predictive.means, predictive.stds**2
    yield ["target", "mean", "std"]
    stds = np.sqrt(variances.mean(axis=0) + means.var(axis=0))
    for values in zip(setup.test_targets, means.mean(axis=0), stds, strict=True):
        yield [f"{value:.6g}" for value in values]
