"""Tables and sentences: what results hold, in order, with a dash where there is nothing."""

import pytest
from changed_results import with_changes

from onebasin.plots.numbers import DASH, counted, fixed, listed, percent, significant, whole
from onebasin.report import representation_rows, tables
from onebasin.report.representations import with_baselines
from onebasin.report.summary import summary
from onebasin.run.representations import COMPACT, one_chain
from onebasin.run.results import PruningPoint

pytestmark = pytest.mark.slow

CLASSES = ("Representation", "Numbers/weight", "Accuracy", "NLL", "Brier", "ECE", "Agreement", "TV")
NUMBERS = ("Representation", "Numbers/weight", "RMSE", "NLL", "CRPS", "ECE", "Agreement", "TV")


def remark(findings, topic: str) -> str:
    return dict(summary(findings))[topic]


def test_classes_and_regressions_have_their_own_columns(digits, diabetes) -> None:
    assert representation_rows(digits.findings.compare)[0] == CLASSES
    assert representation_rows(diabetes.findings.compare)[0] == NUMBERS


def test_every_row_is_as_long_as_the_header(report) -> None:
    header, *rows = representation_rows(report.findings.compare)
    assert rows
    assert all(len(row) == len(header) for row in rows)


def test_hmc_leads_and_those_of_one_storage_stand_together(digits) -> None:
    _, first, second, *rows = representation_rows(digits.findings.compare)
    assert [first[0], second[0]] == ["HMC, all draws", "HMC, one chain"]
    assert [(int(row[1]), float(row[-1])) for row in rows] == sorted(
        (int(row[1]), float(row[-1])) for row in rows
    )


def test_a_score_stands_in_its_own_column(digits) -> None:
    found = digits.findings.compare
    row = next(r for r in representation_rows(found) if r[0] == "compact Gaussian")
    scores = found.scores(COMPACT)
    values = (
        scores.accuracy, scores.nll, scores.brier, scores.ece, scores.agreement,
        scores.total_variation,
    )  # fmt: skip
    assert len(set(map(fixed, values))) > 3  # or columns could trade places unseen
    assert row[1:] == ("2", *map(fixed, values))


def test_what_is_null_becomes_a_dash(diabetes) -> None:
    found, chain = diabetes.findings.compare, one_chain("hmc", 8)
    assert found.scores(chain) is None
    header, *rows = representation_rows(found)
    assert {row[header.index("Agreement")] for row in rows} == {DASH}
    assert chain.label not in {row[0] for row in rows}


def test_diagnostics_that_are_missing_become_dashes_or_are_left_out(changed_digits) -> None:
    nothing = dict.fromkeys(("rhat_median", "rhat_max", "ess_median", "ess_min"))
    sampler = dict.fromkeys(("num_divergent", "acceptance_rate", "step_size", "bfmi_min"))
    findings = changed_digits(
        summarize={"diagnostics": {"predictions": nothing, "sampler": sampler}}
    ).findings
    assert tables.convergence_table(findings).rows[0][1:] == (DASH,) * 4
    rows = tables.sampler_table(findings).rows
    assert rows[0][0] == "Matching, reference"
    assert DASH not in {value for _, value in rows}
    assert remark(findings, "Sampler") == "HMC records nothing about its health."


def test_a_sampler_shows_what_it_records(changed_digits) -> None:
    sampler = {"acceptance_rate": None, "bfmi_min": None, "step_size": 0.5, "num_divergent": 0}
    found = changed_digits(
        summarize={"diagnostics": {"sampler": sampler | {"energy_variance": 4.5e-4}}}
    ).findings
    words = remark(found, "Sampler")
    assert "The mean step size is 0.5." in words
    assert "The mean squared energy error for each weight is 0.00045." in words
    assert "acceptance" not in words
    assert "E-BFMI" not in words


def test_every_table_has_rows_as_long_as_its_header(report) -> None:
    findings = report.findings
    makers = [maker for name, maker in vars(tables).items() if name.endswith("_table")]
    assert len(makers) == 13
    if findings.compare.basin is None:
        makers.remove(tables.basin_table)
    for maker in makers:
        table = maker(findings)
        assert table.rows, table.title
        assert all(len(row) == len(table.header) for row in table.rows), table.title


def test_every_choice_of_the_config_is_listed(digits) -> None:
    rows = dict(tables.config_table(digits.findings).rows)
    assert rows["method.num_draws"] == "8"
    assert rows["data.target"] == DASH
    assert rows["evaluation.kept"] == "1, 2, 4, 99"


def test_arrays_that_never_move_are_marked(digits) -> None:
    marks = {row[0]: row[-1] for row in tables.floor_table(digits.findings).rows}
    assert marks["out/bias"] == "never moves"
    assert marks["out/kernel"] == marks["hidden_0/bias"] == ""


def test_pruned_scores_carry_their_interval(digits) -> None:
    row = tables.pruning_table(digits.findings).rows[0]
    first = digits.findings.prune.curve("compact-mean", "std").points[0]
    assert first.keep == 1
    assert row[2] == f"{fixed(first.score)} [{fixed(first.low)}, {fixed(first.high)}]"


def test_a_share_that_was_not_pruned_to_is_a_dash(digits, changed_digits) -> None:
    first, *others = digits.findings.prune.curves
    assert (first.network, first.order) == ("compact-mean", "std")
    point = PruningPoint(keep=0.3, score=0.5, nll=1.0, low=0.4, high=0.6)
    curves = (with_changes(first, {"points": (point,)}), *others)
    rows = tables.pruning_table(changed_digits(prune={"curves": curves}).findings).rows
    assert rows[0][2:] == (DASH,) * 4
    assert DASH not in rows[1]


