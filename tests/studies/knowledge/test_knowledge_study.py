"""The study of what single stds say: one factor at a time, and verdicts that follow from rows."""

import math

import pytest

from onebasin.run.nested import changes
from onebasin.studies.knowledge.cells import BASE, cells
from onebasin.studies.knowledge.measure import TABLES, claims_of, knowledge
from onebasin.studies.tables import table_of

FACTORS = {
    "examples": "data.num_train",
    "width": "network.hidden",
    "prior std": "posterior.prior_std",
    "temperature": "posterior.temperature",
}


def test_one_factor_changes_at_a_time() -> None:
    chosen = list(cells("small"))
    assert len(chosen) <= 40
    assert len({cell.name for cell in chosen}) == len(chosen)
    bases = {cell.config.seed: cell.config for cell in chosen if cell.factor == BASE}
    for cell in chosen:
        if cell.factor in FACTORS:
            base = bases[cell.config.seed].model_dump(mode="json")
            changed = changes(base, cell.config.model_dump(mode="json"))
            assert {key[: len(FACTORS[cell.factor])] for key in changed} == {FACTORS[cell.factor]}


def row(factor: str, level: str, seed: int, **values: float):
    place = {"data": "digits", "factor": factor, "level": level, "seed": seed}
    counts = {"num_train": 100, "num_weights": 10, "num_draws": 1000}
    floats = [name for name, kind in TABLES["cells"].items() if kind is float]
    return {**place, **counts, **dict.fromkeys(floats, 0.0), **values}


def verdicts(rows) -> dict[str, str]:
    return {one.claim: one.verdict for one in claims_of(table_of(rows, TABLES["cells"]))}


@pytest.mark.parametrize(("gap", "expected"), [(0.4, "supported"), (0.0, "not supported")])
def test_reliability_counts_as_far_as_it_is_above_that_of_noise(gap: float, expected: str) -> None:
    rows = [
        row(BASE, "", s, reliability_std=0.3 + gap + 0.01 * s, null_reliability_std=0.3)
        for s in range(3)
    ]
    found = verdicts(rows)
    assert found["digits: halves of the chains order stds alike, more than for noise"] == expected
    assert not any("wider" in claim for claim in found), "there are no other levels"


def test_levels_are_compared_at_the_same_seed() -> None:
    rows = [row(BASE, "", s, contraction=s + 0.2 + 0.01 * s) for s in range(3)]
    rows += [row("examples", "100", s, contraction=float(s)) for s in range(3)]
    claim = claims_of(table_of(rows, TABLES["cells"]))[-1]
    assert claim.claim == "more examples tell more about a weight"
    assert claim.estimate == pytest.approx(0.21)
    assert claim.verdict == "supported"


@pytest.mark.long
def test_a_trial_says_how_long_it_takes_and_reads_finished_cells_again(tmp_path) -> None:
    told: list[tuple[str, str]] = []
    listen = lambda what, fraction, details: told.append((what, details))
    first = knowledge(tmp_path, "smoke", listen)
    assert told[0][0] == "4 cells"
    assert "sampling takes about" in told[0][1]
    rows = first.tables["cells"]
    assert list(rows["factor"]) == [BASE, "temperature"] * 2
    assert not any(math.isnan(value) for value in rows["reliability_std"])
    told.clear()
    again = knowledge(tmp_path, "smoke", listen)
    assert len(told) == 1, "something was drawn again"
    for name in TABLES:
        assert again.tables[name].equals(first.tables[name])
