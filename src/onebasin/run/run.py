"""Run the steps of a run one after another, on a run directory."""

import importlib.metadata
import platform
import time
from collections.abc import Callable

from onebasin.run.begin import check_run
from onebasin.run.config import check_config
from onebasin.run.results import STEPS, Results, Step, StepResults
from onebasin.run.run_directory import RunDirectory, writing
from onebasin.run.setup import ProgressCallback, Setup, set_up, silent
from onebasin.run.steps.align import align_samples
from onebasin.run.steps.compare import compare_methods
from onebasin.run.steps.prune import prune_networks
from onebasin.run.steps.sample import draw_samples
from onebasin.run.steps.summarize import summarize_samples
from onebasin.store.errors import StoreError

TAKE: dict[Step, Callable[[RunDirectory, Setup, ProgressCallback], StepResults]] = {
    "sample": draw_samples,
    "align": align_samples,
    "summarize": summarize_samples,
    "compare": compare_methods,
    "prune": prune_networks,
}
"""The function of each step. It returns the section of the step in the results."""

_LIBRARIES = ("onebasin", "jax", "jaxlib", "blackjax", "optax", "numpy", "scipy", "lapx")


def take_step(
    run: RunDirectory, step: Step, setup: Setup, on_progress: ProgressCallback = silent
) -> None:
    """Run one step, and save its section of the results and how long it took.

    The new section replaces the old one. The sections of later steps are removed, so that later
    steps are done again.

    Raises: StoreError if an earlier step is not done, or a file of one is damaged; if the run began
    with another config, other data or another version than the setup; or if another process writes
    to the run.
    """
    with writing(run.path):
        _take(run, step, setup, on_progress)


def _take(run: RunDirectory, step: Step, setup: Setup, on_progress: ProgressCallback) -> None:
    check_run(run.path, setup)
    fresh = Results(config=setup.config, versions=versions())
    known = run.load_results() or fresh
    for earlier in STEPS[: STEPS.index(step)]:
        if known.of_step(earlier) is None:
            raise StoreError(
                f"The step {step} needs the results of the step {earlier}. Got {run.path}, for "
                f"which {earlier} is not done. Run `onebasin step {earlier} {run.path}` first."
            )
    known = known.model_copy(update={"versions": fresh.versions}).with_step(step, None)
    run.begin(step, known)
    begin = time.perf_counter()
    section = TAKE[step](run, setup, on_progress)
    seconds = round(time.perf_counter() - begin, 3)
    run.save_results(known.with_step(step, section.model_copy(update={"seconds": seconds})))


def open_setup(run: RunDirectory) -> Setup:
    """The data, the network and the posterior of a run directory, made from its own config."""
    return set_up(check_config(run.config))


def take_steps(run: RunDirectory, setup: Setup, on_progress: ProgressCallback = silent) -> None:
    """Run every step that is not done yet."""
    for step in STEPS:
        if not run.is_done(step):
            take_step(run, step, setup, on_progress)


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries on which the numbers depend."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _LIBRARIES}


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"  # it runs from its source, or was installed under another name
