"""A run in a few sentences, which are made from its numbers."""

from typing import NamedTuple

from onebasin.alignment.effective_size import LEAST_ESS
from onebasin.plots.numbers import counted, fixed, listed, percent, significant, whole
from onebasin.report.findings import Findings
from onebasin.report.representations import WithBaseline, in_order, with_baselines
from onebasin.report.tables import health
from onebasin.run import representations as known
from onebasin.run.barriers import Basin
from onebasin.run.methods import with_defaults
from onebasin.run.results import Scores, Transpositions
from onebasin.run.trust import cautions

_LEAST_BFMI = 0.3
_ACCEPTANCES = (0.4, 0.95)
_MOST_UNDECIDED = 0.5
_ROUNDING = 1e-4
_MOST_NAMES = 30
REFERENCE_WORDS = {
    "first": "the first draw",
    "densest": "the draw of highest density",
    "mean": "their own mean, updated in rounds",
    "chains": "their own mean, updated in rounds within each chain first",
}
"""What draws are matched to, by the name of the reference."""
_START = {
    "prior": "started at draws from the prior",
    "init": "started at random initializations",
    "map": "started at trained networks",
    "ensemble": "started at members of the ensemble",
}


class Remark(NamedTuple):
    """A paragraph and its topic."""

    topic: str
    text: str


def summary(findings: Findings) -> list[Remark]:
    """The run in words: what was done, how far it can be trusted, and what was found."""
    topics = {
        "Run": _run,
        "Weights": _weights,
        "Sampler": _sampler,
        "Convergence": _convergence,
        "Alignment": _alignment,
        "One basin": _basin,
        "Transpositions": _transpositions,
        "Null floor": _null_floor,
        "Kept draws": _kept_draws,
        "Pruning": _pruning,
    }
    told = cautions(findings.setup.config.method.kind, findings.summarize.diagnostics)
    first = [Remark("Warning", " ".join(told))] if told else []
    if findings.sample.data.target_name is not None:
        first.append(Remark("Data", _data(findings)))
    return first + [Remark(topic, words(findings)) for topic, words in topics.items()]


def _data(findings: Findings) -> str:
    """What a table was taken for, and what its reader guessed."""
    data = findings.sample.data
    names = listed(list(data.feature_names or ())[:_MOST_NAMES])
    verb = "is" if data.num_features == 1 else "are"
    more = data.num_features - _MOST_NAMES
    rest = f" and {more:,} more" if more > 0 else ""
    classes = ""
    if data.class_names is not None:
        classes = f", which has the classes {listed(list(data.class_names))}"
    return " ".join(
        [
            f"The task is the {data.task} of the column {data.target_name}{classes}. The "
            f"{counted(data.num_features, 'input')} {verb} {names}{rest}.",
            *data.notes,
        ]
    )


def _run(findings: Findings) -> str:
    config, data = findings.setup.config, findings.sample.data
    chosen = with_defaults(config.method)
    details = [_START[chosen.start or "init"]]
    if chosen.num_warmup is not None:
        details.append(counted(chosen.num_warmup, "warmup draw"))
    if chosen.num_steps is not None:
        details.append(f"{counted(chosen.num_steps, 'step')} a draw")
    if chosen.thin is not None and chosen.thin > 1:
        details.append(f"one of {chosen.thin} draws kept")
    return (
        f"{findings.sampler} drew {counted(chosen.num_chains, 'chain')} of "
        f"{counted(findings.sample.num_draws, 'draw')} of the {findings.num_weights:,} weights "
        f"of a {findings.network_name} network ({', '.join(details)}), given {data.train:,} "
        f"training examples of {findings.data_name}. For comparison, "
        f"{counted(config.ensemble.num_members, 'maximum a posteriori network')} (the ensemble) "
        "were trained, and mean-field variational inference (VI) was fitted. All scores are over "
        f"{data.test:,} test examples and one seed ({config.seed})."
    )


def _weights(findings: Findings) -> str:
    found = findings.summarize.weights
    if found.moved_share is None:
        return (
            "These draws cannot say what the data know about a weight: no weight has an effective "
            f"sample size of {LEAST_ESS}."
        )
    words = [
        f"The data removed {percent(found.contraction)} of the prior variance of a weight, on "
        f"average. For {percent(found.moved_share)} of the weights that is more than two Monte "
        "Carlo standard errors."
    ]
    arrays = sorted(found.by_array.items(), key=lambda pair: -(pair[1].contraction or 0.0))
    if len(arrays) > 1:
        (most, first), (least, last) = arrays[0], arrays[-1]
        names = findings.array_names
        words.append(
            f"They tell most about {names[most]} ({percent(first.contraction)}) and least about "
            f"{names[least]} ({percent(last.contraction)})."
        )
    words.append(
        f"The std of a weight is known to {percent(found.relative_error)} (median Monte Carlo "
        f"error). Two halves of the chains order the stds alike with a rank correlation of "
        f"{fixed(found.reliability.std, 2)}; aligned noise has "
        f"{fixed(found.null_reliability.std, 2)}."
    )
    if found.reliability.std_between_units is not None:
        words.append(
            "Between units at the same position the correlation is "
            f"{fixed(found.reliability.std_between_units, 2)}; aligned noise has "
            f"{fixed(found.null_reliability.std_between_units, 2)}."
        )
    if found.same_unit_share is not None:
        words.append(
            f"In {percent(found.same_unit_share, 0)} of the draws a unit is the one that the mean "
            "of its chain has in this place."
        )
    return " ".join(words)


