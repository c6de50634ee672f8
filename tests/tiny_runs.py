"""Tiny runs of the main job: every step, in seconds."""

from pathlib import Path

from onebasin.run.begin import open_run
from onebasin.run.config import RunConfig, load_config
from onebasin.run.results import Results
from onebasin.run.run import take_steps
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import set_up

TINY = [
    "network.hidden=[6]",
    "hmc.num_chains=2",
    "hmc.num_draws=8",
    "hmc.num_warmup=4",
    "hmc.num_steps=5",
    "ensemble.num_members=2",
    "ensemble.num_steps=20",
    "vi.num_steps=20",
    "refinement.num_steps=20",
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
    setup = set_up(config)
    run = open_run(path, setup)
    take_steps(run, setup)
    return run


def results_of(run: RunDirectory) -> Results:
    """The results of a run that has some."""
    found = run.load_results()
    assert found is not None
    return found
