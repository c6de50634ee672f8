"""The real command `onebasin study`: what it writes, repeats and refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import commands
import numpy as np
import pytest

from onebasin.intervals import t_interval
from onebasin.studies.claims import verdict
from onebasin.studies.names import PAPER
from onebasin.studies.tables import where
from onebasin.studies.write import read_tables

ONEBASIN = Path(sys.executable).with_name("onebasin")


def onebasin(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ONEBASIN), "study", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    )


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.strip().splitlines() if line.startswith("onebasin: ")]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], lines[0]


LONG = pytest.mark.long  # all studies are made for these tests


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All experiments at the smallest scale."""
    out = tmp_path_factory.mktemp("paper") / "out"
    done = onebasin("paper", "--scale", "smoke", "--out", out)
    assert done.returncode == 0, done.stderr
    for name in PAPER:
        assert name in done.stdout
    assert "verdict" in done.stdout
    return out


@LONG
@pytest.mark.parametrize("name", PAPER)
def test_an_experiment_writes_tables_figures_and_claims(everything, name):
    tables = read_tables(name, everything / name)
    assert {path.stem for path in (everything / name).glob("*.csv")} == set(tables)
    assert not any(table.empty for table in tables.values())
    figures = list((everything / name).glob("*.png"))
    assert figures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    assert not list(everything.rglob("*.partial"))


@LONG
@pytest.mark.parametrize("name", PAPER)
def test_every_verdict_follows_from_its_interval(everything, name):
    found = json.loads((everything / name / "claims.json").read_text())
    assert found["scale"] == "smoke"
    assert found["claims"]
    for claim in found["claims"]:
        assert claim["num_seeds"] >= 2
        low, high = (float("nan") if x is None else x for x in claim["interval"])
        expected = verdict((low, high), claim["threshold"], claim["direction"])
        assert claim["verdict"] == expected


@LONG
def test_the_claims_of_all_experiments_are_joined(everything):
    joined = json.loads((everything / "claims.json").read_text())
    assert sorted(joined) == sorted(PAPER)
    for name in PAPER:
        assert joined[name] == json.loads((everything / name / "claims.json").read_text())


@LONG
def test_a_claim_is_what_its_table_says(everything):
    rows = read_tables("compact", everything / "compact")["representations"]
    compact, direct = (
        where(rows, representation=name)["total_variation"].to_numpy()
        for name in ("compact", "direct")
    )
    gaps = compact - direct
    claims = json.loads((everything / "compact" / "claims.json").read_text())["claims"]
    claim = next(c for c in claims if c["statistic"].endswith("compact minus direct"))
    assert claim["estimate"] == pytest.approx(sum(gaps) / len(gaps), rel=1e-9)
    assert claim["interval"] == pytest.approx([float(x) for x in t_interval(gaps)], rel=1e-9)


@LONG
def test_without_transpositions_planting_anew_changes_no_barrier(everything):
    tables = read_tables("transpositions", everything / "transpositions")
    barriers = where(tables["barriers"], planted=0, stage="trained", part="test", quantity="loss")
    trained = barriers.set_index("seed")["midpoint"]
    replanted = tables["replanted"]
    untouched = where(replanted, planted=0)
    np.testing.assert_allclose(untouched["midpoint"], trained[untouched["seed"]], atol=1e-5)
    cycles = where(replanted, planted=replanted["planted"].max(), seed=0)
    assert cycles["midpoint"].round(6).nunique() > 1  # each is another permutation


@LONG
def test_what_is_there_is_not_repeated(everything):
    path = everything / "dynamics" / "pairs.csv"
    before = path.stat().st_mtime_ns
    done = onebasin("dynamics", "--scale", "smoke", "--out", everything)
    assert done.returncode == 0, done.stderr
    assert "dynamics" in done.stdout
    assert path.stat().st_mtime_ns == before


@LONG
def test_an_experiment_cut_off_is_taken_again_from_the_runs_it_kept(everything, tmp_path):
    out = tmp_path / "cut"
    for name in ("compact", "compare"):
        shutil.copytree(everything / name, out / name)
    wanted = (out / "compare" / "correlations.csv").read_bytes()
    for name in ("claims.json", "key.json"):  # both are written at the end
        (out / "compare" / name).unlink()
    (out / "compare" / "correlations.csv").unlink()
    done = onebasin("compare", "--scale", "smoke", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "HMC" not in done.stderr  # no run was drawn again
    assert (out / "compare" / "correlations.csv").read_bytes() == wanted


@LONG
def test_pruning_cut_off_goes_on_from_the_cells_it_kept(everything, tmp_path):
    shutil.copytree(everything / "pruning", tmp_path / "cut" / "pruning")
    kept, lost = sorted((tmp_path / "cut" / "pruning" / "cells").iterdir())
    before = (kept / "cell.json").stat().st_mtime_ns
    wanted = (everything / "pruning" / "curves.csv").read_bytes()
    (lost / "key.json").unlink()
    for name in ("claims.json", "key.json"):  # both are written at the end
        (tmp_path / "cut" / "pruning" / name).unlink()
    done = onebasin("pruning", "--scale", "smoke", "--out", tmp_path / "cut")
    assert done.returncode == 0, done.stderr
    assert (kept / "cell.json").stat().st_mtime_ns == before
    assert (lost / "key.json").exists()
    assert (tmp_path / "cut" / "pruning" / "curves.csv").read_bytes() == wanted


@LONG
def test_findings_of_another_scale_are_not_mixed(everything):
    done = onebasin("dynamics", "--scale", "small", "--out", everything)
    assert_refused(done, 'scale "small" instead of "smoke"', "--again")


@pytest.mark.slow
def test_an_unknown_study_is_one_line_of_the_real_command(tmp_path):
    done = onebasin("transposition", "--out", tmp_path / "out")
    assert_refused(done, "'transposition'", "Did you mean 'transpositions'?")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["paper", "--scale", "tiny"], ["'tiny'", "smoke, small, full"]),
        (["prune"], ["'prune'", "pruning", "frontier, paper"]),
        (["dynamics", "--seeds", "3"], ["belong to the frontier", "--seeds", "dynamics"]),
        (["paper", "--set=seed=1", "--steps=2"], ["--steps and --set with the study paper"]),
        (["frontier", "--config=digitz"], ["'digitz'", "Did you mean 'digits'?"]),
        (["frontier", "--scale=tiny"], ["'tiny'", "smoke, small, full"]),
    ],
)
def test_unknown_names_are_one_line_and_write_nothing(arguments, words, tmp_path):
    done = commands.onebasin("study", *arguments, "--out", tmp_path / "out")
    assert_refused(done, *words)
    assert not (tmp_path / "out").exists()
