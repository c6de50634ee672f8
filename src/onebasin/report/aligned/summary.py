"""Aligned draws in a few sentences, which are made from their numbers."""

from onebasin.aligned.results import AlignedResults, Group, PredictionsFound
from onebasin.alignment.effective_size import LEAST_ESS
from onebasin.diagnostics.effective_size import LEAST_DRAWS
from onebasin.plots.numbers import counted, fixed, listed, percent, significant, whole
from onebasin.report.summary import (
    REFERENCE_WORDS,
    Remark,
    basin_in_words,
    change_in_words,
    transpositions_in_words,
)

_MOST_GROUPS = 6


def aligned_remarks(results: AlignedResults) -> list[Remark]:
    """What was done, what was found, and what is not known."""
    topics = {
        "Warning": _warning(results),
        "Draws": _draws(results),
        "Symmetry": _symmetry(results),
        "Alignment": _alignment(results),
        "Spread": _spread(results),
        "Transpositions": transpositions_in_words(results.transpositions),
        "Weights": _weights(results),
        "Convergence": _convergence(results),
        "Predictions": _predictions(results),
        "One basin": _basin(results),
        "Not known": " ".join(unknown(results)),
    }
    return [Remark(topic, words) for topic, words in topics.items() if words]


def unknown(results: AlignedResults) -> list[str]:
    """What these draws or options do not tell, a sentence each."""
    draws, found = results.draws, results.predictions
    said: list[str] = []
    if results.weights is None:
        said.append(
            f"Chains have fewer than {LEAST_DRAWS} draws, so the Monte Carlo errors of single "
            "weights are not known, and there is no table of them."
        )
    if not results.convergence.is_known:
        said.append("There are too few draws for an R-hat, so convergence is not known.")
    if draws.num_chains == 1:
        said.append("There is one chain, so whether chains agree is not known.")
    if results.weights is not None and results.request.prior_std is None:
        said.append(
            "The std of the prior was not given (--prior-std), so what the data have removed of it "
            "is not known."
        )
    if found is None:
        said.append(
            "No data were given (--data), so what the draws predict, and whether there are "
            "barriers between them, is not known."
        )
    else:
        said.append(
            f"The test set was drawn from {found.data} with the seed {results.request.seed}: if "
            "the draws were made with some of its examples, the scores are too good."
        )
    return said


def _warning(results: AlignedResults) -> str:
    words = [results.convergence.warning or ""]
    found = results.predictions
    if found is not None and _is_no_better(found):
        words.append(
            "The draws predict no better than a constant does: the data may be scaled in another "
            "way than the draws were made with (--raw takes them as they are)."
        )
    words += [f"{one.rstrip('.')}." for one in results.symmetry.warnings]
    return " ".join(filter(None, words))


def _is_no_better(found: PredictionsFound) -> bool:
    first = found.scores("draws").first
    return first <= found.constant if found.task == "classification" else first >= found.constant


def _draws(results: AlignedResults) -> str:
    read = results.draws
    files = counted(read.num_files, "file" if read.format == "state_dicts" else "source")
    if read.are_networks:
        what = f"{counted(read.num_chains, 'network')}, each taken for a chain of its own,"
    else:
        what = f"{counted(read.num_chains, 'chain')} of {counted(read.num_draws, 'draw')}"
    return (
        f"{what[0].upper()}{what[1:]} of the {read.num_weights:,} weights of "
        f"{results.request.network} were read from {files}. The format is {read.source}."
    )


def _symmetry(results: AlignedResults) -> str:
    found = results.symmetry
    if not found.groups:
        return "No units of this network may trade places, so alignment moves nothing."
    shown = [_group(group) for group in found.groups[:_MOST_GROUPS]]
    if len(found.groups) > _MOST_GROUPS:
        shown.append(counted(len(found.groups) - _MOST_GROUPS, "more group"))
    return (
        f"Units may trade places in {counted(len(found.groups), 'group')}: {listed(shown)}. "
        f"10^{fixed(found.log10_num_equivalent, 1)} settings of the weights compute the same "
        "function."
    )


