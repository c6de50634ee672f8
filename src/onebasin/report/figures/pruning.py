"""The figure of pruning: how well a network predicts after weights are set to zero."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.theme import Theme, new_figure, share_ticks
from onebasin.report.findings import Findings
from onebasin.run.results import PrunedNetwork, PruningCurve

ORDERS = {
    "std": "small std first",
    "signal-to-noise": "|weight| / std",
    "magnitude": "|weight|",
    "random": "at random",
    "std-misaligned": "small std first, misaligned",
    "signal-to-noise-misaligned": "|weight| / std, misaligned",
}
"""Which weights are kept first, by the name of the order in results.json."""

_MISALIGNED = {"std-misaligned": "std", "signal-to-noise-misaligned": "signal-to-noise"}
"""The orders by stds that were not aligned, each with the order that it is the control of."""

NETWORKS: dict[PrunedNetwork, str] = {
    "compact-mean": "Mean of the aligned draws",
    "member": "Ensemble members",
}
"""The networks that are pruned, by the names of results.json."""

_TICKS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


def pruning(findings: Findings) -> Exhibit:
    """Accuracy or error against the share of weights kept, for every order."""
    score = "accuracy" if findings.is_classification else "root mean squared error"
    return Exhibit(
        "pruning",
        "Pruning",
        f"The {score} of the mean network and of ensemble members against the share of weights "
        "kept, for several orders of pruning, with 95 % bands.",
        f"Weights are set to zero, beginning with the last weights of an order. The curves show "
        f"{score} against the share of weights that is kept. The std is the std of the compact "
        "Gaussian. Ensemble members were aligned to it first. For the misaligned control they "
        "were not aligned, so that each std was paired with a weight of some other unit.",
        "An order is good if its curve stays at the unpruned level for long. If the std holds "
        "information about single weights, the aligned curve lies "
        + ("above" if findings.is_classification else "below")
        + " its misaligned control and random order. Magnitude is the baseline that needs no "
        "posterior. The dotted line is a constant prediction.",
        "Bands are 95 % intervals: for the mean network by bootstrap over test examples, for "
        "members by Student's t over "
        f"{findings.setup.config.ensemble.num_members} members. They do not include the variation "
        "over seeds or data. Weights of all arrays are ranked together, and nothing is trained "
        "after pruning. Even unpruned, the mean network may predict worse than every draw.",
        lambda theme: _draw(findings, theme),
    )


def _draw(findings: Findings, theme: Theme) -> Figure:
    figure = new_figure(7.6)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, (network, title) in zip(panels, NETWORKS.items(), strict=True):
        for order in ORDERS:
            curve = findings.prune.curve(network, order)
            if curve is not None:
                _draw_curve(curve, axes, theme)
        axes.axhline(
            _constant(findings), color=theme.muted, linestyle=":", label="constant prediction"
        )
        axes.set_xscale("log")
        axes.set_title(title)
        if findings.is_classification:
            axes.set_ylim(0, 1.03)
            axes.set_ylabel("accuracy")
        else:
            axes.set_ylabel("RMSE (units of the target)")
    least = min(findings.setup.config.evaluation.keeps)
    share_ticks(panels[0], [tick for tick in _TICKS if tick >= least])
    panels[0].invert_xaxis()
    panels[1].set_xlabel("share of weights kept")
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _draw_curve(curve: PruningCurve, axes: Axes, theme: Theme) -> None:
    keeps = [point.keep for point in curve.points]
    color, style = _style(curve.order, theme)
    scores = [point.score for point in curve.points]
    axes.plot(keeps, scores, style, color=color, markersize=4, label=ORDERS[curve.order])
    low, high = [point.low for point in curve.points], [point.high for point in curve.points]
    axes.fill_between(keeps, low, high, color=color, alpha=0.1, linewidth=0)


def _style(order: str, theme: Theme) -> tuple[str, str]:
    colors = {
        "std": theme.vermilion,
        "signal-to-noise": theme.blue,
        "magnitude": theme.green,
        "random": theme.muted,
    }
    markers = {"std": "o", "signal-to-noise": "s", "magnitude": "^", "random": "x"}
    score = _MISALIGNED.get(order, order)
    return colors[score], f"{markers[score]}{'-' if score == order else '--'}"


def _constant(findings: Findings) -> float:
    """The score of a constant prediction: the most frequent training class, or the mean target."""
    data = findings.setup.dataset
    train, test = np.asarray(data.train.targets), np.asarray(findings.setup.test_targets)
    if findings.is_classification:
        return float((test == np.bincount(train).argmax()).mean())
    return float(np.sqrt(((test - data.target_mean) ** 2).mean()))
