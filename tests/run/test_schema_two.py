"""The map from results of schema 2 to schema 3 loses no number, and sees every difference."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from changed_results import with_changes
from schema_two import TOLERANCE, in_schema_three, largest_difference, main, numbers

from onebasin.run.representations import COMPACT, kept_draws, low_rank
from onebasin.run.results import Results
from onebasin.run.run_directory import RunDirectory
from onebasin.store import StoreError

EXAMPLE = Path(__file__).with_name("schema_two_example.json").read_text("utf-8")
OLD = json.loads(EXAMPLE)
"""A tiny run of digits by the last version with schema 2: two chains, one rank."""


@pytest.fixture
def results() -> Results:
    return Results.model_validate(in_schema_three(OLD))


def marked(value: Any, places: dict[float, tuple], place: tuple = ()) -> Any:
    """A copy where each number is another one; `places` says where it stood."""
    if isinstance(value, dict):
        return {name: marked(part, places, (*place, name)) for name, part in value.items()}
    if isinstance(value, list):
        return [marked(part, places, (*place, row)) for row, part in enumerate(value)]
    if not isinstance(value, int | float):
        return value
    number = 1000.5 + len(places)
    places[number] = place
    return number


def all_numbers(value: Any) -> Iterator[float]:
    parts = value.values() if isinstance(value, dict) else value
    for part in parts if isinstance(value, dict | list) else ():
        yield from all_numbers(part)
    if isinstance(value, int | float):
        yield value


def test_the_example_is_a_whole_run_of_schema_two() -> None:
    assert OLD["schema"] == 2
    with pytest.raises(StoreError, match="must have schema 3. Got schema 2"):
        Results.from_json(EXAMPLE, "results.json")


def test_every_number_has_a_place_in_schema_three() -> None:
    rest = {name: OLD[name] for name in OLD if name not in ("schema", "seed", "config")}
    places: dict[float, tuple] = {}
    new = in_schema_three(marked(rest, places) | {"config": OLD["config"]})
    kept = set(all_numbers(new))
    lost = {place for number, place in places.items() if number not in kept}
    assert len(places) > 800
    # What is there twice needs one place.
    assert lost == {("pruning", name, row, 0) for name in OLD["pruning"]
                    for row in range(len(OLD["pruning"][name]))}  # fmt: skip
    for name, points in OLD["pruning"].items():
        intervals = OLD["pruning_intervals"][name]
        assert [point[0] for point in points] == [interval[0] for interval in intervals]
    assert OLD["seed"] == OLD["config"]["seed"]
    assert new["config"]["method"] == OLD["config"]["hmc"]
    others = OLD["config"].keys() - {"hmc"}
    assert all(new["config"][name] == OLD["config"][name] for name in others)


def test_numbers_stand_where_their_names_say(results: Results) -> None:
    table = OLD["representations"]
    assert results.compare.scores(COMPACT).nll == table["compact"]["nll"]
    tempered, whole = (low_rank(2, is_tempered=tempered) for tempered in (True, False))
    assert results.compare.scores(tempered).nll == table["compact-rank-2"]["nll"]
    assert results.compare.scores(whole).nll == table["compact-rank-2-whole"]["nll"]
    stored = {r.representation for r in results.compare.representations}
    assert {COMPACT, tempered, whole, kept_draws(4)} <= stored
    pair = results.compare.comparisons[0]
    found = OLD["comparison"][f"{pair.first}|{pair.second}"]
    assert pair.unaligned.kl_mean == found["kl_mean_unaligned"]
    assert pair.aligned.kl_mean == found["kl_mean"]
    last = results.prune.curve("member", "std-misaligned").points[-1]
    assert [last.keep, last.score, last.nll] == OLD["pruning"]["member/std-misaligned"][-1]
    interval = OLD["pruning_intervals"]["member/std-misaligned"][-1]
    assert [last.keep, last.low, last.high] == interval
    assert results.seconds == OLD["seconds"]


def test_a_run_differs_from_itself_by_nothing_in_any_order(results: Results) -> None:
    backwards = with_changes(
        results,
        {
            "compare": {
                "representations": results.compare.representations[::-1],
                "comparisons": results.compare.comparisons[::-1],
            },
            "prune": {"curves": results.prune.curves[::-1]},
        },
    )
    assert backwards != results
    assert largest_difference(results, backwards)[0] == 0
    assert len(numbers(results)) > 700


def test_a_number_that_changed_is_found(results: Results) -> None:
    objective = results.align.alignment.objective
    for change, is_rounding in {1e-7: True, 1e-5: False}.items():
        other = {"align": {"alignment": {"objective": objective * (1 + change)}}}
        largest, place = largest_difference(results, with_changes(results, other))
        assert place == "align.alignment.objective"
        assert largest == pytest.approx(change, rel=1e-3)
        assert (largest <= TOLERANCE) is is_rounding


def test_a_number_that_only_one_run_has_is_found(results: Results) -> None:
    fewer = with_changes(results, {"align": {"transpositions": {"between_chains": None}}})
    expected = (float("inf"), "align.transpositions.between_chains")
    assert largest_difference(results, fewer) == largest_difference(fewer, results) == expected


def test_the_script_says_how_far_two_runs_lie_apart(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text(EXAMPLE)
    run = RunDirectory.create(tmp_path / "new", results.config.model_dump(mode="json"))
    run.save_results(results)
    assert main(str(tmp_path), str(run.path)) == 0
    assert "largest relative difference: 0 " in capsys.readouterr().out
    run.save_results(with_changes(results, {"align": {"alignment": {"objective": 33.0}}}))
    assert main(str(tmp_path), str(run.path)) == 1
    assert "at align.alignment.objective" in capsys.readouterr().out
