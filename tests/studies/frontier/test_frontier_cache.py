"""Scores of the frontier are read again for the same settings and data, and else refused."""

from pathlib import Path

import numpy as np
import pytest
from frontier_tables import made_up_seed

import onebasin
from onebasin import cli
from onebasin.run.config import RunConfig
from onebasin.studies.frontier import run as module
from onebasin.studies.frontier.protocol import Protocol

pytestmark = pytest.mark.slow

DRAWN: list[str] = []
"""What has been drawn and evaluated since the test began."""


@pytest.fixture(autouse=True)
def nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up scores in place of draws."""
    DRAWN.clear()
    draw = lambda run, setup, on_progress: DRAWN.append("draws")
    monkeypatch.setattr(module, "draw_by_sampler", draw)
    monkeypatch.setattr(module, "load_samples", lambda path, like: None)

    def evaluate(setup, samples, builders, protocol, on_progress):
        DRAWN.append(f"seed {setup.config.seed}, {protocol.num_steps} steps")
        return made_up_seed(1 + setup.config.seed + protocol.num_steps / 100)

    monkeypatch.setattr(module, "evaluate_seed", evaluate)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A data set that people keep in a file."""
    path = tmp_path / "table.csv"
    rows = np.random.default_rng(0).normal(size=(40, 3))
    text = "".join(",".join(f"{x:.4f}" for x in row) + "\n" for row in rows)
    path.write_text("a,b,yield\n" + text)
    return path


class Frontier:
    """The command on a data set of its own, in this process."""

    def __init__(self, table: Path, capsys: pytest.CaptureFixture[str]):
        self.table, self.out = table, table.parent / "out"
        self.capsys = capsys

    def __call__(self, *more: str) -> tuple[int, str]:
        """The exit code, and what is said on stderr by the command itself."""
        arguments = ["study", "frontier", f"--set=data.name={self.table}", "--scale=smoke"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("onebasin.cli.studies.use_all_cores", lambda: None)
            patch.setattr(
                "sys.argv", ["onebasin", *arguments, "--seeds=2", f"--out={self.out}", *more]
            )
            with pytest.raises(SystemExit) as caught:
                cli.main()
        lines = self.capsys.readouterr().err.splitlines()
        return int(caught.value.code or 0), "\n".join(x for x in lines if x.startswith("onebasin:"))

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.out.rglob("*") if path.is_file()}

    def assert_refused(self, *more: str, words: str) -> None:
        before = self.files()
        DRAWN.clear()
        code, said = self(*more)
        assert code == 2
        assert len(said.splitlines()) == 1
        assert words in said
        assert "--out" in said
        assert self.files() == before
        assert not DRAWN


@pytest.fixture
def frontier(table: Path, capsys: pytest.CaptureFixture[str]) -> Frontier:
    found = Frontier(table, capsys)
    assert found("--steps=5") == (0, "")
    assert DRAWN == ["draws", "seed 0, 5 steps", "draws", "seed 1, 5 steps"]
    return found


def test_the_same_settings_read_what_is_there(frontier: Frontier) -> None:
    before = frontier.files()
    DRAWN.clear()
    assert frontier("--steps=5") == (0, "")
    assert not DRAWN
    assert frontier.files() == before


def test_more_seeds_are_added_to_those_that_are_there(frontier: Frontier) -> None:
    DRAWN.clear()
    assert frontier("--steps=5", "--seeds=3") == (0, "")
    assert DRAWN == ["draws", "seed 2, 5 steps"]


def test_other_steps_are_refused(frontier: Frontier) -> None:
    frontier.assert_refused("--steps=6", words="num_steps 6 instead of 5")


def test_another_scale_is_refused(frontier: Frontier) -> None:
    frontier.assert_refused("--steps=5", "--scale=small", words="instead of")


def test_another_config_is_refused(frontier: Frontier) -> None:
    change = "--set=network.activation=tanh"
    frontier.assert_refused(
        "--steps=5", change, words='network.activation "tanh" instead of "relu"'
    )


def test_data_that_were_edited_are_refused(frontier: Frontier) -> None:
    text = frontier.table.read_text()
    frontier.table.write_text(text.replace("1", "2", 1))
    frontier.assert_refused("--steps=5", words="data that has changed since")
    frontier.table.write_text(text)
    assert frontier("--steps=5") == (0, "")


def test_another_version_is_refused(frontier: Frontier, monkeypatch: pytest.MonkeyPatch) -> None:
    old = onebasin.__version__
    monkeypatch.setattr(onebasin, "__version__", "9.9.9")
    frontier.assert_refused("--steps=5", words=f"version 9.9.9 instead of {old}")


def test_a_folder_of_an_earlier_version_is_refused(frontier: Frontier) -> None:
    for name in ("key.json", "manifest.json"):
        for file in frontier.out.rglob(name):
            file.unlink()
    frontier.assert_refused("--steps=5", words="an earlier version wrote it")


def test_again_replaces_scores_and_draws(frontier: Frontier) -> None:
    frontier.table.write_text(frontier.table.read_text().replace("1", "2", 1))
    DRAWN.clear()
    assert frontier("--steps=6", "--again") == (0, "")
    assert DRAWN == ["draws", "seed 0, 6 steps", "draws", "seed 1, 6 steps"]
    DRAWN.clear()
    assert frontier("--steps=6") == (0, "")
    assert not DRAWN


def test_rows_that_do_not_apply_are_found_out_before_anything_is_drawn(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(setup: object) -> None:
        raise ValueError("no row applies")

    monkeypatch.setattr(module, "from_samples", refuse)
    config = RunConfig.model_validate({"data": {"name": str(table)}})
    with pytest.raises(ValueError, match="no row applies"):
        module.run_frontier(config, Protocol(1, 5), table.parent / "other", lambda *told: None)
    assert not DRAWN
