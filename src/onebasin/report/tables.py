"""The tables of a report: a run's numbers as rows of text. How they look is the page's affair."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from onebasin.plots.numbers import DASH, counted, fixed, percent, significant, whole
from onebasin.report.figures.pruning import ORDERS
from onebasin.report.figures.weights import METHODS
from onebasin.report.findings import Findings
from onebasin.report.representations import label, meaning, present, representation_rows

_NETWORKS = {"hmc-mean": "HMC mean", "member": "members"}
_SHARES = (1.0, 0.5, 0.2, 0.1)


class Table(NamedTuple):
    """A table as text: its title, header, rows, and what a reader has to know."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""


def representation_table(findings: Findings) -> Table:
    """The scores of every representation."""
    header, *rows = representation_rows(findings.results)
    last = (
        "Brier: squared distance of the probabilities to the truth (0 to 2). ECE: expected "
        "calibration error, 15 bins."
        if findings.is_classification
        else "CRPS: continuous ranked probability score, in units of the target like the RMSE. "
        "ECE: mean gap between nominal and found coverage. Agreement is only for classes."
    )
    note = (
        "Sorted by numbers stored, within equal storage by distance to HMC: rivals stand "
        "together. NLL: negative log likelihood in nats an example. Agreement and TV (total "
        f"variation) are those to HMC, one chain's to the other chains. {last}"
    )
    return Table("Representations", header, rows, note)


def meaning_table(findings: Findings) -> Table:
    """What each representation is, and its name in results.json."""
    rows: list[tuple[str, ...]] = []
    kept = [name for name in present(findings.results) if name.startswith("kept-")]
    for name in present(findings.results):
        if name not in kept:
            rows.append((label(name), meaning(name), name))
    if kept:
        rows.append(("kept draws", meaning(kept[0]), ", ".join(kept)))
    return Table("What the representations are", ("Representation", "What is stored", "Key"), rows)


def comparison_table(findings: Findings) -> Table:
    """How far Gaussians lie apart weight by weight."""
    found: Mapping[str, Any] = findings.results["comparison"]
    rows: list[tuple[str, ...]] = []
    for pair, scores in found.items():
        first, second = pair.split("|")
        names = ("kl_unaligned", "kl", "wasserstein2_unaligned", "wasserstein2")
        words = f"{METHODS.get(first, first)} to {METHODS.get(second, second)}"
        rows.append((words, *(fixed(scores[name]) for name in names)))
    note = (
        "KL of the first method's Gaussian to the second's: the median over weights, in nats. Its "
        "mean is carried by the few weights whose second std is nearly 0. W2: the mean "
        "2-Wasserstein distance over weights, in their unit, the same both ways."
    )
    header = ("Methods", "KL, not aligned", "KL, aligned", "W2, not aligned", "W2, aligned")
    return Table("Methods compared weight by weight", header, rows, note)


def floor_table(findings: Findings) -> Table:
    """Stds by array beside their null floors."""
    found = findings.results["null_floor"]
    rows = [("all weights", *_floor_cells(found), "")]
    for name, scores in found["by_array"].items():
        moves = "" if findings.is_permuted(name) else "never moves"
        rows.append((name.removeprefix("network/"), *_floor_cells(scores), moves))
    header = ("Array", "Not aligned", "Aligned", "Null floor", "Aligned / floor", "ESS", "")
    note = (
        "Root mean squares over weights, in units of the weights. The null floor is the std of "
        "draws that share nothing, as autocorrelated and aligned the same way. ESS: the median "
        "effective sample size of an aligned std. Below 50 a ratio tells nothing."
    )
    return Table("Stds and their null floor", header, rows, note)


def _floor_cells(scores: Mapping[str, float]) -> tuple[str, ...]:
    std, floor = scores["std"], scores["null_std"]
    ratio = std / floor if floor > 0 else None
    found = (scores["unaligned_std"], std, floor, ratio)
    return *map(fixed, found), whole(scores["ess_median"])


def convergence_table(findings: Findings) -> Table:
    """R-hat and effective sample sizes of predictions and weights."""
    found = findings.results["diagnostics"]
    kinds = {
        "predictions": "predictions on test data",
        "weights_unaligned": "weights, not aligned",
        "weights_aligned": "weights, aligned",
    }
    rows = [
        (
            words,
            fixed(found[kind]["rhat_median"]),
            fixed(found[kind]["rhat_max"]),
            whole(found[kind]["ess_median"]),
            whole(found[kind]["ess_min"]),
        )
        for kind, words in kinds.items()
    ]
    note = (
        "Rank-normalized R-hat and bulk effective sample size (ESS) over at most 200 quantities "
        "each. Before alignment those of weights say how chains wander between copies of one "
        "function, not how they mix."
    )
    header = ("Quantities", "R-hat, median", "R-hat, worst", "ESS, median", "ESS, least")
    return Table("Convergence of HMC", header, rows, note)