def _group(group: Group) -> str:
    signs = {0: "", 1: ", each with a sign"}.get(
        group.num_signs, f", each with {group.num_signs} signs"
    )
    return f"{group.name} ({counted(group.num_units, 'unit')}{signs})"


def _alignment(results: AlignedResults) -> str:
    found = results.alignment
    reference = REFERENCE_WORDS.get(found.reference, found.reference)
    return (
        f"Draws were matched by {found.matching} to {reference}; {percent(found.converged_share)} "
        f"of them have settled. Alignment changed {change_in_words(found.max_function_change)}."
    )


def _spread(results: AlignedResults) -> str:
    found, read = results.spread, results.draws
    noise = (
        "Independent noise of the same size has"
        if read.are_networks
        else "Noise with the same autocorrelation has"
    )
    return (
        f"The std of a weight (root mean square over weights) is {fixed(found.unaligned_std)} "
        f"before alignment and {fixed(found.std)} after. {noise} {fixed(found.null_std)} after the "
        "same alignment (the null floor). The distance of two draws (root mean square over pairs) "
        f"is {fixed(found.unaligned_distance, 2)} before and {fixed(found.distance, 2)} after."
    )


def _weights(results: AlignedResults) -> str:
    found, floor = results.weights, results.null_floor
    if found is None or floor is None:
        return ""
    words: list[str] = []
    if found.contraction is not None:
        words.append(
            f"The data removed {percent(found.contraction)} of the prior variance of a weight, on "
            "average."
        )
    if floor.undecided_share > 0.5:
        words.append(
            "These draws are too few to say which stds lie below their null floor: "
            f"{percent(floor.undecided_share, 0)} of them have an effective sample size below "
            f"{LEAST_ESS}."
        )
    else:
        words.append(
            f"{percent(floor.share_below)} of the weights have a std below their null floor. If "
            "all weights were noise, it would be about half."
        )
    words.append(
        f"The std of a weight is known to {percent(found.relative_error)} (median Monte Carlo "
        f"error). Two halves of the chains order the stds alike with a rank correlation of "
        f"{fixed(found.reliability.std, 2)}; aligned noise has "
        f"{fixed(found.null_reliability.std, 2)}."
    )
    return " ".join(words)


def _convergence(results: AlignedResults) -> str:
    found = results.convergence
    if not found.is_known:
        return ""
    outputs, before, after = found.outputs, found.weights_unaligned, found.weights_aligned
    kind = "test" if found.are_data else "random"
    return (
        f"The R-hat of outputs at {counted(found.num_inputs, f'{kind} input')} is "
        f"{fixed(outputs.rhat_median, 2)} (median) and {fixed(outputs.rhat_max, 2)} (worst), and "
        f"alignment does not change it. The median R-hat of single weights is "
        f"{fixed(before.rhat_median, 2)} before alignment and {fixed(after.rhat_median, 2)} "
        f"after; their median effective sample size is {whole(before.ess_median)} before and "
        f"{whole(after.ess_median)} after, of {results.draws.total:,} draws."
    )


def _predictions(results: AlignedResults) -> str:
    found = results.predictions
    if found is None:
        return ""
    before, after = found.scores("draws"), found.scores("draws-aligned")
    means = found.scores("mean"), found.scores("mean-aligned")
    is_classes = found.task == "classification"
    name, write = ("accuracy", percent) if is_classes else ("RMSE", fixed)
    return (
        f"On {found.num_test:,} test examples of {found.data} all draws together have the {name} "
        f"{write(before.first)} and the NLL {fixed(before.nll)} before alignment, and "
        f"{write(after.first)} and {fixed(after.nll)} after: the total variation between both is "
        f"{significant(after.total_variation)}. The network of the mean weights has the {name} "
        f"{write(means[0].first)} before alignment and {write(means[1].first)} after. The best "
        f"constant has {write(found.constant)}."
    )


def _basin(results: AlignedResults) -> str:
    found = results.predictions
    return "" if found is None or found.basin is None else basin_in_words(found.basin)
