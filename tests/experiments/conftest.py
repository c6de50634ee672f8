"""Tiny runs of the main job, made once for all tests of experiments."""

from pathlib import Path

import pytest

from onebasin.experiments.config import RunConfig, load_config
from onebasin.experiments.run import take_steps
from onebasin.experiments.setup import set_up
from onebasin.store.run_directory import RunDirectory

TINY = [
    "network.hidden=[6]",
    "hmc.num_chains=2",
    "hmc.num_draws=8",
    "hmc.num_warmup=4",
    "hmc.num_steps=5",
    "ensemble.num_members=2",
    "ensemble.num_steps=20",
    "vi.num_steps=20",
    "compact.ranks=[2]",
    "evaluation.num_gaussian_draws=8",
    "evaluation.num_thinnings=2",
    "evaluation.kept=[1, 3, 99]",
    "evaluation.keeps=[1.0, 0.5, 0.1]",
]


MORE = {"digits": ["hmc.thin=2"], "diabetes": ["hmc.start=map"]}


def tiny_config(name: str, *changes: str) -> RunConfig:
    return load_config(name, [*TINY, *MORE[name], *changes])


def take_all_steps(path: Path, config: RunConfig) -> RunDirectory:
    run = RunDirectory.create(path, config.model_dump(mode="json"))
    take_steps(run, set_up(config))
    return run


@pytest.fixture(scope="session", params=["digits", "diabetes"])
def config(request) -> RunConfig:
    """Classification, and regression with inferred noise."""
    return tiny_config(request.param)


@pytest.fixture(scope="session")
def run(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with all steps taken; tests leave it as it is."""
    return take_all_steps(tmp_path_factory.mktemp(config.data.name) / "run", config)
