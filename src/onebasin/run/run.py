"""The main job: the steps of a run, one after another, on a run directory."""

import importlib.metadata
import platform
import time
from collections.abc import Callable
from typing import Any

from onebasin.run.config import check_config
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Monitor, Setup, set_up, silent
from onebasin.run.steps.align import align_samples
from onebasin.run.steps.compare import compare_methods
from onebasin.run.steps.prune import prune_networks
from onebasin.run.steps.sample import draw_samples
from onebasin.run.steps.summarize import summarize_samples
from onebasin.store.errors import StoreError

SCHEMA = 2
"""The version of results.json; it grows when a name changes its meaning."""

Step = Callable[[RunDirectory, Setup, Monitor], dict[str, Any]]

STEPS: dict[str, Step] = {
    "sample": draw_samples,
    "align": align_samples,
    "summarize": summarize_samples,
    "compare": compare_methods,
    "prune": prune_networks,
}
"""The steps in their order; each reads what those before it wrote."""

_LIBRARIES = ("onebasin", "jax", "jaxlib", "blackjax", "optax", "numpy", "scipy", "lapx")


def take_step(run: RunDirectory, step: str, setup: Setup, monitor: Monitor = silent) -> None:
    """Take one step and write down what it found and how long it took.

    Steps behind it count as not taken from then on.

    Raises: StoreError where a step before it has not been taken.
    """
    order = list(STEPS)
    for earlier in order[: order.index(step)]:
        if not run.is_done(earlier):
            raise StoreError(
                f"The step {step} needs what {earlier} writes. Got {run.path}, where it has not "
                f"been taken. Run `onebasin {earlier}` on it first."
            )
    versions = _versions()  # before the work, which a missing one must not cost
    run.forget(*order[order.index(step) :])
    begin = time.perf_counter()
    found = STEPS[step](run, setup, monitor)
    run.add_results(
        {
            "schema": SCHEMA,
            "seed": setup.config.seed,
            "config": setup.config.model_dump(mode="json"),
            "versions": versions,
            **found,
            "seconds": {step: round(time.perf_counter() - begin, 3)},
        }
    )


def open_setup(run: RunDirectory) -> Setup:
    """Data, network and posterior of a run directory, from its own config."""
    return set_up(check_config(run.config))


def take_steps(run: RunDirectory, setup: Setup, monitor: Monitor = silent) -> None:
    """Take every step that has not been taken yet."""
    for step in STEPS:
        if not run.is_done(step):
            take_step(run, step, setup, monitor)


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: _version(name) for name in _LIBRARIES}


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"  # run from its source, or under another name
