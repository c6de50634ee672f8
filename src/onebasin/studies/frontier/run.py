"""The frontier over seeds: each seed has a run directory, and one table summarizes all seeds."""

import json
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from onebasin.run.begin import open_run
from onebasin.run.cache import cached, key_of
from onebasin.run.config import RunConfig
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup, set_up
from onebasin.run.steps.sample import draw_by_sampler
from onebasin.store.draws import load_samples
from onebasin.store.errors import StoreError
from onebasin.store.files import write_text
from onebasin.studies.frontier.evaluate import evaluate_seed
from onebasin.studies.frontier.protocol import Protocol
from onebasin.studies.frontier.representations import from_samples
from onebasin.studies.frontier.table import Numbers, markdown, table_over_seeds
from onebasin.studies.tables import write_table

Found: TypeAlias = dict[str, Numbers]
_FOLDER, _FILE = "frontier", "scores.json"


def run_frontier(
    config: RunConfig,
    protocol: Protocol,
    folder: Path,
    on_progress: ProgressCallback,
    *,
    again: bool = False,
) -> pd.DataFrame:
    """Sample and evaluate seeds 0, 1 and so on, and write frontier.csv and frontier.md.

    A seed that was evaluated before is read from its folder. A seed that was only sampled before
    is evaluated. With `again` every seed is computed again. Returns the table over all seeds.

    Raises: StoreError if the folder of a seed holds a run with another config, other data or
    another version, or scores of another protocol.
    """
    found: list[Found] = []
    for seed in range(protocol.num_seeds):
        at = config.model_copy(update={"seed": seed})

        def on_stage(what: str, fraction: float, details: str, seed: int = seed) -> None:
            on_progress(f"seed {seed}: {what}", fraction, details)

        found.append(_seed(set_up(at), folder / f"seed-{seed}", protocol, on_stage, again))
    table = table_over_seeds(found)
    write_table(folder / "frontier.csv", table)
    write_text(folder / "frontier.md", markdown(table))
    return table


def _seed(
    setup: Setup, path: Path, protocol: Protocol, on_progress: ProgressCallback, again: bool
) -> Found:
    run = open_run(path, setup, again=again)
    return cached(
        path / _FOLDER,
        key_of(
            setup.config,
            setup.dataset,
            num_steps=protocol.num_steps,
            num_sweeps=protocol.num_sweeps,
        ),
        partial(_evaluate, run, setup, protocol, on_progress),
        _load,
        _save,
        again=again,
    )


def _evaluate(
    run: RunDirectory, setup: Setup, protocol: Protocol, on_progress: ProgressCallback
) -> Found:
    builders = from_samples(setup)  # before sampling, so that an error here comes early
    draw_by_sampler(run, setup, on_progress)
    samples = load_samples(run.samples("hmc"), setup.template)
    return evaluate_seed(setup, samples, builders, protocol, on_progress)


def _load(folder: Path) -> Found:
    path = folder / _FILE
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} must hold scores. Got: {error}. Pass --again.") from None


def _save(folder: Path, found: Found) -> None:
    write_text(folder / _FILE, json.dumps(found, indent=1, allow_nan=False) + "\n")