def _sampler(findings: Findings) -> str:
    found = findings.summarize.diagnostics.sampler
    bfmi, divergent = found.bfmi_min, found.num_divergent
    words = [f"The {name[0].lower()}{name[1:]} is {value}." for name, value in health(found)]
    accepted, (low, high) = found.acceptance_rate, _ACCEPTANCES
    if accepted is not None and accepted < low:
        words.append(
            f"An acceptance rate below {percent(low, 0)} means that the step size is too large for "
            "a part of the posterior: many draws repeat the draw before."
        )
    if accepted is not None and accepted > high:
        words.append(
            f"An acceptance rate above {percent(high, 0)} means that steps are smaller than they "
            "need to be: each draw costs more gradients for the same distance."
        )
    if divergent:
        words.append(
            f"Divergent draws mean that {findings.sampler} could not enter some regions of the "
            "posterior: its draws are biased."
        )
    if bfmi is not None and bfmi < _LEAST_BFMI:
        words.append(
            f"An E-BFMI below {_LEAST_BFMI} means that {findings.sampler} explored energies badly: "
            "new momenta change the energy by little, so that tails are reached seldom."
        )
    return " ".join(words) or f"{findings.sampler} records nothing about its health."


def _convergence(findings: Findings) -> str:
    found = findings.summarize.diagnostics
    predictions = found.predictions
    before, after = found.weights_unaligned, found.weights_aligned
    num_draws = findings.setup.config.method.num_chains * findings.sample.num_draws
    return (
        f"The R-hat of predictions is {fixed(predictions.rhat_median, 2)} (median) and "
        f"{fixed(predictions.rhat_max, 2)} (worst). Their effective sample size is "
        f"{whole(predictions.ess_median)} (median) and {whole(predictions.ess_min)} (smallest) of "
        f"{num_draws:,} draws. The median R-hat of single weights is "
        f"{fixed(before.rhat_median, 2)} before alignment and {fixed(after.rhat_median, 2)} "
        f"after; their median effective sample size is {whole(before.ess_median)} before and "
        f"{whole(after.ess_median)} after."
    )


def _alignment(findings: Findings) -> str:
    found = findings.align.alignment
    name = "accuracy" if findings.is_classification else "RMSE"
    write = percent if findings.is_classification else fixed
    sampler, all_draws = findings.sampler, in_order(findings.compare)[0].scores
    direct, compact = (_scores(findings, one) for one in (known.DIRECT, known.COMPACT))
    reference = REFERENCE_WORDS.get(found.reference, found.reference)
    return (
        f"Draws were matched by {found.matching} to {reference}. The {name} of the Gaussian of "
        f"these draws is {write(direct.first)} before alignment (direct) and "
        f"{write(compact.first)} after (compact); the {name} of {sampler} itself is "
        f"{write(all_draws.first)}. The total variation to {sampler} is "
        f"{fixed(direct.total_variation)} before alignment and "
        f"{fixed(compact.total_variation)} after. "
        f"Alignment changed {change_in_words(found.max_function_change)}."
    )


def change_in_words(largest: float) -> str:
    """By how much alignment changed an output at most, as the end of a sentence."""
    if largest == 0:
        return "no output at all"
    size = "which is rounding" if largest < _ROUNDING else "which is more than rounding"
    return f"no output by more than {significant(largest)} of the largest output, {size}"


def _basin(findings: Findings) -> str:
    found = findings.compare.basin
    if found is None:
        return "There is one chain, so barriers between chains could not be measured."
    return basin_in_words(found)


def basin_in_words(found: Basin) -> str:
    """Whether draws of different chains share one basin."""
    return (
        "The barrier of two draws is the rise of the test loss halfway between them. Between draws "
        f"of different chains it is {fixed(found.unaligned.mean, 2)} nats before alignment. "
        f"{found.words}"
    )


def _transpositions(findings: Findings) -> str:
    return transpositions_in_words(findings.align.transpositions)


def transpositions_in_words(found: Transpositions) -> str:
    """How many transpositions lie between draws, and how many a random permutation needs."""
    chance = f"{fixed(found.baseline_mean, 1)} ± {fixed(found.baseline_std, 1)}"
    parts: list[str] = []
    if found.between_chains is not None:
        parts.append(f"draws of different chains differ by {fixed(found.between_chains, 1)}")
    if found.by_lag:
        near, far = found.by_lag[0], found.by_lag[-1]
        parts.append(f"draws of one chain differ by {fixed(near.count, 1)} at a lag of {near.lag}")
        parts.append(f"by {fixed(far.count, 1)} at a lag of {far.lag}")
    words = f"Measured in transpositions of hidden units, {listed(parts)}. " if parts else ""
    return f"{words}Random permutations need {chance}."


