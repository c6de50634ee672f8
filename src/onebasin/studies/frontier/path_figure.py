"""The figure of the path of refinement, from the samples' Gaussian to variational inference."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from onebasin.plots.labels import Label, place_labels
from onebasin.plots.theme import Theme, new_figure, plain_log_ticks
from onebasin.store.tables import Row
from onebasin.studies.frontier.rows import ENTRIES
from onebasin.studies.rows import column


def frontier_path(rows: Sequence[Row], theme: Theme) -> Figure:
    """Total variation and negative ELBO against the distance from the aligned samples' mean.

    One point for each pull, from none (variational inference) to infinite (the samples).
    """
    path = sorted((row for row in rows if _pull(row) is not None), key=_by_pull)
    figure = new_figure(5.6)
    panels = figure.subplots(2, 1, sharex=True)
    moved = np.nan_to_num(column(path, "moved"))
    for axes, metric, sign, label in (
        (panels[0], "total_variation", 1, "total variation to HMC"),
        (panels[1], "elbo", -1, "negative ELBO (nats)"),
    ):
        values = sign * column(path, metric)
        low, high = (sign * column(path, f"{metric}_{side}") for side in ("low", "high"))
        axes.plot(moved, values, "o-", color=theme.blue, markersize=4)
        axes.vlines(moved, low, high, color=theme.blue, linewidth=2, alpha=0.4)
        axes.set_ylabel(label)
        if (values > 0).all():
            axes.set_yscale("log")
            plain_log_ticks(axes)
    panels[-1].set_xlabel("distance from the aligned mean, root mean square over weights")
    points = zip(moved, column(path, "total_variation"), path, strict=True)
    labels = [Label(x, y, _words(row), theme.text) for x, y, row in points]
    line = np.stack([moved, column(path, "total_variation")], axis=1)
    place_labels(figure, panels[0], labels, [line])
    return figure


def _pull(row: Row) -> float | None:
    """The pull of a row of the path; None elsewhere."""
    return ENTRIES[str(row["representation"])].pull


def _by_pull(row: Row) -> float:
    pull = _pull(row)
    assert pull is not None
    return pull


def _words(row: Row) -> str:
    pull = _by_pull(row)
    return "aligned samples" if np.isinf(pull) else f"pull {pull:g}"
