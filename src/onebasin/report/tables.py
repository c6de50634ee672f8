"""The tables of a report: the numbers of a run as rows of text. The page lays them out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from onebasin.plots.numbers import DASH, counted, fixed, percent, significant, whole
from onebasin.report.figures.pruning import ORDERS
from onebasin.report.findings import Findings
from onebasin.report.representations import in_order, kept_draws, representation_rows
from onebasin.run.barriers import Barrier, Basin
from onebasin.run.kinds import keys_of
from onebasin.run.methods import with_defaults
from onebasin.run.nested import flat
from onebasin.run.representations import method_names
from onebasin.run.results import LowRank, PrunedNetwork, PruningPoint
from onebasin.run.trust import ArrayFloor, Convergence, NullFloor, SamplerHealth
from onebasin.run.weights import ArrayKnowledge, WeightKnowledge

_NETWORKS: dict[PrunedNetwork, str] = {"compact-mean": "mean network", "member": "members"}
_SHARES = (1.0, 0.5, 0.2, 0.1)


class Table(NamedTuple):
    """A table as text: its title, its header, its rows, and a note for the reader."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""


def _with_warning(findings: Findings, table: Table) -> Table:
    """A table with the warning that the sampler has not converged, if it has not, in its note."""
    warning = findings.summarize.diagnostics.warning
    return table if warning is None else table._replace(note=f"{warning} {table.note}")


Maker: TypeAlias = Callable[[Findings], Table]
"""A function that makes a table of findings."""


def representation_table(findings: Findings) -> Table:
    """The scores of every representation."""
    header, *rows = representation_rows(findings.compare)
    sampler = findings.sampler
    last = (
        "Brier: squared distance of the probabilities to the truth (0 to 2). ECE: expected "
        "calibration error, 15 bins."
        if findings.is_classification
        else "CRPS: continuous ranked probability score, in units of the target like the RMSE. "
        "ECE: mean gap between nominal and observed quantiles. Agreement exists only for classes."
    )
    note = (
        f"Rows are sorted by numbers stored, and for equal storage by distance to {sampler}. NLL: "
        "negative log likelihood in nats per example. Agreement and TV (total variation) compare "
        f"with {sampler}; one chain is compared with the other chains. {last}"
    )
    return _with_warning(findings, Table("Representations", header, rows, note))


def meaning_table(findings: Findings) -> Table:
    """The meaning of each representation, and its name in results.json."""
    all_of_them = [one.representation for one in in_order(findings.compare)]
    rows = [(r.label, r.meaning, r.key) for r in all_of_them if r.family != "kept"]
    kept = [one.representation for one in kept_draws(findings.compare)]
    if kept:
        rows.append(("kept draws", kept[0].meaning, ", ".join(r.key for r in kept)))
    return Table("What the representations are", ("Representation", "What is stored", "Key"), rows)


def comparison_table(findings: Findings) -> Table:
    """Whose means and stds differ between two methods, and the distances between Gaussians."""
    rows: list[tuple[str, ...]] = []
    names = method_names(findings.setup.config.method.kind)
    for pair in findings.compare.comparisons:
        words = f"{names[pair.first]} to {names[pair.second]}"
        found = pair.weights
        shares = (
            found.differs_mean, found.equivalent_mean, found.differs_std, found.equivalent_std,
        )  # fmt: skip
        before, after = pair.unaligned, pair.aligned
        distances = (before.kl, after.kl, before.wasserstein2, after.wasserstein2)
        rows.append((words, *map(percent, shares), *map(fixed, distances)))
    note = (
        "Differ: the share of the weights whose mean or std differs after alignment, given the "
        "Monte Carlo errors of both methods, at a false discovery rate of .05 (half for means, "
        "half for stds). Equal: the share whose means are within .2 stds, or whose stds are within "
        ".2 in the log of their ratio, by two one-sided tests. The other weights are undecided. "
        "KL: the divergence from the Gaussian of the first method to the second, median over "
        "weights, in nats. Its mean would be dominated by the few weights whose second std is "
        "nearly 0. W2: the 2-Wasserstein distance, mean over weights, in units of the weights. "
        "All but KL are symmetric."
    )
    header = (
        "Methods", "Means differ", "Means equal", "Stds differ", "Stds equal", "KL, not aligned",
        "KL, aligned", "W2, not aligned", "W2, aligned",
    )  # fmt: skip
    table = Table("Methods compared weight by weight", header, rows, note)
    return _with_warning(findings, table)


