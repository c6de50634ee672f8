"""Tiny runs, made once for all tests of experiments."""

from collections.abc import Iterator

import jax
import pytest
from tiny_runs import take_all_steps, tiny_config

from onebasin.run.config import RunConfig
from onebasin.run.run_directory import RunDirectory


@pytest.fixture(scope="package", autouse=True)
def quick_to_compile() -> Iterator[None]:
    """Tiny runs compile for longer than they run: let XLA optimize less."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="package", params=["digits", "diabetes"])
def config(request) -> RunConfig:
    """Classification, and regression with inferred noise."""
    return tiny_config(request.param)


@pytest.fixture(scope="package")
def run(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with all steps taken; tests leave it as it is."""
    return take_all_steps(tmp_path_factory.mktemp(config.data.name) / "run", config)