def _null_floor(findings: Findings) -> str:
    found = findings.summarize.null_floor
    undecided, size = found.undecided_share, whole(found.ess_median)
    words = (
        f"The std of a weight (root mean square over weights) is {fixed(found.unaligned_std)} "
        f"before alignment and {fixed(found.std)} after. Noise with the same autocorrelation has "
        f"{fixed(found.null_std)} after the same alignment. "
    )
    if undecided > _MOST_UNDECIDED:
        return words + (
            "These draws are too few to show whether the difference is a property of the "
            f"posterior: {percent(undecided, 0)} of the aligned stds have an effective sample "
            f"size below {LEAST_ESS} (median {size})."
        )
    return words + (
        f"{percent(found.share_below)} of the weights have a std below their floor. If all weights "
        "were noise, it would be about half. The median effective sample size of an aligned std "
        f"is {size}."
    )


def _kept_draws(findings: Findings) -> str:
    pairs = with_baselines(findings.compare)
    compact = [pair for pair in pairs if pair.ours.representation.key == known.COMPACT.key]
    if not compact:
        return "No kept draws of equal storage were evaluated."
    words = [_against(findings, compact[0])]
    nearer, farther = [], []
    for pair in pairs:
        if pair is not compact[0]:
            is_nearer = pair.ours.scores.total_variation < pair.kept.scores.total_variation
            (nearer if is_nearer else farther).append(pair.ours.representation.label)
    if nearer:
        words.append(
            f"Closer to {findings.sampler} than kept draws of no more storage: {listed(nearer)}."
        )
    if farther:
        words.append(
            f"Farther from {findings.sampler} than kept draws of no more storage: "
            f"{listed(farther)}."
        )
    return " ".join(words)


class _Contest(NamedTuple):
    """One score of kept draws and of a Gaussian, and which of the two is better."""

    name: str
    kept: float
    ours: float
    is_won: bool
    is_lost: bool


def _contests(findings: Findings, pair: WithBaseline) -> list[_Contest]:
    kept, ours = pair.kept.scores, pair.ours.scores
    sign = -1 if findings.is_classification else 1  # a higher accuracy and a lower error are better
    rows = (
        ("accuracy" if findings.is_classification else "RMSE", kept.first, ours.first, sign),
        ("NLL", kept.nll, ours.nll, 1),
        (f"TV to {findings.sampler}", kept.total_variation, ours.total_variation, 1),
    )
    return [_Contest(name, a, b, s * a < s * b, s * a > s * b) for name, a, b, s in rows]


def _against(findings: Findings, pair: WithBaseline) -> str:
    """The compact Gaussian compared with kept draws, for each score."""
    contests = _contests(findings, pair)
    wins, losses = any(c.is_won for c in contests), any(c.is_lost for c in contests)
    numbers = ", ".join(f"{c.name} {fixed(c.kept)} against {fixed(c.ours)}" for c in contests)
    if wins and not losses:
        verdict = "predict better than"
    elif losses and not wins:
        verdict = "predict worse than"
    else:
        verdict = "are in part better and in part worse than"
    kept, ours = pair.kept.representation.label, pair.ours.representation.label
    storage = "equal" if pair.is_equal else "smaller"
    return f"{kept[0].upper()}{kept[1:]} ({storage} storage) {verdict} the {ours}: {numbers}."


def _pruning(findings: Findings) -> str:
    keeps = findings.setup.config.evaluation.keeps
    keep = min(keeps, key=lambda share: abs(share - 0.2))
    write = percent if findings.is_classification else fixed
    orders = {
        "std": "the smallest std",
        "std-misaligned": "the smallest std, misaligned",
        "signal-to-noise": "the largest |weight| / std",
        "magnitude": "the largest |weight|",
        "random": "random order",
    }
    curves = {words: findings.prune.curve("member", order) for order, words in orders.items()}
    points = {words: curve.at(keep) for words, curve in curves.items() if curve is not None}
    parts = [f"{words} {write(point.score)}" for words, point in points.items() if point]
    score = "accuracy" if findings.is_classification else "RMSE"
    unpruned = write(_scores(findings, known.COMPACT_MEAN).first)
    return (
        f"The mean {score} of ensemble members with {percent(keep, 0)} of the weights kept, by "
        f"the weights that are kept: {'; '.join(parts)}. Unpruned, the {score} of the mean of "
        f"the aligned draws is {unpruned}."
    )


def _scores(findings: Findings, representation: known.Representation) -> Scores:
    """The scores of a representation that every run evaluates."""
    found = findings.compare.scores(representation)
    assert found is not None
    return found