def test_baselines_are_the_most_kept_draws_of_no_more_storage(digits) -> None:
    pairs = with_baselines(digits.findings.compare)
    found = {
        pair.ours.representation.key: (
            pair.kept.representation.key,
            pair.kept.representation.values_per_weight,
            pair.is_equal,
        )
        for pair in pairs
    }
    assert found["compact"] == ("kept-2", 2, True)
    assert found["compact-mean"] == ("kept-1", 1, True)
    assert found["compact-rank-2"] == ("kept-4", 4, True)
    assert set(found) == {
        "direct", "compact", "refined", "compact-mean", "compact-rank-2", "compact-rank-2-whole",
        "compact-ensemble", "vi",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("accuracy", "nll", "tv", "words"),
    [
        (0.9, 0.1, 0.1, "2 kept draws (equal storage) predict better than the compact Gaussian"),
        (0.1, 0.9, 0.9, "2 kept draws (equal storage) predict worse than the compact Gaussian"),
        (0.9, 0.9, 0.9, "are in part better and in part worse than the compact Gaussian"),
    ],
)
def test_the_summary_says_whether_kept_draws_beat_the_compact_gaussian(
    digits, changed_digits, accuracy: float, nll: float, tv: float, words: str
) -> None:
    kept = {"accuracy": accuracy, "nll": nll, "total_variation": tv}
    compact = {"accuracy": 0.5, "nll": 0.5, "total_variation": 0.5}
    scores = {"kept-2": kept, "compact": compact}
    evaluated = tuple(
        with_changes(one, {"scores": scores.get(one.representation.key, {})})
        for one in digits.findings.compare.representations
    )
    text = remark(changed_digits(compare={"representations": evaluated}).findings, "Kept draws")
    assert words in text
    assert f"TV to HMC {fixed(tv)} against 0.500" in text


def test_that_hmc_has_not_converged_is_the_first_thing_that_is_said(digits) -> None:
    first = summary(digits.findings)[0]
    assert first.topic == "Warning"
    assert first.text.startswith("HMC has not converged: of the predictions, the worst R-hat is ")
    assert "method.most_draws" in first.text


def test_that_hmc_has_not_converged_is_said_under_every_table_of_comparisons(digits) -> None:
    warning = digits.findings.summarize.diagnostics.warning
    compare = (tables.representation_table, tables.comparison_table, tables.pruning_table)
    assert all(make(digits.findings).note.startswith(warning) for make in compare)
    assert digits.html.count("HMC has not converged") > len(compare)


def test_nothing_is_said_of_hmc_that_has_converged(changed_digits) -> None:
    found = changed_digits(summarize={"diagnostics": {"warning": None}}).findings
    assert "Warning" not in dict(summary(found))
    assert "converged" not in tables.representation_table(found).note


def test_divergences_and_a_low_bfmi_are_said_openly(changed_digits) -> None:
    sampler = {"num_divergent": 3, "bfmi_min": 0.1}
    text = remark(
        changed_digits(summarize={"diagnostics": {"sampler": sampler}}).findings, "Sampler"
    )
    assert "divergent draws is 3." in text
    assert "biased" in text
    assert "explored energies badly" in text


@pytest.mark.parametrize(
    ("acceptance", "words"),
    [(0.2, "step size is too large"), (0.7, ""), (0.99, "smaller than they need to be")],
)
def test_a_far_off_acceptance_rate_comes_with_its_reason(
    changed_digits, acceptance: float, words: str
) -> None:
    sampler = {"acceptance_rate": acceptance}
    text = remark(
        changed_digits(summarize={"diagnostics": {"sampler": sampler}}).findings, "Sampler"
    )
    assert words in text
    assert ("An acceptance rate" in text) == bool(words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (0.0, "changed no output at all"),
        (1e-5, "which is rounding"),
        (0.5, "more than rounding"),
    ],
)
def test_a_change_of_the_function_is_said_openly(changed_digits, change: float, words: str) -> None:
    found = changed_digits(align={"alignment": {"max_function_change": change}}).findings
    assert words in remark(found, "Alignment")


def test_one_chain_is_not_said_to_differ_from_others(digits, diabetes) -> None:
    assert "different chains" in remark(digits.findings, "Transpositions")
    assert "different chains" not in remark(diabetes.findings, "Transpositions")


def test_what_alignment_leaves_of_the_barrier_between_chains_is_said_openly(
    digits, diabetes
) -> None:
    found = digits.findings.compare.basin
    assert remark(digits.findings, "One basin").endswith(found.words)
    rows = {row[0]: row[-1] for row in tables.basin_table(digits.findings).rows}
    assert rows["different chains, aligned"] == fixed(found.aligned.mean)  # of two chains
    assert "Between draws" in digits.html
    assert "There is one chain" in remark(diabetes.findings, "One basin")
    assert "Between draws" not in diabetes.html


def test_numbers_are_written_one_way() -> None:
    assert [fixed(v) for v in (None, 0.5, -0.0001)] == [DASH, "0.500", "0.000"]
    assert [fixed(v) for v in (9.8765, 60.251, 123.456, 12345.67)] == [
        "9.877", "60.25", "123.5", "12345.7",
    ]  # fmt: skip
    assert fixed(4.6e57) == "4.6\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁵⁷"
    assert significant(1.5e-5) == "1.5\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻⁵"
    assert [significant(None), significant(0.123)] == [DASH, "0.12"]
    assert [percent(None), percent(0.123)] == [DASH, "12.3 %"]
    assert [whole(None), whole(4810.4)] == [DASH, "4,810"]
    assert [counted(1, "chain"), counted(2000, "draw")] == ["1 chain", "2,000 draws"]
    assert [listed([]), listed(["a"]), listed(["a", "b", "c"])] == ["", "a", "a, b and c"]
