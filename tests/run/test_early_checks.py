"""What would cost a run its work is found out before the work, or right behind it."""

import importlib.metadata

import numpy as np
import pytest

from onebasin.run import run
from onebasin.run.steps.sample import check_draws
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
    with pytest.raises(ValueError, match=r"acceptance rate of 0 and a step size of 0\.5\. Lower"):
        check_draws(drawn(still), "hmc")


def test_the_message_names_what_the_sampler_records_and_reads() -> None:
    still = Samples({"w": np.zeros((2, 5, 3))}, {"lp": np.zeros((2, 5))})
    message = (
        r"chain of SWAG must move\. No chain has left its start\. Change method\.learning_rate"
    )
    with pytest.raises(ValueError, match=message):
        check_draws(still, "swag")


def test_draws_that_are_not_finite_are_refused() -> None:
    params = np.random.default_rng(0).standard_normal((2, 5, 3))
    params[1, 4, 0] = np.nan
    with pytest.raises(ValueError, match=r"draws of SGLD must be finite\. .* Lower method\.step"):
        check_draws(drawn(params), "sgld")


def test_one_weight_of_one_chain_that_moves_is_enough() -> None:
    params = np.zeros((2, 5, 3))
    params[1, 3, 2] = 1
    check_draws(drawn(params), "hmc")
    check_draws(drawn(params[:, :1]), "hmc")