def knowledge_table(findings: Findings) -> Table:
    """What the draws say of the weights of each array, and how well."""
    found = findings.summarize
    table = table_of_knowledge(found.weights, findings.array_names, found.balanced_weights)
    return _with_warning(findings, table)


def table_of_knowledge(
    found: WeightKnowledge, names: Mapping[str, str], balanced: WeightKnowledge | None = None
) -> Table:
    """What draws say of the weights of each array, which has a name by its path."""
    rows = [("all weights", *_knowledge_cells(found))]
    for name, one in found.by_array.items():
        rows.append((names[name], *_knowledge_cells(one)))
    note_balanced = ""
    if balanced is not None:
        rows.append(("all weights, balanced", *_knowledge_cells(balanced)))
        note_balanced = (
            " Balanced: every unit is scaled so that its incoming and outgoing weights have the "
            "same norm, in draws, noise and prior. This leaves the function as it is, and takes "
            "the variance of the scale away."
        )
    header = (
        "Array", "Weights", "Contraction", "Moved", "Small p", "Significant", "Error of std",
        "Reliability of std", "of aligned noise", "Same unit", "R-hat, worst", "ESS",
    )  # fmt: skip
    note = (
        "Contraction: 1 - std² / (prior std)², mean over weights. Moved: weights whose variance is "
        "smaller than that of the prior by more than two Monte Carlo standard errors. Small p: "
        "weights with so small a std that aligned noise has it with a probability of at most .05; "
        "significant: the same at a false discovery rate of .05. Error of std: the median of its "
        "Monte Carlo standard error, relative to the std. Reliability of std: Spearman's rank "
        "correlation, over weights, of the stds in two halves of the chains; beside it that of "
        "aligned noise. Same unit: draws whose unit is the one that the mean of their chain has "
        f"at this place. ESS: median over weights.{note_balanced}"
    )
    return Table("What the posterior knows about its weights", header, rows, note)


def _knowledge_cells(found: ArrayKnowledge) -> tuple[str, ...]:
    return (
        f"{found.num_weights:,}",
        fixed(found.contraction),
        percent(found.moved_share, 0),
        percent(found.small_p_share, 0),
        percent(found.significant_share, 0),
        percent(found.relative_error),
        fixed(found.reliability.std, 2),
        fixed(found.null_reliability.std, 2),
        percent(found.same_unit_share, 0),
        fixed(found.rhat_max, 2),
        whole(found.ess_median),
    )


def floor_table(findings: Findings) -> Table:
    """The stds of each array and their null floors."""
    found = findings.summarize.null_floor
    table = table_of_floor(found, findings.array_names, findings.is_permuted)
    return _with_warning(findings, table)


def table_of_floor(
    found: NullFloor, names: Mapping[str, str], is_permuted: Callable[[str], bool]
) -> Table:
    """The stds of each array, which has a name by its path and may move, and their floors."""
    rows = [("all weights", *_floor_cells(found), "")]
    for name, scores in found.by_array.items():
        moves = "" if is_permuted(name) else "never moves"
        rows.append((names[name], *_floor_cells(scores), moves))
    header = ("Array", "Not aligned", "Aligned", "Null floor", "Aligned / floor", "ESS", "")
    note = (
        "Root mean squares over weights, in units of the weights. The null floor is the std of "
        "noise that has the autocorrelation of the draws and was aligned in the same way. ESS: the "
        "median effective sample size of an aligned std. With an ESS below 50 a ratio shows "
        "nothing."
    )
    return Table("Stds and their null floor", header, rows, note)


