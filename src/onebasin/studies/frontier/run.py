"""The frontier over seeds: a run directory for each, drawn and evaluated once, then one table."""

import json
from pathlib import Path
from typing import TypeAlias

from onebasin.run.config import RunConfig
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Monitor, set_up
from onebasin.run.steps.sample import draw_hmc
from onebasin.store.draws import load_samples
from onebasin.store.files import write_text
from onebasin.store.tables import Row, write_table
from onebasin.studies.frontier.evaluate import evaluate_seed
from onebasin.studies.frontier.table import Numbers, markdown, rows_of

Found: TypeAlias = dict[str, Numbers]
_SEED_FILE = "frontier.json"


def run_frontier(
    config: RunConfig, num_seeds: int, folder: Path, num_steps: int, monitor: Monitor
) -> list[Row]:
    """Draw and evaluate seeds 0 to `num_seeds` - 1, and write frontier.csv and frontier.md.

    A seed that is evaluated already is read, one that is drawn already is evaluated; the table
    holds all seeds asked for, and its rows are given.

    Raises: StoreError where a seed's folder holds a run of another config.
    """
    found = []
    for seed in range(num_seeds):
        at = config.model_copy(update={"seed": seed})

        def told(what: str, fraction: float, details: str, seed: int = seed) -> None:
            monitor(f"seed {seed}: {what}", fraction, details)

        found.append(_seed(at, folder / f"seed-{seed}", num_steps, told))
    rows = rows_of(found)
    write_table(folder / "frontier.csv", rows)
    write_text(folder / "frontier.md", markdown(rows))
    return rows


def _seed(config: RunConfig, path: Path, num_steps: int, monitor: Monitor) -> Found:
    values = config.model_dump(mode="json")
    exists = (path / "config.toml").exists()
    run = (RunDirectory.resume if exists else RunDirectory.create)(path, values)
    file = path / _SEED_FILE
    if file.exists():
        return json.loads(file.read_text("utf-8"))
    setup = set_up(config)
    draw_hmc(run, setup, monitor)
    samples = load_samples(run.samples("hmc"), setup.template)
    found = evaluate_seed(setup, samples, num_steps, monitor)
    write_text(file, json.dumps(found, indent=1, allow_nan=False) + "\n")
    return found
