"""Run directories: never overwritten, resumed with the same config alone, results replaced."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from onebasin.run.config import load_config
from onebasin.run.results import (
    STEPS,
    AlignmentQuality,
    AlignResults,
    DataSizes,
    LagTranspositions,
    PruneResults,
    Results,
    SampleResults,
    Transpositions,
)
from onebasin.run.run_directory import RunDirectory
from onebasin.samples import Samples
from onebasin.store import SampleWriter, StoreError, save_samples
from onebasin.store.files import write_text

CONFIG = {
    "seed": 3,
    "data": {"name": "digits", "target": None},
    "network": {"hidden": (8, 4), "activation": "relu"},
    "posterior": {"prior_std": {"hidden": 1.0, "out": 0.5}},
}


SAMPLE = SampleResults(
    num_draws=4,
    data=DataSizes(task="regression", num_features=2, train=3, validation=2, test=1),
    seconds=1.0,
)
SAMPLED = Results(config=load_config("digits"), versions={"jax": "0"}, sample=SAMPLE)


def aligned(objective: float, between_chains: float | None = 1.0) -> AlignResults:
    return AlignResults(
        alignment=AlignmentQuality(
            matching="weights",
            reference="mean",
            objective=objective,
            converged_share=1.0,
            max_function_change=0.0,
        ),
        transpositions=Transpositions(
            between_chains=between_chains,
            by_lag=(LagTranspositions(lag=1, count=0.5),),
            baseline_mean=2.0,
            baseline_std=1.0,
        ),
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", CONFIG)


def test_a_new_run_keeps_its_config_without_what_is_not_chosen(run: RunDirectory) -> None:
    assert run.config == {
        "seed": 3,
        "data": {"name": "digits"},
        "network": {"hidden": [8, 4], "activation": "relu"},
        "posterior": {"prior_std": {"hidden": 1.0, "out": 0.5}},
    }
    assert run.load_results() is None


def test_an_empty_folder_may_become_a_run(tmp_path: Path) -> None:
    assert RunDirectory.create(tmp_path, CONFIG).path == tmp_path


def test_a_folder_that_holds_another_run_is_refused(run: RunDirectory) -> None:
    with pytest.raises(StoreError, match="new or empty folder.*another run.*onebasin resume"):
        RunDirectory.create(run.path, CONFIG)


def test_a_folder_that_holds_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match="new or empty folder.*other files"):
        RunDirectory.create(tmp_path, CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(StoreError, match=r"must be a folder\. Got the file"):
        RunDirectory.create(tmp_path / "file", CONFIG)


@pytest.mark.parametrize("make", [RunDirectory, lambda path: RunDirectory.resume(path, CONFIG)])
def test_a_folder_without_a_config_is_no_run(tmp_path: Path, make) -> None:
    with pytest.raises(StoreError, match=r"must hold a config\.toml\. Got .*which has none"):
        make(tmp_path)


def test_a_run_is_resumed_with_the_config_it_began_with(run: RunDirectory) -> None:
    run.save_results(SAMPLED)
    assert RunDirectory.resume(run.path, CONFIG).load_results() == SAMPLED


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"seed": 4}, r"seed than"),
        ({"network": {"hidden": (8,), "activation": "relu"}}, r"network\.hidden than"),
        ({"data": {"name": "digits", "target": "age"}}, r"data\.target than"),
        ({"posterior": {"prior_std": 1.0}, "seed": 4}, r"posterior\.prior_std, seed than"),
    ],
)
def test_another_config_is_refused_and_what_differs_is_named(
    run: RunDirectory, change, names
) -> None:
    with pytest.raises(StoreError, match=rf"Got other values for {names} in .*config\.toml"):
        RunDirectory.resume(run.path, CONFIG | change)


def test_resuming_removes_what_was_left_unfinished_and_nothing_else(run: RunDirectory) -> None:
    samples = Samples({"w": np.ones((1, 2, 3))})
    save_samples(run.samples("hmc"), samples)
    SampleWriter(run.samples("ensemble")).append(samples)
    run.alignment("hmc").write_text("whole")
    left = run.alignment("hmc").with_name("hmc.safetensors.partial")
    left.write_text("half")
    RunDirectory.resume(run.path, CONFIG)
    assert run.samples("hmc").exists()
    assert not run.samples("ensemble").exists()
    assert run.alignment("hmc").read_text() == "whole"
    assert not left.exists()


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(numbers, numbers | st.none())
def test_results_come_back_as_they_were_saved(
    tmp_path_factory, objective: float, between_chains: float | None
) -> None:
    run = RunDirectory.create(tmp_path_factory.mktemp("run"), CONFIG)
    results = SAMPLED.with_step("align", aligned(objective, between_chains))
    for _ in range(2):
        run.save_results(results)
        assert run.load_results() == results


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_results_that_json_cannot_hold_are_refused_and_the_old_ones_stay(
    run: RunDirectory, bad: float
) -> None:
    run.save_results(SAMPLED)
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.save_results(SAMPLED.with_step("align", aligned(objective=bad)))
    assert run.load_results() == SAMPLED
    assert not list(run.path.glob("*.partial"))


@pytest.mark.parametrize("undefined", [float("nan"), float("inf"), None])
def test_a_number_that_may_be_undefined_is_null_where_it_is(
    run: RunDirectory, undefined: float | None
) -> None:
    run.save_results(SAMPLED.with_step("align", aligned(1.0, between_chains=undefined)))
    written = json.loads((run.path / "results.json").read_text())
    assert written["align"]["transpositions"]["between_chains"] is None


def test_a_step_is_done_once_it_has_a_section_until_that_is_taken_away(
    run: RunDirectory,
) -> None:
    assert not run.is_done("sample")
    run.save_results(SAMPLED)
    assert [step for step in STEPS if run.is_done(step)] == ["sample"]
    run.save_results(SAMPLED.with_step("sample", None))
    assert not run.is_done("sample")


def test_a_section_is_replaced_whole_and_those_of_later_steps_are_gone() -> None:
    pruned = SAMPLED.with_step("align", aligned(1.0)).with_step("prune", PruneResults(curves=()))
    assert pruned.align == aligned(1.0)
    pruned = pruned.model_copy(update={"report_seconds": 2.0})
    again = pruned.with_step("align", aligned(2.0, between_chains=None))
    assert again.align == aligned(2.0, between_chains=None)
    assert again.sample == SAMPLE
    assert again.prune is again.report_seconds is None
    assert set(again.seconds) == {"sample", "align"}
    assert pruned.align == aligned(1.0)


def test_results_of_another_schema_are_refused_in_one_line_and_left_as_they_are(
    run: RunDirectory,
) -> None:
    old = json.dumps({"schema": 2, "seconds": {"sample": 1.0}})
    (run.path / "results.json").write_text(old)
    for read in (run.load_results, lambda: run.is_done("sample")):
        with pytest.raises(StoreError, match=r"must have schema 4\. Got schema 2.*--out") as error:
            read()
        assert len(str(error.value).splitlines()) == 1
    assert (run.path / "results.json").read_text() == old


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.toml", "seed = ", r"config\.toml, which is damaged, or changed.*--resume"),
        ("results.json", '{"nll": ', r"results\.json must be JSON\. Got: .*Delete the file"),
        ("results.json", "[4]", r"results\.json must have schema 4\. Got schema None"),
        ("results.json", '{"schema": 4}', r"results of a run\. Got 'config': .*Delete the file"),
        (
            "results.json",
            SAMPLED.as_json().replace("num_features", "num_feature"),
            r"the results of a run\. Got 'sample\.data\.num_features': .*Delete the file",
        ),
    ],
)
def test_damaged_files_are_named(run: RunDirectory, name, text, message) -> None:
    (run.path / name).write_text(text)
    with pytest.raises(StoreError, match=message):
        _ = run.config, run.load_results()


def test_everything_of_a_run_has_its_place(run: RunDirectory) -> None:
    places = {
        run.samples("hmc"): "samples/hmc.zarr",
        run.alignment("hmc"): "alignment/hmc.safetensors",
        run.compact("vi"): "compact/vi.safetensors",
        run.figure("trade-off"): "figures/trade-off.png",
        run.report: "report.html",
    }
    for path, expected in places.items():
        assert str(path.relative_to(run.path)) == expected
        assert path.parent.is_dir()


def test_results_are_readable_json_that_ends_in_a_newline(run: RunDirectory) -> None:
    run.save_results(SAMPLED)
    text = (run.path / "results.json").read_text()
    assert text.endswith("}\n")
    assert len(text.splitlines()) > 50
    found = json.loads(text)
    assert (found["schema"], found["sample"]["data"]["train"], found["align"]) == (4, 3, None)


def test_texts_are_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "first")
    write_text(str(tmp_path / "page.html"), "second")
    assert (tmp_path / "page.html").read_text() == "second"
    assert len(list(tmp_path.iterdir())) == 1


def test_only_a_folder_that_is_new_or_empty_is_free(run: RunDirectory, tmp_path: Path) -> None:
    RunDirectory.check_free(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(StoreError, match="new or empty folder.*another run"):
        RunDirectory.check_free(run.path)
