"""A run and its steps, one at a time on a run directory."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onebasin.cli.arguments import (
    AgainOption,
    ConfigArgument,
    ConfigOption,
    OutOption,
    RunArgument,
    SeedOption,
    SetOption,
    use_all_cores,
)
from onebasin.cli.console import progress, show_table

if TYPE_CHECKING:
    from onebasin.run.results import Results, Step
    from onebasin.run.run_directory import RunDirectory
    from onebasin.run.setup import ProgressCallback, Setup


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
    with progress() as on_progress:
        take_steps(directory, setup, on_progress)
        _write_report(directory, setup, on_progress)
    _show(directory)


step = typer.Typer(
    help="Take one step of a run: sample, align, summarize, compare, prune and report, in turn. "
    "`onebasin step sample DIR --config CONFIG` makes the run directory.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@step.command()
def sample(
    run_directory: RunArgument,
    config: ConfigOption = None,
    seed: SeedOption = None,
    changes: SetOption = None,
    again: AgainOption = False,
) -> None:
    """Draw samples by every method. With --config the run directory is made first."""
    directory, setup = _begin_in(run_directory, config, seed, changes, again)
    _take("sample", directory, setup)


@step.command()
def align(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Bring all draws into one basin and count transpositions."""
    _take("align", *_open(run_directory, "align", again))


@step.command()
def summarize(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Write the Gaussians of aligned and unaligned draws, and their null floor."""
    _take("summarize", *_open(run_directory, "summarize", again))


@step.command()
def compare(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Evaluate every representation against HMC, and compare weight by weight."""
    _take("compare", *_open(run_directory, "compare", again))


@step.command()
def prune(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Prune by uncertainties, magnitude and at random, with the misaligned control."""
    _take("prune", *_open(run_directory, "prune", again))


@step.command()
def report(run_directory: RunArgument) -> None:
    """Draw the figures and write report.html."""
    from onebasin.run.results import STEPS
    from onebasin.store.errors import StoreError

    directory, setup = _open(run_directory, None, again=True)
    missing = [step for step in STEPS if not directory.is_done(step)]
    if missing:
        raise StoreError(
            f"A report needs every step. Got {run_directory}, where {missing[0]} has not been "
            f"taken. Run `onebasin step {missing[0]} {run_directory}` first."
        )
    with progress() as on_progress:
        _write_report(directory, setup, on_progress)
    _show(directory)


def check(run_directory: RunArgument) -> None:
    """Say which files of a run are there, whole, and of its present config, data and version."""
    from onebasin.run.check import check_files
    from onebasin.run.run import open_setup
    from onebasin.run.run_directory import RunDirectory
    from onebasin.store.errors import StoreError

    directory = RunDirectory(run_directory)
    found = check_files(directory, open_setup(directory))
    for file in found:
        typer.echo(f"{file.name}: {file.state}")
    faulty = [file.name for file in found if not file.is_whole]
    if faulty:
        raise StoreError(
            f"All files of a run must be whole and of one config, data and version. Got "
            f"{', '.join(faulty)} in {run_directory}, which are not. Resume the run, or repeat the "
            "step that writes them."
        )


def _begin(
    config: str, out: Path | None, seed: int | None, changes: list[str] | None, resume: bool
) -> tuple["RunDirectory", "Setup"]:
    """The run directory and setup; data are checked before anything is written."""
    use_all_cores()
    from onebasin.run.begin import check_run, open_run
    from onebasin.run.config import load_config
    from onebasin.run.run_directory import RunDirectory
    from onebasin.run.setup import set_up

    resolved = load_config(config, changes or (), seed)
    path = Path(f"{Path(config).stem}-run") if out is None else out
    if resume:
        RunDirectory(path)  # nothing is made anew where there is nothing to go on with
    else:
        RunDirectory.check_free(path)
    setup = set_up(resolved)
    if resume:
        check_run(path, setup)
    return open_run(path, setup), setup


def _begin_in(
    path: Path, config: str | None, seed: int | None, changes: list[str] | None, again: bool
) -> tuple["RunDirectory", "Setup"]:
    """The run directory at a path: made from a config, or there and with its own."""
    if config is not None and not again:
        return _begin(config, path, seed, changes, resume=False)
    if config is None and (seed is not None or changes):
        raise ValueError(
            "--seed and --set change the config that --config names. Got no --config. "
            "Name one, or leave them out to go on with the run that is there."
        )
    if not again:
        return _open(path, "sample", again)
    use_all_cores()
    from onebasin.run.begin import open_run
    from onebasin.run.config import load_config
    from onebasin.run.run import open_setup
    from onebasin.run.run_directory import RunDirectory
    from onebasin.run.setup import set_up

    if config is None:
        setup = open_setup(RunDirectory(path))
    else:
        setup = set_up(load_config(config, changes or (), seed))
    return open_run(path, setup, again=True), setup


def _open(path: Path, step: "Step | None", again: bool) -> tuple["RunDirectory", "Setup"]:
    """A run directory that is there, and its setup, which must be what it was begun with."""
    use_all_cores()
    from onebasin.run.begin import check_run
    from onebasin.run.run import open_setup
    from onebasin.run.run_directory import RunDirectory
    from onebasin.store.errors import StoreError

    directory = RunDirectory(path)
    if step is not None and directory.is_done(step) and not again:
        raise StoreError(
            f"A step is taken once. Got {path}, where {step} has been taken. "
            "Pass --again to repeat it."
        )
    setup = open_setup(directory)
    check_run(path, setup)
    return directory, setup


def _take(step: "Step", directory: "RunDirectory", setup: "Setup") -> None:
    from onebasin.run.run import take_step

    with progress() as on_progress:
        take_step(directory, step, setup, on_progress)
    typer.echo(f"{step}: done in {_results(directory).seconds[step]} s, see {directory.path}")


def _write_report(
    directory: "RunDirectory", setup: "Setup", on_progress: "ProgressCallback"
) -> None:
    from onebasin.report import write_report

    begin = time.perf_counter()
    write_report(directory, setup, on_progress)
    seconds = round(time.perf_counter() - begin, 3)
    directory.save_results(_results(directory).model_copy(update={"report_seconds": seconds}))


def _results(directory: "RunDirectory") -> "Results":
    """The results of a run of which a step has been taken."""
    results = directory.load_results()
    assert results is not None
    return results


def _show(directory: "RunDirectory") -> None:
    from onebasin.report import representation_rows

    results = _results(directory)
    assert results.compare is not None
    title = f"{results.config.data.name}: representations of the posterior"
    show_table(title, representation_rows(results.compare))
    typer.echo(f"Report: {directory.report}")
