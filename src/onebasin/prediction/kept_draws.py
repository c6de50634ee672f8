"""Kept draws: the baseline of every Gaussian, a few draws that are stored as they are."""

import numpy as np
from jaxtyping import Float, Int


def evenly_spaced(num_draws: int, count: int, start: float = 0.0) -> Int[np.ndarray, " count"]:
    """Rows of `count` draws spread over all, beginning a share `start` of a spacing in.

    Raises:
        ValueError: If the count lies outside [1, draws], or the start outside [0, 1).
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
    r"""Rows of the draws whose mean prediction lies nearest to a goal, in total variation.

    $\min_R \sum_x \tfrac12 \| \tfrac1{|R|} \sum_{s \in R} p_s(x) - g(x) \|_1$ over sets $R$ of
    `count` draws. One draw after another is added, the one that helps most; then single draws are
    exchanged until none helps. That is a local optimum. Predict on training inputs or those of
    `mixed_inputs`, not on those of the test.

    Args:
        cell_probs: $p_s(x)$, what each draw predicts: the `cell_probs` of a predictive.
        goal: $g(x)$, what the draws are to predict together, such as the mean of `cell_probs`.
        count: The number of draws to keep, in [1, draws].
        max_sweeps: How often exchanges go through all kept draws, at most. Default: 10.

    Raises:
        ValueError: If the count lies outside [1, draws].

    Examples:
        >>> reference = ob.predict(posterior, samples.flatten(), data.train.inputs)
        >>> cell_probs = reference.cell_probs(reference)
        >>> rows = ob.prediction.chosen_draws(cell_probs, cell_probs.mean(axis=0), 4)
        >>> kept = jax.tree.map(lambda leaf: leaf[rows], samples.flatten())

    Source: the goal, not the algorithm, of Welling (2009), Herding dynamical weights to learn:
    choosing instead of drawing.
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
    probs: Float[np.ndarray, "draw cells"], goal: Float[np.ndarray, " cells"], kept: list[int]
) -> int:
    """The draw that, added to those that are kept, brings their mean nearest to the goal."""
    missing = goal * np.float32(len(kept) + 1) - probs[kept].sum(axis=0)
    gaps = np.array([np.abs(missing - row).sum() for row in probs])
    gaps[kept] = np.inf
    return int(gaps.argmin())
