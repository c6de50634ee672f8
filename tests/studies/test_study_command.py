"""The real command `onebasin paper`: what it writes, what it repeats, and what it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onebasin.intervals import t_interval
from onebasin.store.tables import read_table
from onebasin.studies.all import experiments_in
from onebasin.studies.claims import verdict

ONEBASIN = Path(sys.executable).with_name("onebasin")
EXPERIMENTS = list(experiments_in(Path()))

pytestmark = pytest.mark.long  # all experiments are made for these tests


def onebasin(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ONEBASIN), "paper", *map(str, arguments)],
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


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All experiments at the smallest scale."""
    out = tmp_path_factory.mktemp("paper") / "out"
    done = onebasin("all", "--scale", "smoke", "--out", out)
    assert done.returncode == 0, done.stderr
    for name in EXPERIMENTS:
        assert name in done.stdout
    assert "verdict" in done.stdout
    return out


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_writes_tables_figures_and_claims(everything, name):
    tables = list((everything / name).glob("*.csv"))
    assert tables
    assert all(read_table(path) for path in tables)
    figures = list((everything / name).glob("*.png"))
    assert figures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    assert not list(everything.rglob("*.partial"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_verdict_follows_from_its_interval(everything, name):
    found = json.loads((everything / name / "claims.json").read_text())
    assert found["scale"] == "smoke"
    assert found["claims"]
    for claim in found["claims"]:
        assert claim["num_seeds"] >= 2
        low, high = (float("nan") if x is None else x for x in claim["interval"])
        expected = verdict((low, high), claim["threshold"], claim["direction"])
        assert claim["verdict"] == expected


def test_the_claims_of_all_experiments_are_joined(everything):
    joined = json.loads((everything / "claims.json").read_text())
    assert sorted(joined) == sorted(EXPERIMENTS)
    for name in EXPERIMENTS:
        assert joined[name] == json.loads((everything / name / "claims.json").read_text())


def test_a_claim_is_what_its_table_says(everything):
    rows = read_table(everything / "compact" / "representations.csv")
    tv = {
        name: [r["total_variation"] for r in rows if r["representation"] == name]
        for name in ("compact", "direct")
    }
    gaps = [a - b for a, b in zip(tv["compact"], tv["direct"], strict=True)]
    claims = json.loads((everything / "compact" / "claims.json").read_text())["claims"]
    claim = next(c for c in claims if c["statistic"].endswith("compact minus direct"))
    assert claim["estimate"] == pytest.approx(sum(gaps) / len(gaps), rel=1e-9)
    assert claim["interval"] == pytest.approx(
        [float(x) for x in t_interval(np.array(gaps))], rel=1e-9
    )


def test_without_transpositions_planting_anew_changes_no_barrier(everything):
    folder = everything / "transpositions"
    trained = {
        row["seed"]: row["midpoint"]
        for row in read_table(folder / "barriers.csv")
        if (row["planted"], row["stage"]) == (0, "trained")
        and (row["part"], row["quantity"]) == ("test", "loss")
    }
    replanted = read_table(folder / "replanted.csv")
    for row in replanted:
        if row["planted"] == 0:
            assert row["midpoint"] == pytest.approx(trained[row["seed"]], abs=1e-5)
    most = max(row["planted"] for row in replanted)
    cycles = [row["midpoint"] for row in replanted if (row["planted"], row["seed"]) == (most, 0)]
    assert len({round(midpoint, 6) for midpoint in cycles}) > 1  # each is another permutation


def test_what_is_there_is_not_repeated(everything):
    path = everything / "dynamics" / "pairs.csv"
    before = path.stat().st_mtime_ns
    done = onebasin("dynamics", "--scale", "smoke", "--out", everything)
    assert done.returncode == 0, done.stderr
    assert "dynamics" in done.stdout
    assert path.stat().st_mtime_ns == before


def test_an_experiment_cut_off_is_taken_again_from_the_runs_it_kept(everything, tmp_path):
    out = tmp_path / "cut"
    for name in ("compact", "compare"):
        shutil.copytree(everything / name, out / name)
    wanted = (out / "compare" / "correlations.csv").read_bytes()
    (out / "compare" / "claims.json").unlink()
    (out / "compare" / "correlations.csv").unlink()
    done = onebasin("compare", "--scale", "smoke", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "HMC" not in done.stderr  # no run was drawn again
    assert (out / "compare" / "correlations.csv").read_bytes() == wanted


def test_pruning_cut_off_goes_on_from_the_cells_it_kept(everything, tmp_path):
    shutil.copytree(everything / "prune", tmp_path / "cut" / "prune")
    kept, lost = sorted((tmp_path / "cut" / "prune" / "cells").iterdir())
    before = kept.stat().st_mtime_ns
    wanted = (everything / "prune" / "curves.csv").read_bytes()
    lost.unlink()
    (tmp_path / "cut" / "prune" / "claims.json").unlink()
    done = onebasin("prune", "--scale", "smoke", "--out", tmp_path / "cut")
    assert done.returncode == 0, done.stderr
    assert kept.stat().st_mtime_ns == before
    assert lost.exists()
    assert (tmp_path / "cut" / "prune" / "curves.csv").read_bytes() == wanted


def test_findings_of_another_scale_are_not_mixed(everything):
    done = onebasin("dynamics", "--scale", "small", "--out", everything)
    assert_refused(done, "scale small", "holds smoke", "--again")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["transposition"], ["'transposition'", "Did you mean 'transpositions'?"]),
        (["all", "--scale", "tiny"], ["'tiny'", "smoke, small, full"]),
    ],
)
def test_unknown_names_are_one_line_and_write_nothing(arguments, words, tmp_path):
    assert_refused(onebasin(*arguments, "--out", tmp_path / "out"), *words)
    assert not (tmp_path / "out").exists()
