"""The tables of a report of aligned draws, as rows of text."""

from onebasin.aligned.results import AlignedResults, ArraySpread, PredictionsFound
from onebasin.plots.numbers import DASH, fixed, percent, significant, whole
from onebasin.report.tables import Table
from onebasin.run.nested import flat


def scores_table(found: PredictionsFound) -> Table:
    """What draws, their means and their Gaussians predict."""
    is_classes = found.task == "classification"
    titles = ("Accuracy", "NLL", "Brier") if is_classes else ("RMSE", "NLL", "CRPS")
    rows: list[tuple[str, ...]] = []
    for one in found.scored:
        scores = one.scores
        proper = scores.brier if scores.crps is None else scores.crps
        values = map(fixed, (scores.first, scores.nll, proper, scores.ece))
        rows.append((one.label, *values, significant(scores.total_variation)))
    write = percent if is_classes else fixed
    rows.append(("best constant", write(found.constant), *[DASH] * 4))
    note = (
        f"On {found.num_test:,} test examples. NLL: negative log likelihood in nats per example, "
        f"under a {found.likelihood} likelihood. ECE: calibration error. TV: total variation to "
        "the draws before alignment (0 to 1)."
    )
    if found.noise is not None:
        note += (
            f" Networks and Gaussians have the mean noise of the draws, {fixed(found.noise)} in "
            "the unit of the outputs."
        )
    return Table("Predictions", ("What predicts", *titles, "ECE", "TV"), rows, note)


def symmetry_table(results: AlignedResults) -> Table:
    """The groups of units that may trade places."""
    rows = [
        (
            group.name,
            whole(group.num_units),
            whole(group.num_signs),
            ", ".join(group.nested_in) or DASH,
            ", ".join(group.arrays),
        )
        for group in results.symmetry.groups
    ]
    note = "Signs: how many signs each unit may change. symmetry.json has the symmetry."
    header = ("Group", "Units", "Signs", "Nested in", "Arrays that list them")
    return Table("Units that may trade places", header, rows, note)


def frozen_table(results: AlignedResults) -> Table:
    """The axes that are not permuted, and why."""
    rows = list(results.symmetry.frozen.items())
    return Table("Axes that are not permuted", ("Axis", "Why"), rows)


def spread_table(results: AlignedResults, names: dict[str, str]) -> Table:
    """The stds of each array before and after alignment, and of aligned noise."""
    found = results.spread
    rows = [("all weights", *_spread_cells(found))]
    rows += [(names[name], *_spread_cells(one)) for name, one in found.by_array.items()]
    note = (
        "Root mean squares over weights, in units of the weights. The null floor is the std of "
        "noise with the mean and the std of the draws, aligned in the same way: alignment finds "
        "similar units even in noise. Chains have too few draws to say how far chance alone moves "
        "these numbers."
    )
    header = ("Array", "Weights", "Not aligned", "Aligned", "Null floor", "Aligned / floor")
    return Table("Stds before and after alignment", header, rows, note)


def _spread_cells(found: ArraySpread) -> tuple[str, ...]:
    ratio = found.std / found.null_std if found.null_std > 0 else None
    values = (found.unaligned_std, found.std, found.null_std, ratio)
    return whole(found.num_weights), *map(fixed, values)


def alignment_table(results: AlignedResults) -> Table:
    """The quality of the alignment."""
    found, spread = results.alignment, results.spread
    rows = [
        ("Matching, reference", f"{found.matching}, {found.reference}"),
        ("Draws whose matching converged", percent(found.converged_share)),
        ("Mean objective of the matching", significant(found.objective, 5)),
        (
            "Largest change of an output by alignment, relative to the largest output",
            significant(found.max_function_change),
        ),
        ("Distance of two draws, not aligned", fixed(spread.unaligned_distance)),
        ("Distance of two draws, aligned", fixed(spread.distance)),
    ]
    return Table("Alignment", ("Quantity", "Value"), rows)


def request_table(results: AlignedResults) -> Table:
    """Every argument and option. Paths are named without their folders."""
    values = results.request.model_dump(mode="json")
    rows = [(name, _written(value)) for name, value in flat(values).items()]
    return Table("Arguments", ("Name", "Value"), rows)


def version_table(results: AlignedResults) -> Table:
    """The versions of the libraries on which the numbers depend."""
    return Table("Versions", ("Library", "Version"), list(results.versions.items()))


def _written(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_written, value)) or DASH
    if isinstance(value, str):
        return value.rstrip("/").rpartition("/")[2]
    return DASH if value is None else str(value)
