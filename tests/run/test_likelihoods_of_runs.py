"""Runs under likelihoods that are neither categorical nor one noise for all inputs."""

import csv
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from tiny_runs import results_of, take_all_steps, tiny_config

from onebasin.report import write_report
from onebasin.run.config import ConfigError
from onebasin.run.run import open_setup
from onebasin.run.setup import set_up

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "likelihood", ["heteroscedastic", pytest.param("poisson", marks=pytest.mark.long)]
)
def test_a_run_under_a_likelihood_takes_every_step(tmp_path: Path, likelihood: str) -> None:
    changes = f"posterior.likelihood={likelihood}", "method.start=init", "method.num_warmup=100"
    config = tiny_config("diabetes", *changes)
    run = take_all_steps(tmp_path / "run", config)
    setup = open_setup(run)
    assert setup.posterior.likelihood.name == likelihood
    assert setup.network_name == f"10-12-{1 + (likelihood == 'heteroscedastic')} relu"
    compared = results_of(run).compare
    assert compared is not None
    write_report(run, setup)
    with (run.path / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    raw = sklearn.datasets.load_diabetes().target
    targets = np.array([float(row["target"]) for row in rows])
    assert np.isin(np.round(targets, 3), raw).all()
    stds = np.array([float(row["std"]) for row in rows])
    means = np.array([float(row["mean"]) for row in rows])
    assert (stds > 0).all()
    assert len(np.unique(stds)) > 1
    if likelihood == "poisson":
        assert (stds**2 > 0.999 * means).all()


def test_classes_have_no_likelihood_of_a_regression() -> None:
    with pytest.raises(ConfigError, match=r"posterior\.likelihood is for regression\. Got poisson"):
        set_up(tiny_config("digits", "posterior.likelihood=poisson"))
