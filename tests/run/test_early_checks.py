"""What would cost a run its work is found out before the work, or right behind it."""

import importlib.metadata

import numpy as np
import pytest

from onebasin.run import run
from onebasin.run.steps.sample import _check_moved
from onebasin.samples import Samples


def test_a_library_without_metadata_costs_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("onebasin", "lapx"):
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    versions = run.versions()
    assert (versions["onebasin"], versions["lapx"]) == ("not installed", "not installed")
    assert versions["numpy"] == np.__version__


def drawn(params: np.ndarray) -> Samples:
    shape = params.shape[:2]
    stats = {"acceptance_rate": np.zeros(shape), "step_size": np.full(shape, 0.5)}
    return Samples({"w": params}, stats)


def test_chains_that_all_stay_where_they_began_are_refused() -> None:
    still = np.repeat(np.arange(6.0).reshape(2, 1, 3), 5, axis=1)
    with pytest.raises(ValueError, match=r"acceptance rate of 0 at a step size of 0\.5\. Lower"):
        _check_moved(drawn(still))


def test_one_weight_of_one_chain_that_moves_is_enough() -> None:
    params = np.zeros((2, 5, 3))
    params[1, 3, 2] = 1
    _check_moved(drawn(params))
    _check_moved(drawn(params[:, :1]))
