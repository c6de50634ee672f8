"""Tests of the loaders see no data folder but the one they name."""

import pytest


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEBASIN_DATA", raising=False)