def _floor_cells(floor: ArrayFloor) -> tuple[str, ...]:
    found = (floor.unaligned_std, floor.std, floor.null_std, floor.ratio)
    return *map(fixed, found), whole(floor.ess_median)


def convergence_table(findings: Findings) -> Table:
    """R-hat and effective sample sizes of predictions and weights."""
    found = findings.summarize.diagnostics
    kinds = {
        "predictions on test data": found.predictions,
        "weights, not aligned": found.weights_unaligned,
        "weights, aligned": found.weights_aligned,
    }
    table = table_of_convergence(f"Convergence of {findings.sampler}", kinds)
    return _with_warning(findings, table)


def table_of_convergence(title: str, kinds: Mapping[str, Convergence]) -> Table:
    """R-hat and effective sample sizes of quantities, by what they are called."""
    rows = [
        (words, fixed(c.rhat_median), fixed(c.rhat_max), whole(c.ess_median), whole(c.ess_min))
        for words, c in kinds.items()
    ]
    note = (
        "Rank-normalized R-hat and bulk effective sample size (ESS) over at most 200 quantities "
        "each. Before alignment the numbers of weights show how chains move between copies of "
        "the same function, not how well they mix."
    )
    header = ("Quantities", "R-hat, median", "R-hat, worst", "ESS, median", "ESS, least")
    return Table(title, header, rows, note)


def connectivity_table(findings: Findings) -> Table:
    """By how much loss and error rise halfway between ensemble members."""
    found = findings.compare.connectivity
    barriers = {
        "not aligned": found.before,
        "aligned": found.after,
        "not aligned, statistics recomputed": found.before_recomputed,
        "aligned, statistics recomputed": found.after_recomputed,
    }
    rows = [
        (words, _with_interval(some.loss), _with_interval(some.error))
        for words, some in barriers.items()
        if some is not None
    ]
    pairs = counted(len(found.before.loss.pairs), "pair")
    error = "share of wrong classes" if findings.is_classification else "RMSE"
    recomputed = (
        " Averaging weights shrinks what BatchNorm normalizes, so its statistics are also "
        "recomputed halfway (REPAIR, Jordan et al. 2022)."
        if found.after_recomputed is not None
        else ""
    )
    note = (
        "The midpoint barrier (Entezari et al. 2021, Ainsworth et al. 2022): by how much the test "
        f"loss (nats) or the test error ({error}) of the network halfway between two members is "
        f"larger than their mean. The table has the mean over {pairs} of members and its 95 % "
        "interval. Without a barrier the members share one basin; below 0, the network halfway is "
        f"better.{recomputed}"
    )
    header = ("Members", "Barrier of test loss", "Barrier of test error")
    return Table("Between ensemble members", header, rows, note)


def basin_table(findings: Findings) -> Table:
    """By how much the loss rises halfway between draws, in a run with several chains."""
    found = findings.compare.basin
    assert found is not None
    return _with_warning(findings, table_of_basin(found))


def table_of_basin(found: Basin) -> Table:
    """Barriers of the loss between draws of several chains."""
    barriers = {
        "different chains, not aligned": found.unaligned,
        "different chains, aligned": found.aligned,
        "different chains, matched in pairs": found.matched,
        "one chain, half a chain apart, not aligned": found.within,
        "one chain, half a chain apart, aligned": found.within_aligned,
    }
    rows = [
        (words, whole(len(some.pairs)), _with_interval(some))
        for words, some in barriers.items()
        if some is not None
    ]
    note = (
        "By how much the test loss (nats) of the network halfway between two draws is larger than "
        f"their mean. The mean test loss of the draws is {fixed(found.loss)}. Intervals (95 %, of "
        "the mean over pairs) assume that chains are independent. For draws of different chains "
        "they need at least three chains. In the third row, the second draw of each pair is "
        "aligned to the first. The last two rows are the control: what a barrier is without a "
        "change of chain."
    )
    header = ("Draws of", "Pairs", "Barrier of test loss")
    return Table("Between draws", header, rows, note)


