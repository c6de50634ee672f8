"""The figure of the path from the Gaussian of the samples to variational inference."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from onebasin.plots.labels import Label, place_labels
from onebasin.plots.theme import Theme, new_figure, plain_log_ticks
from onebasin.studies.frontier.rows import ENTRIES


def frontier_path(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Total variation and negative ELBO against the distance from the mean of aligned samples.

    Each point is one pull, from 0 (variational inference) to infinity (the samples).
    """
    pulls = [ENTRIES[name].pull for name in rows["representation"]]
    path = rows.assign(pull=pd.Series(pulls, rows.index, float)).dropna(subset="pull")
    path = path.sort_values("pull")
    figure = new_figure(5.6)
    panels = figure.subplots(2, 1, sharex=True)
    moved = path["moved"].fillna(0).to_numpy()
    for axes, metric, sign, label in (
        (panels[0], "total_variation", 1, "total variation to HMC"),
        (panels[1], "elbo", -1, "negative ELBO (nats)"),
    ):
        values = sign * path[metric].to_numpy()
        low, high = (sign * path[f"{metric}_{side}"].to_numpy() for side in ("low", "high"))
        axes.plot(moved, values, "o-", color=theme.blue, markersize=4)
        axes.vlines(moved, low, high, color=theme.blue, linewidth=2, alpha=0.4)
        axes.set_ylabel(label)
        if (values > 0).all():
            axes.set_yscale("log")
            plain_log_ticks(axes)
    panels[-1].set_xlabel("distance from the aligned mean, root mean square over weights")
    line = np.stack([moved, path["total_variation"]], axis=1)
    names = ["aligned samples" if np.isinf(pull) else f"pull {pull:g}" for pull in path["pull"]]
    labels = [Label(x, y, name, theme.text) for (x, y), name in zip(line, names, strict=True)]
    place_labels(figure, panels[0], labels, [line])
    return figure
