"""Kept draws: the rival of every Gaussian is to store a few draws as they are."""

import numpy as np
from jaxtyping import Float, Int


def evenly_spaced(num_draws: int, count: int, start: float = 0.0) -> Int[np.ndarray, " count"]:
    """Rows of `count` draws spread over all, beginning a share `start` of a spacing in.

    Raises: ValueError for a count outside [1, draws] or a start outside [0, 1).
    """
    if not 1 <= count <= num_draws:
        raise ValueError(f"count must lie in [1, {num_draws}] (draws). Got {count}.")
    if not 0 <= start < 1:
        raise ValueError(f"start must lie in [0, 1). Got {start}.")
    # In whole numbers: a start just below 1 would round the last row up to one that is not there.
    return (np.arange(count) * num_draws + int(start * num_draws)) // count


def chosen_draws(
    cell_probs: Float[np.ndarray, "draw batch cells"],
    goal: Float[np.ndarray, "batch cells"],
    count: int,
    max_sweeps: int = 10,
) -> Int[np.ndarray, " count"]:
    """Rows of the draws whose mean prediction lies nearest to a goal, in total variation.

    One after another is added where it helps most, then single draws are exchanged until none
    helps: a local optimum. Predict on training inputs, not on those of the test.

    Raises: ValueError for a count outside [1, draws].
    Source: Welling (2009), Herding dynamical weights to learn, for choosing instead of drawing.
    """
    if not 1 <= count <= len(cell_probs):
        raise ValueError(f"count must lie in [1, {len(cell_probs)}] (draws). Got {count}.")
    probs = np.asarray(cell_probs, np.float32).reshape(len(cell_probs), -1)
    goal = np.asarray(goal, np.float32).reshape(-1)
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


def _best(
    probs: Float[np.ndarray, "draw cells"], goal: Float[np.ndarray, " cells"], chosen: list[int]
) -> int:
    """The draw that brings the mean of the chosen nearest to the goal."""
    missing = goal * np.float32(len(chosen) + 1) - probs[chosen].sum(axis=0)
    gaps = np.array([np.abs(missing - row).sum() for row in probs])
    gaps[chosen] = np.inf
    return int(gaps.argmin())
