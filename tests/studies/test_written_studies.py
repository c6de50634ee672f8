"""What a study found is read again for the same settings, data and version, and else refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import onebasin
from onebasin.run.cache import Key
from onebasin.store import StoreError
from onebasin.studies import write
from onebasin.studies.all import Study, studies_in
from onebasin.studies.claims import Findings, claim_over_seeds
from onebasin.studies.names import PAPER
from onebasin.studies.pruning import measure as pruning
from onebasin.studies.tables import Row, table_of
from onebasin.studies.write import write_study

SIZES = {"seed": int, "size": float}


class MadeUp:
    """Studies that count how often they are measured; one protocol and one data set for all."""

    def __init__(self) -> None:
        self.measured: list[str] = []
        self.again: list[str] = []
        self.protocol, self.data = {"num_epochs": 3}, {"digits": "a"}

    def studies_in(self, out: Path, again: tuple[str, ...] = ()) -> dict[str, Study]:
        self.again = list(again)
        return {name: Study(self.key, self.measure(name)) for name in PAPER}

    def key(self, scale: str) -> Key:
        return Key(arguments={"scale": scale, "protocol": self.protocol}, data=self.data)

    def measure(self, name: str) -> Callable[..., Findings]:
        def measure(scale: str, on_progress: object) -> Findings:
            self.measured.append(name)
            number = float(len(self.measured))
            values = [number, number + 1]
            claim = claim_over_seeds("it grows", "its size", values, ">", 0.0)
            return Findings({"sizes": table_of([{"seed": 0, "size": number}], SIZES)}, [claim])

        return measure


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    found = MadeUp()
    monkeypatch.setattr(write, "studies_in", found.studies_in)
    monkeypatch.setattr(write, "TABLES", {name: {"sizes": SIZES} for name in PAPER})
    monkeypatch.setattr(write, "FIGURES", dict.fromkeys(PAPER, lambda tables: {}))
    return found


def files_in(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def assert_refused(made_up: MadeUp, out: Path, words: str, scale: str = "smoke") -> None:
    before, measured = files_in(out), list(made_up.measured)
    with pytest.raises(StoreError) as caught:
        write_study("paper", scale, out)
    assert words in str(caught.value)
    assert "--again" in str(caught.value)
    assert files_in(out) == before
    assert made_up.measured == measured


def test_all_studies_are_taken_once_and_read_from_then_on(made_up: MadeUp, tmp_path: Path) -> None:
    first = write_study("paper", "smoke", tmp_path)
    assert made_up.measured == list(PAPER)
    before = files_in(tmp_path)
    assert write_study("paper", "smoke", tmp_path) == first
    assert write_study("dynamics", "smoke", tmp_path) == {"dynamics": first["dynamics"]}
    assert made_up.measured == list(PAPER)
    assert files_in(tmp_path) == before
    joined = json.loads((tmp_path / "claims.json").read_text())
    assert list(joined) == sorted(PAPER)


def test_another_scale_protocol_data_or_version_is_refused(
    made_up: MadeUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study("compact", "smoke", tmp_path)  # one of them is enough, and none is taken
    assert_refused(made_up, tmp_path, 'scale "small" instead of "smoke"', scale="small")
    made_up.protocol = {"num_epochs": 4}
    assert_refused(made_up, tmp_path, "protocol.num_epochs 4 instead of 3")
    made_up.protocol, made_up.data = {"num_epochs": 3}, {"digits": "b"}
    assert_refused(made_up, tmp_path, "data that has changed since")
    made_up.data = {"digits": "a"}
    monkeypatch.setattr(onebasin, "__version__", "9.9.9")
    assert_refused(made_up, tmp_path, "version 9.9.9 instead of")


def test_findings_of_an_earlier_version_are_not_overwritten(
    made_up: MadeUp, tmp_path: Path
) -> None:
    write_study("compact", "smoke", tmp_path)
    (tmp_path / "compact" / "key.json").unlink()
    assert_refused(made_up, tmp_path, "an earlier version wrote it")


def test_again_takes_a_study_and_its_parts_anew(made_up: MadeUp, tmp_path: Path) -> None:
    write_study("compact", "smoke", tmp_path)
    made_up.protocol = {"num_epochs": 4}
    found = write_study("compact", "smoke", tmp_path, again=True)
    assert made_up.again == ["compact"]
    assert found["compact"][0].estimate == 2.5
    assert write_study("compact", "smoke", tmp_path) == found


def test_an_interrupted_study_is_taken_again(
    made_up: MadeUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study("compact", "smoke", tmp_path)

    def interrupted(name: str) -> Callable[..., Findings]:
        def measure(scale: str, on_progress: object) -> Findings:
            raise KeyboardInterrupt

        return measure

    with monkeypatch.context() as patch:
        patch.setattr(made_up, "measure", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_study("compact", "smoke", tmp_path, again=True)
    write_study("compact", "smoke", tmp_path)
    assert made_up.measured == ["compact", "compact"]


def test_a_table_that_does_not_fit_is_one_line(made_up: MadeUp, tmp_path: Path) -> None:
    write_study("compact", "smoke", tmp_path)
    for text in ("seed,size\n0,1_0\n", "seed,length\n0,1.0\n", "seed,size\n0\n"):
        (tmp_path / "compact" / "sizes.csv").write_text(text)
        with pytest.raises(StoreError, match=r"Got .*sizes\.csv.*--again"):
            write_study("compact", "smoke", tmp_path)
    (tmp_path / "compact" / "sizes.csv").unlink()
    with pytest.raises(StoreError, match=r"Got .*sizes\.csv.*--again"):
        write_study("compact", "smoke", tmp_path)
    assert made_up.measured == ["compact"]


def test_a_damaged_table_of_findings_is_one_line(made_up: MadeUp, tmp_path: Path) -> None:
    write_study("compact", "smoke", tmp_path)
    (tmp_path / "compact" / "claims.json").write_text('{"claims": [')
    with pytest.raises(StoreError, match=r"claims\.json must be JSON.*--again"):
        write_study("compact", "smoke", tmp_path)


@pytest.mark.parametrize("name", PAPER)
def test_the_key_of_a_study_is_that_of_its_scale_and_the_same_each_time(name: str) -> None:
    study = studies_in(Path())[name]
    assert study.key("smoke") == study.key("smoke")
    assert study.key("smoke").arguments["scale"] == "smoke"
    assert study.key("smoke").data


class Cells:
    """The cells of the pruning study, measured in no time."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder = folder
        self.measured: list[int] = []
        monkeypatch.setattr(pruning, "fit", lambda cell: None)
        monkeypatch.setattr(pruning, "measure", self.measure)
        monkeypatch.setattr(pruning, "findings", self.findings)

    def measure(self, cell: pruning.Cell, found: object) -> pruning.Measured:
        self.measured.append(cell.seed)
        return [{"seed": cell.seed, "accuracy": 0.5}], {"seed": cell.seed, "share": 1.0}

    def findings(self, curves: list[Row], about: list[Row]) -> Findings:
        self.about = about
        return Findings({}, [])

    def __call__(self, *, again: bool = False) -> list[Row]:
        """What is to be known of each cell."""
        pruning.pruning(self.folder, "smoke", lambda *told: None, again=again)
        return self.about


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cells:
    return Cells(tmp_path / "cells", monkeypatch)


def test_a_cell_that_is_whole_is_read_and_one_that_is_not_is_measured(cells: Cells) -> None:
    first = cells()
    assert cells() == first
    assert cells.measured == [0, 1]
    (cells.folder / "digits-1-8-1" / "key.json").unlink()
    assert cells() == first
    assert cells.measured == [0, 1, 1]
    assert cells(again=True) == first
    assert cells.measured == [0, 1, 1, 0, 1]


def test_a_cell_of_other_settings_is_refused(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    cells()
    before = files_in(cells.folder)
    longer = [cell._replace(num_draws=9) for cell in pruning.cells("smoke")]
    monkeypatch.setattr(pruning, "cells", lambda scale: iter(longer))
    with pytest.raises(StoreError, match=r"cell\.num_draws 9 instead of 8"):
        cells()
    assert files_in(cells.folder) == before
    cells(again=True)
    assert cells() == cells()


def test_a_damaged_cell_is_one_line(cells: Cells) -> None:
    cells()
    (cells.folder / "digits-1-8-0" / "cell.json").write_text("{}")
    with pytest.raises(StoreError, match=r"cell\.json must hold a cell.*--again"):
        cells()
