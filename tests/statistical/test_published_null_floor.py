"""The null floors that the documentation prints, from a plain program that shares no code."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment

pytestmark = pytest.mark.slow

TABLES = Path(__file__).parents[2] / "docs" / "frontier"


def shrinkage(inputs: int, units: int, outputs: int, num_draws: int) -> float:
    """The std of aligned noise relative to its own, in root mean squares over all weights.

    Draws of N(0, 1) are matched by weights to the first, then to their mean until the mean inner
    product rises by less than a share of 1e-4 in a round.
    """
    rng = np.random.default_rng(0)
    # One row for each unit: its incoming weights, bias and outgoing weights.
    draws = rng.standard_normal((num_draws, units, inputs + 1 + outputs))
    aligned, before = _match(draws, draws[0])
    while True:
        aligned, now = _match(draws, aligned.mean(axis=0))
        if now - before < 1e-4 * now:
            break
        before = now
    # The outputs' biases belong to no unit, and keep their std of 1.
    squares = np.append(aligned.var(axis=0).ravel(), np.ones(outputs))
    return float(np.sqrt(squares.mean()))


def _match(draws: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    aligned = np.empty_like(draws)
    for number, draw in enumerate(draws):
        aligned[number] = draw[linear_sum_assignment(target @ draw.T, maximize=True)[1]]
    return aligned, float((aligned * target).sum() / len(draws))


@pytest.mark.parametrize(
    ("name", "sizes", "num_draws"),
    [("digits", (64, 64, 10), 1000), ("mnist-small", (196, 32, 10), 800)],
)
def test_the_floor_by_weights_is_that_of_an_independent_program(name, sizes, num_draws) -> None:
    row = pd.read_csv(TABLES / f"{name}.csv", index_col="representation").loc["compact-by-weights"]
    # HMC's noise is not quite N(0, 1): its stds and means differ a little between inputs.
    expected = shrinkage(*sizes, num_draws)
    assert row["null_std"] / row["noise_std"] == pytest.approx(expected, abs=0.004)
