"""The figure of transpositions: how much of the difference between draws is the order of units."""

from matplotlib.figure import Figure

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.numbers import fixed
from onebasin.plots.theme import Theme, new_figure
from onebasin.report.findings import Findings
from onebasin.run.results import Transpositions


def transpositions(findings: Findings) -> Exhibit:
    """Transpositions against lag within a chain, compared with other chains and with chance."""
    return transpositions_figure(findings.align.transpositions)


def transpositions_figure(found: Transpositions) -> Exhibit:
    """The same figure of these numbers."""
    between = found.between_chains
    chance = f"{fixed(found.baseline_mean, 1)} ± {fixed(found.baseline_std, 1)}"
    words = (
        "With a single chain there is no level between chains. "
        if between is None
        else f"Draws of different chains differ by {fixed(between, 1)} on average. "
    )
    return Exhibit(
        "transpositions",
        "Transpositions between draws",
        "Transpositions between draws of one chain against their lag, with the level between "
        "chains and the level of random permutations.",
        "The number of transpositions (NoT) is the number of pairs of hidden units that must be "
        "swapped to bring one draw as close as possible to another, summed over hidden layers. "
        "The line shows draws of one chain at each lag, as the mean over chains and starts. "
        + words,
        f"Random permutations need {chance} (mean and standard deviation; the band). If the line "
        "stays at 0, the chain keeps its units in order. If it reaches the band, draws at that lag "
        "have no common order left.",
        "The number saturates at the band: two levels inside the band cannot be distinguished. If "
        "units are alike or dead, the best order is not unique, and the number depends on how "
        "ties are broken.",
        lambda theme: _draw(found, theme),
    )


def _draw(found: Transpositions, theme: Theme) -> Figure:
    figure = new_figure(3.9)
    axes = figure.subplots()
    lags = [one.lag for one in found.by_lag]
    counts = [one.count for one in found.by_lag]
    axes.plot(lags, counts, "o-", color=theme.blue, label="within a chain")
    if found.between_chains is not None:
        axes.axhline(
            found.between_chains, color=theme.vermilion, linestyle="--", label="between chains"
        )
    mean, std = found.baseline_mean, found.baseline_std
    axes.axhspan(
        mean - std, mean + std, color=theme.muted, alpha=0.3, linewidth=0,
        label="random permutations",
    )  # fmt: skip
    axes.set_xscale("log", base=2)
    if lags:
        axes.set_xticks(lags, [str(lag) for lag in lags])
    room = 0.05 * (mean + std + 1)
    axes.set_ylim(-room, max([*counts, mean + std, found.between_chains or 0]) + room)
    axes.set_xlabel("lag (draws)")
    axes.set_ylabel("transpositions")
    figure.legend(loc="outside lower center", ncols=3, columnspacing=1.2)
    return figure