def _with_interval(barrier: Barrier) -> str:
    mean = fixed(barrier.mean)
    if barrier.interval is None:
        return mean
    low, high = map(fixed, barrier.interval)
    return f"{mean} [{low}, {high}]"


def sampler_table(findings: Findings) -> Table:
    """The quality of sampling and of the alignment."""
    alignment = findings.align.alignment
    rows = [
        *health(findings.summarize.diagnostics.sampler),
        ("Matching, reference", f"{alignment.matching}, {alignment.reference}"),
        ("Draws whose matching converged", percent(alignment.converged_share)),
        ("Mean objective of the matching", significant(alignment.objective, 5)),
        (
            "Largest change of an output by alignment, relative to the largest output",
            significant(alignment.max_function_change),
        ),
        *_low_rank_rows(findings.summarize.low_rank),
    ]
    return Table("Sampler and alignment", ("Quantity", "Value"), rows)


def health(found: SamplerHealth) -> list[tuple[str, str]]:
    """What a sampler records about its health, with the name of each quantity."""
    rows = [
        ("Mean acceptance rate", percent(found.acceptance_rate)),
        ("Mean step size", significant(found.step_size, 3)),
        ("Number of divergent draws", whole(found.num_divergent)),
        ("Lowest E-BFMI of a chain", fixed(found.bfmi_min, 2)),
        ("Mean number of doublings of a trajectory", fixed(found.tree_depth, 1)),
        ("Mean squared energy error for each weight", significant(found.energy_variance)),
    ]
    return [(name, value) for name, value in rows if value != DASH]


def _low_rank_rows(found: Sequence[LowRank]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for one in found:
        rows.append((f"Rank {one.rank}: variance left over", percent(one.residual_share)))
        rows.append((f"Rank {one.rank}: factor on the residual std", fixed(one.residual_scale)))
    return rows


def pruning_table(findings: Findings) -> Table:
    """The scores at a few shares of weights kept, with intervals."""
    rows: list[tuple[str, ...]] = []
    for network, title in _NETWORKS.items():
        for order, words in ORDERS.items():
            curve = findings.prune.curve(network, order)
            if curve is not None:
                cells = (_pruned_cell(curve.at(share)) for share in _SHARES)
                rows.append((title, words, *cells))
    score = "Accuracy" if findings.is_classification else "RMSE"
    header = ("Network", "Kept first", *(f"{100 * share:g} % kept" for share in _SHARES))
    note = (
        f"{score} with its 95 % interval, which is over test examples for the mean network and "
        "over members for the ensemble."
    )
    return _with_warning(findings, Table("Pruning", header, rows, note))


def _pruned_cell(point: PruningPoint | None) -> str:
    if point is None:
        return DASH
    return f"{fixed(point.score)} [{fixed(point.low)}, {fixed(point.high)}]"


def seconds_table(findings: Findings) -> Table:
    """How long each step took."""
    found = findings.results.seconds
    rows = [(step, fixed(seconds, 1)) for step, seconds in found.items()]
    return Table("Time", ("Step", "Seconds"), [*rows, ("all", fixed(sum(found.values()), 1))])


def version_table(findings: Findings) -> Table:
    """The versions of the libraries on which the numbers depend."""
    return Table("Versions", ("Library", "Version"), list(findings.results.versions.items()))


def config_table(findings: Findings) -> Table:
    """Every choice of the run."""
    config = findings.results.config
    method = with_defaults(config.method).model_dump(include=set(keys_of(config.method.kind)))
    values = config.model_dump(mode="json") | {"method": method}
    rows = [(name, _written(value)) for name, value in flat(values).items()]
    note = "Every number of this page depends only on these, the versions and the machine."
    return Table("Config", ("Key", "Value"), rows, note)


def _written(value: Any) -> str:
    if value is None:
        return DASH
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
