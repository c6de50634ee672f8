"""A run and its steps, one at a time on a run directory."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onebasin.cli.arguments import (
    AgainOption,
    ConfigArgument,
    OutOption,
    RunArgument,
    SeedOption,
    SetOption,
    use_all_cores,
)
from onebasin.cli.console import progress, show_table

if TYPE_CHECKING:
    from onebasin.run.results import Step
    from onebasin.run.run_directory import RunDirectory
    from onebasin.run.setup import Monitor, Setup


def run(
    config: ConfigArgument,
    out: OutOption = None,
    seed: SeedOption = None,
    changes: SetOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run.")] = False,
) -> None:
    """Sample, align, summarize, compare, prune and report: everything from data to report.html."""
    from onebasin.run.run import take_steps

    directory, setup = _begin(config, out, seed, changes, resume)
    with progress() as monitor:
        take_steps(directory, setup, monitor)
        _write_report(directory, setup, monitor)
    _show(directory)


def sample(
    config: ConfigArgument,
    out: OutOption = None,
    seed: SeedOption = None,
    changes: SetOption = None,
) -> None:
    """Make a run directory and draw samples by every method."""
    directory, setup = _begin(config, out, seed, changes, resume=False)
    _take("sample", directory, setup)


def align(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Bring all draws into one basin and count transpositions."""
    _take("align", *_open(run_directory, "align", again))


def summarize(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Write the Gaussians of aligned and unaligned draws, and their null floor."""
    _take("summarize", *_open(run_directory, "summarize", again))


def compare(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Evaluate every representation against HMC, and compare weight by weight."""
    _take("compare", *_open(run_directory, "compare", again))


def prune(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Prune by uncertainties, magnitude and at random, with the misaligned control."""
    _take("prune", *_open(run_directory, "prune", again))


def report(run_directory: RunArgument) -> None:
    """Draw the figures and write report.html."""
    from onebasin.run.results import STEPS
    from onebasin.store.errors import StoreError

    directory, setup = _open(run_directory, None, again=True)
    missing = [step for step in STEPS if not directory.is_done(step)]
    if missing:
        raise StoreError(
            f"A report needs every step. Got {run_directory}, where {missing[0]} has not been "
            f"taken. Run `onebasin {missing[0]} {run_directory}` first."
        )
    with progress() as monitor:
        _write_report(directory, setup, monitor)
    _show(directory)


def _begin(
    config: str, out: Path | None, seed: int | None, changes: list[str] | None, resume: bool
) -> tuple["RunDirectory", "Setup"]:
    """The run directory and setup; data are checked before anything is written."""
    use_all_cores()
    from onebasin.run.config import load_config
    from onebasin.run.run_directory import RunDirectory
    from onebasin.run.setup import set_up

    resolved = load_config(config, changes or (), seed)
    path = Path(f"{Path(config).stem}-run") if out is None else out
    values = resolved.model_dump(mode="json")
    if not resume:
        RunDirectory.check_free(path)
    setup = set_up(resolved)
    return (RunDirectory.resume if resume else RunDirectory.create)(path, values), setup


def _open(path: Path, step: "Step | None", again: bool) -> tuple["RunDirectory", "Setup"]:
    use_all_cores()
    from onebasin.run.run import open_setup
    from onebasin.run.run_directory import RunDirectory
    from onebasin.store.errors import StoreError

    directory = RunDirectory(path)
    if step is not None and directory.is_done(step) and not again:
        raise StoreError(
            f"A step is taken once. Got {path}, where {step} has been taken. "
            "Pass --again to repeat it."
        )
    return directory, open_setup(directory)


def _take(step: "Step", directory: "RunDirectory", setup: "Setup") -> None:
    from onebasin.run.run import take_step

    with progress() as monitor:
        take_step(directory, step, setup, monitor)
    results = directory.load_results()
    assert results is not None
    typer.echo(f"{step}: done in {results.seconds[step]} s, see {directory.path}")


def _write_report(directory: "RunDirectory", setup: "Setup", monitor: "Monitor") -> None:
    from onebasin.report import write_report

    begin = time.perf_counter()
    write_report(directory, setup, monitor)
    results = directory.load_results()
    assert results is not None
    seconds = round(time.perf_counter() - begin, 3)
    directory.save_results(results.model_copy(update={"report_seconds": seconds}))


def _show(directory: "RunDirectory") -> None:
    from onebasin.report import representation_rows

    results = directory.load_results()
    assert results is not None
    assert results.compare is not None
    title = f"{results.config.data.name}: representations of the posterior"
    show_table(title, representation_rows(results.compare))
    typer.echo(f"Report: {directory.report}")
