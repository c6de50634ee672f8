"""The figures of dynamics: the line between two networks over epochs, before and after rebasin."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from onebasin.plots.theme import Theme, new_figure
from onebasin.studies.means import draw_means, means_over_seeds
from onebasin.studies.tables import Tables, where

_REBASINS = {
    "before": "as trained",
    "weights": "after rebasin by weights",
    "activations": "after rebasin by activations",
}
_PANELS = {
    "test_loss_barrier": ("Barrier of test loss", "nats"),
    "test_error_barrier": ("Barrier of test error", "share of images"),
    "distance": ("Distance of the weights", "Euclidean"),
}


def figures(tables: Tables) -> dict[str, Callable[[Theme], Figure]]:
    """Barriers, distances and transpositions over epochs, and whole lines at some epochs."""
    return {
        "dynamics": lambda theme: _draw_epochs(tables, theme),
        "lines": lambda theme: _draw_lines(tables, theme),
    }


def _styles(theme: Theme) -> dict[str, tuple[str, str]]:
    return {
        "before": ("s--", theme.muted),
        "weights": ("o-", theme.blue),
        "activations": ("^-", theme.vermilion),
    }


def _draw_epochs(tables: Tables, theme: Theme) -> Figure:
    figure = new_figure(8.8)
    panels = figure.subplots(len(_PANELS) + 1, 1, sharex=True)
    for axes, (name, (title, unit)) in zip(panels, _PANELS.items(), strict=False):
        for rebasin, (style, color) in _styles(theme).items():
            means = means_over_seeds(where(tables["pairs"], rebasin=rebasin), "epoch", name)
            draw_means(axes, means, style, color, _REBASINS[rebasin])
        axes.set_title(title)
        axes.set_ylabel(unit)
    last = panels[-1]
    for rebasin, (style, color) in _styles(theme).items():
        rows = where(tables["pairs"], rebasin=rebasin)
        draw_means(last, means_over_seeds(rows, "epoch", "transpositions"), style, color, "")
    chance = tables["pairs"]["random_transpositions"].iloc[0]
    last.axhline(chance, color=theme.green, linestyle=":", label="random permutations")
    last.set_title("Transpositions by which the weights still differ")
    last.set_ylabel("transpositions")
    last.set_xlabel("epochs")
    handles, labels = panels[0].get_legend_handles_labels()
    more, names = last.get_legend_handles_labels()
    figure.legend([*handles, more[-1]], [*labels, names[-1]], loc="outside lower center", ncols=2)
    return figure


def _draw_lines(tables: Tables, theme: Theme) -> Figure:
    epochs = sorted(tables["points"]["epoch"].unique())
    chosen = [epochs[0], epochs[min(1, len(epochs) - 1)], epochs[-1]]
    figure = new_figure(6.4)
    panels = figure.subplots(2, len(chosen), sharex=True, sharey="row", squeeze=False)
    for number, epoch in enumerate(chosen):
        for axes, name in zip(panels[:, number], ("test_loss", "transpositions"), strict=True):
            for rebasin, (style, color) in _styles(theme).items():
                rows = where(tables["points"], epoch=epoch, rebasin=rebasin)
                means = means_over_seeds(rows, "fraction", name)
                draw_means(axes, means, style[1:], color, _REBASINS[rebasin])
        panels[0, number].set_title(f"epoch {epoch}")
        panels[1, number].set_xticks(np.array([0, 0.5, 1]))
    panels[0, 0].set_ylabel("test loss (nats)")
    panels[1, 0].set_ylabel("transpositions from network 0")
    panels[1, len(chosen) // 2].set_xlabel("place on the line between the networks")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
