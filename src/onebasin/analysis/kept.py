"""Kept draws: the rival of every Gaussian is to store a few draws as they are."""

import numpy as np
from jaxtyping import Float, Int

from onebasin.analysis.predictive import Predictive


def evenly_spaced(num_draws: int, count: int, start: float = 0.0) -> Int[np.ndarray, " count"]:
    """Rows of `count` draws spread over all, beginning a share `start` of a spacing in."""
    if not 1 <= count <= num_draws:
        raise ValueError(f"count must lie in [1, {num_draws}] (draws). Got {count}.")
    return ((np.arange(count) + start) * num_draws / count).astype(int)


def chosen_draws(predictive: Predictive, count: int, max_sweeps: int = 10) -> Int[np.ndarray, "_"]:
    """Rows of the draws whose mean prediction lies nearest to that of all, in total variation.

    One after another is added where it helps most, then single draws are exchanged until none
    helps: a local optimum. `predictive` should be on training inputs, not on those of the test.

    Raises: ValueError for a count outside [1, draws].
    Source: Welling (2009), herding, for the idea of choosing instead of drawing.
    """
    if not 1 <= count <= predictive.num_draws:
        raise ValueError(f"count must lie in [1, {predictive.num_draws}] (draws). Got {count}.")
    probs = predictive.draw_probs.reshape(predictive.num_draws, -1)
    goal = probs.mean(axis=0, dtype=np.float64).astype(probs.dtype)
    rows: list[int] = []
    for _ in range(count):
        rows.append(_best(probs, goal, rows))
    for _ in range(max_sweeps):
        before = list(rows)
        for place in range(count):
            rows[place] = _best(probs, goal, rows[:place] + rows[place + 1 :])
        if rows == before:
            break
    return np.array(rows)


def _best(probs: Float[np.ndarray, "draw cells"], goal: np.ndarray, chosen: list[int]) -> int:
    """The draw that brings the mean of the chosen nearest to the goal."""
    missing = goal * np.float32(len(chosen) + 1) - probs[chosen].sum(axis=0)
    gaps = np.array([np.abs(missing - row).sum() for row in probs])
    gaps[chosen] = np.inf
    return int(gaps.argmin())
