"""The frontier on two tiny runs: every representation is scored once, and read from then on."""

import json
from pathlib import Path

import pandas as pd
import pytest
from tiny_runs import tiny_config

from onebasin.run.config import RunConfig
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import set_up
from onebasin.store import StoreError
from onebasin.store.draws import is_whole
from onebasin.studies.frontier.protocol import Protocol
from onebasin.studies.frontier.refined import REFINEMENTS
from onebasin.studies.frontier.representations import from_samples
from onebasin.studies.frontier.rows import ENTRIES, PATH
from onebasin.studies.frontier.run import run_frontier
from onebasin.studies.frontier.table import COLUMNS
from onebasin.studies.tables import read_table

pytestmark = pytest.mark.long  # two runs are made for these tests

NUM_SEEDS = 2
PROTOCOL = Protocol(NUM_SEEDS, num_steps=5)
MARKS = {"hmc", "hmc-chain", "kept-1", "kept-2", "kept-4", "kept-8"}
WAYS = {
    "compact",
    "compact-by-weights",
    "compact-by-activations",
    "compact-by-mixed",
    "compact-by-fisher",
    "compact-balanced",
}


class Told(list):
    """A callback that keeps what it is called with."""

    def __call__(self, what: str, fraction: float, details: str) -> None:
        assert 0 <= fraction <= 1
        self.append(what)


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return tiny_config("digits", "network.hidden=[4]", "method.thin=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frontier")


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def rows(config: RunConfig, folder: Path, told: Told) -> pd.DataFrame:
    """The table by representation; tests leave the folder as it is."""
    return run_frontier(config, PROTOCOL, folder, told).set_index("representation")


def test_every_representation_is_scored(rows: pd.DataFrame, config: RunConfig) -> None:
    path = {f"refined-elbo-pull-{pull:g}" for pull in PATH}
    from_draws = set(from_samples(set_up(config)))
    assert from_draws >= WAYS
    assert set(rows.index) == MARKS | from_draws | set(REFINEMENTS) | path | {"refined-chains"}
    assert set(rows.index) <= set(ENTRIES)
    assert set(rows["num_seeds"]) == {NUM_SEEDS}
    for metric in ("accuracy", "nll", "ece", "agreement", "total_variation"):
        assert rows[metric].between(rows[f"{metric}_low"], rows[f"{metric}_high"]).all()
    assert rows["total_variation"].between(0, 1).all()
    assert rows.loc["hmc", "total_variation"] == 0
    assert rows.loc["hmc", "agreement"] == 1


def test_numbers_stored_are_those_of_the_representation(rows: pd.DataFrame) -> None:
    numbers = rows["values_per_weight"]
    assert [numbers[f"kept-{count}"] for count in (1, 2, 4, 8)] == [1, 2, 4, 8]
    assert [numbers[f"chosen-{count}"] for count in (1, 2, 4, 8)] == [1, 2, 4, 8]
    assert numbers["chosen-7-shared-std"] == numbers["low-rank-6"] == 8
    assert numbers["compact-mean"] == 1
    assert numbers["compact"] == numbers["refined-elbo"] == numbers["chain-means"] == 2
    assert numbers["chain-gaussians"] == numbers["low-rank-2"] == 4


def test_only_what_has_a_density_has_an_elbo(rows: pd.DataFrame) -> None:
    without = set(rows.index[rows["elbo"].isna()])
    networks = {"compact-mean", "chain-means", "unit-blocks"}
    assert without == MARKS | networks | {f"chosen-{count}" for count in (1, 2, 4, 8)}


def test_held_out_draws_and_significance_are_scored_where_they_are_defined(rows) -> None:
    for score in ("held_out_draws", "held_out_chain"):
        assert set(rows[score].dropna().index) == {"direct", "compact-by-weights", "compact"}
    for score in ("std_ess", "null_std"):
        assert set(rows[score].dropna().index) == WAYS


def test_so_few_draws_cannot_tell_which_stds_are_significant(rows: pd.DataFrame) -> None:
    assert 0 < rows.loc["compact", "std_ess"] < 50
    assert rows["significant_share"].isna().all()


def test_the_more_a_refinement_is_pulled_the_less_it_moves(rows: pd.DataFrame) -> None:
    moved = rows["moved"].dropna()
    refined = rows.index[rows.index.str.startswith("refined-")]
    assert set(moved.index) == set(refined) - {"refined-chains"}
    assert moved[f"refined-elbo-pull-{max(PATH):g}"] < moved["refined-elbo"]


def test_the_table_is_written_for_machines_and_for_people(rows, folder: Path) -> None:
    table = read_table(folder / "frontier.csv", COLUMNS).set_index("representation")
    pd.testing.assert_frame_equal(table, rows, check_exact=True)
    text = (folder / "frontier.md").read_text()
    assert all(f"| {name} |" in text for name in rows.index)


def test_a_second_call_reads_what_is_there_and_repeats_nothing(
    rows, config: RunConfig, folder: Path, told: Told
) -> None:
    assert {what.split(":")[0] for what in told} == {"seed 0", "seed 1"}
    files = {path: path.stat().st_mtime_ns for path in folder.glob("seed-*/**/*")}
    again = Told()
    found = run_frontier(config, PROTOCOL, folder, again)
    pd.testing.assert_frame_equal(found.set_index("representation"), rows)
    assert again == []
    assert {path: path.stat().st_mtime_ns for path in folder.glob("seed-*/**/*")} == files


def test_seeds_are_runs_of_their_own_that_only_hmc_has_drawn(rows, folder: Path) -> None:
    seeds = [RunDirectory(folder / f"seed-{seed}") for seed in range(NUM_SEEDS)]
    assert [run.config["seed"] for run in seeds] == [0, 1]
    assert all(is_whole(run.samples("hmc")) for run in seeds)
    assert not any(run.samples("ensemble").exists() for run in seeds)
    found = [json.loads((run.path / "frontier" / "scores.json").read_text()) for run in seeds]
    first, second = (seed["compact"]["elbo"] for seed in found)
    assert first != second


def test_a_folder_of_another_config_is_refused(rows, folder: Path) -> None:
    other = tiny_config("digits", "network.hidden=[5]", "method.thin=1")
    before = (folder / "frontier.csv").read_text()
    with pytest.raises(StoreError, match=r"network\.hidden \[5\] instead of \[4\]"):
        run_frontier(other, PROTOCOL, folder, Told())
    assert (folder / "frontier.csv").read_text() == before