def connectivity_table(findings: Findings) -> Table:
    """How far loss and error rise halfway between ensemble members."""
    found = findings.results["connectivity"]
    titles = {
        "before": "not aligned",
        "after": "aligned",
        "before_recomputed": "not aligned, statistics recomputed",
        "after_recomputed": "aligned, statistics recomputed",
    }
    rows = [
        (words, *(_with_interval(found[when][name]) for name in ("loss", "error")))
        for when, words in titles.items()
        if when in found
    ]
    pairs = counted(len(found["before"]["loss"]["pairs"]), "pair")
    error = "share of wrong classes" if findings.is_classification else "RMSE"
    recomputed = (
        " Averaging weights shrinks what BatchNorm normalizes, so its statistics are also "
        "recomputed halfway (REPAIR, Jordan et al. 2022)."
        if "after_recomputed" in found
        else ""
    )
    note = (
        f"The midpoint barrier: how far test loss (nats) and test error ({error}) of the mean of "
        f"two members' weights lie above the mean of the two; mean over {pairs} of members and its "
        "95 % interval, below 0 where the middle is better, and near 0 where both lie in one basin "
        f"(Entezari et al. 2021, Ainsworth et al. 2022).{recomputed}"
    )
    header = ("Members", "Barrier of test loss", "Barrier of test error")
    return Table("Between ensemble members", header, rows, note)


def _with_interval(barrier: Mapping[str, Any]) -> str:
    mean, interval = fixed(barrier["mean"]), barrier["interval"]
    return f"{mean} [{fixed(interval[0])}, {fixed(interval[1])}]" if interval else mean


def sampler_table(findings: Findings) -> Table:
    """How the sampler fared, and how the alignment did."""
    sampler = findings.results["diagnostics"]["sampler"]
    alignment = findings.results["alignment"]
    rows = [
        ("Mean acceptance", percent(sampler["acceptance_rate"])),
        ("Mean step size", significant(sampler["step_size"], 3)),
        ("Divergent draws", whole(sampler["num_divergent"])),
        ("Lowest E-BFMI of a chain", fixed(sampler["bfmi_min"], 2)),
        ("Matching, reference", f"{alignment['matching']}, {alignment['reference']}"),
        ("Draws whose matching converged", percent(alignment["converged_share"])),
        ("Mean objective of the matching", significant(alignment["objective"], 5)),
        (
            "Largest change of an output by aligning HMC, ensemble or VI, of the largest output",
            significant(alignment["max_function_change"]),
        ),
        *_low_rank_rows(findings.results["low_rank"]),
    ]
    return Table("Sampler and alignment", ("Quantity", "Value"), rows)


def _low_rank_rows(found: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for rank, scores in found.items():
        rows.append((f"Rank {rank}: variance left over", percent(scores["residual_share"])))
        rows.append((f"Rank {rank}: factor on the residual std", fixed(scores["residual_scale"])))
    return rows


def pruning_table(findings: Findings) -> Table:
    """Scores at a few shares of weights kept, with intervals."""
    rows: list[tuple[str, ...]] = []
    for network, title in _NETWORKS.items():
        for order, words in ORDERS.items():
            name = f"{network}/{order}"
            if name in findings.results["pruning"]:
                cells = (_pruned_cell(findings, name, share) for share in _SHARES)
                rows.append((title, words, *cells))
    score = "Accuracy" if findings.is_classification else "RMSE"
    header = ("Network", "Kept first", *(f"{100 * share:g} % kept" for share in _SHARES))
    note = (
        f"{score} with its 95 % interval: over test examples for the mean network, over members "
        "for the ensemble."
    )
    return Table("Pruning", header, rows, note)


def _pruned_cell(findings: Findings, name: str, share: float) -> str:
    curve = findings.results["pruning"][name]
    intervals = findings.results["pruning_intervals"].get(name) or [None] * len(curve)
    for (keep, score, _), interval in zip(curve, intervals, strict=True):
        if abs(keep - share) < 1e-6:
            if interval is None:
                return fixed(score)
            return f"{fixed(score)} [{fixed(interval[1])}, {fixed(interval[2])}]"
    return DASH


def seconds_table(findings: Findings) -> Table:
    """How long each step took."""
    found = findings.results["seconds"]
    rows = [(step, fixed(seconds, 1)) for step, seconds in found.items()]
    return Table("Time", ("Step", "Seconds"), [*rows, ("all", fixed(sum(found.values()), 1))])


def version_table(findings: Findings) -> Table:
    """The versions of the libraries that fix every number."""
    return Table("Versions", ("Library", "Version"), list(findings.results["versions"].items()))


def config_table(findings: Findings) -> Table:
    """Every choice of the run."""
    rows = list(_flattened(findings.results["config"]))
    note = "With the versions and the machine, these fix every number of this page."
    return Table("Config", ("Key", "Value"), rows, note)


def _flattened(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            rows += _flattened(value, f"{prefix}{key}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            rows.append((f"{prefix}{key}", _written(value)))
    return rows


def _written(value: Any) -> str:
    if value is None:
        return DASH
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
