"""The finished runs, as tests of experiments read them."""

from pathlib import Path

import pytest
from tiny_runs import MORE, tiny_config

from onebasin.run.config import RunConfig
from onebasin.run.run_directory import RunDirectory


@pytest.fixture(scope="package", params=list(MORE))
def config(request: pytest.FixtureRequest) -> RunConfig:
    """Classification, and regression with inferred noise."""
    return tiny_config(request.param)


@pytest.fixture(scope="package")
def run(config: RunConfig, finished_runs: Path) -> RunDirectory:
    """A run with all steps taken; tests leave it as it is."""
    return RunDirectory(finished_runs / config.data.name)
