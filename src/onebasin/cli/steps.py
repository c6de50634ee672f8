"""The commands of a run, and of each of its steps on a run directory."""

import time
from collections.abc import Generator
from contextlib import contextmanager
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
    resume: Annotated[bool, typer.Option("--resume", help="Resume a run.")] = False,
) -> None:
    """Sample, align, summarize, compare, prune and report: everything from data to report.html."""
    _take_all(*_begin(config, out, seed, changes, resume))


def resume(run_directory: RunArgument) -> None:
    """Go on with an interrupted run: take the steps that are not done, and write the report."""
    from onebasin.run.begin import open_run

    directory, setup = _open(run_directory, None, again=False)
    _take_all(open_run(directory.path, setup), setup)


step = typer.Typer(
    help="Run one step: sample, align, summarize, compare, prune or report, in this order. "
    "`onebasin step sample DIR --config CONFIG` creates the run directory.",
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
    """Draw samples by every method. With --config the run directory is created first."""
    directory, setup = _begin_in(run_directory, config, seed, changes, again)
    _take("sample", directory, setup)


@step.command()
def align(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Align all draws and count transpositions."""
    _take("align", *_open(run_directory, "align", again))


@step.command()
def summarize(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Write the Gaussians of aligned and unaligned draws, and their null floor."""
    _take("summarize", *_open(run_directory, "summarize", again))


@step.command()
def compare(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Compare every representation with all draws, and methods weight by weight."""
    _take("compare", *_open(run_directory, "compare", again))


@step.command()
def prune(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Prune by uncertainty, by magnitude and at random, with the misaligned control."""
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
            f"A report needs every step. Got {run_directory}, for which {missing[0]} is not "
            f"done. Run `onebasin step {missing[0]} {run_directory}` first."
        )
    with progress() as on_progress:
        _write_report(directory, setup, on_progress)
    _show(directory)


def status(run_directory: RunArgument) -> None:
    """Say which steps of a run are done, how far its draws are, and how it goes on."""
    from onebasin.run.run_directory import RunDirectory
    from onebasin.run.status import status

    for line in status(RunDirectory(run_directory)):
        typer.echo(line)


def check(run_directory: RunArgument) -> None:
    """Name every file of a run that is damaged or missing, and say how to mend it."""
    from onebasin.run.begin import check_run
    from onebasin.run.check import check_files
    from onebasin.run.run import open_setup
    from onebasin.run.run_directory import RunDirectory
    from onebasin.store.errors import StoreError

    found = check_files(run_directory)
    for file in found:
        typer.echo(f"{file.name}: {file.state}")
    faulty = [file for file in found if file.is_faulty]
    if faulty:
        raise StoreError(
            f"All files of a run must be as they were written. Got "
            f"{', '.join(file.name for file in faulty)} in {run_directory}, of which "
            f"{faulty[0].name} is {faulty[0].state}. {faulty[0].mend}"
        )
    directory = RunDirectory(run_directory)
    check_run(run_directory, open_setup(directory))


def _begin(
    config: str, out: Path | None, seed: int | None, changes: list[str] | None, resume: bool
) -> tuple["RunDirectory", "Setup"]:
    """The run directory and the setup. The data are checked before anything is written."""
    use_all_cores()
    from onebasin.data.tables import name_of_table
    from onebasin.run.begin import check_run, open_run, restore
    from onebasin.run.config import load_config
    from onebasin.run.describe import describe
    from onebasin.run.run_directory import RunDirectory
    from onebasin.run.setup import set_up

    resolved = load_config(config, changes or (), seed)
    path = Path(f"{Path(name_of_table(config)).stem}-run") if out is None else out
    if not resume:
        RunDirectory.check_free(path)
    setup = set_up(resolved)
    for line in describe(setup):
        typer.echo(line)
    if resume:
        restore(path, setup)
        check_run(path, setup)  # raises an error if there is no run to resume
    return open_run(path, setup), setup


def _begin_in(
    path: Path, config: str | None, seed: int | None, changes: list[str] | None, again: bool
) -> tuple["RunDirectory", "Setup"]:
    """The run directory at a path: created from a config, or an existing one with its own."""
    if config is not None and not again:
        return _begin(config, path, seed, changes, resume=False)
    if config is None and (seed is not None or changes):
        raise ValueError(
            "--seed and --set change the config that --config names. Got no --config. "
            "Name one, or leave them out to resume the existing run."
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
    """An existing run directory and its setup, which must be the setup that it began with."""
    use_all_cores()
    from onebasin.run.begin import check_run
    from onebasin.run.run import open_setup
    from onebasin.run.run_directory import RunDirectory
    from onebasin.store.errors import StoreError

    directory = RunDirectory(path)
    if step is not None and directory.is_done(step) and not again:
        raise StoreError(
            f"A step is run only once. Got {path}, for which {step} is done. "
            "Pass --again to repeat it."
        )
    setup = open_setup(directory)
    check_run(path, setup)
    return directory, setup


def _take_all(directory: "RunDirectory", setup: "Setup") -> None:
    """Take every step that is not done, write the report, and print what was found."""
    from onebasin.run.run import take_steps

    with _interruptible(directory), progress() as on_progress:
        take_steps(directory, setup, on_progress)
        _write_report(directory, setup, on_progress)
    _show(directory)


@contextmanager
def _interruptible(directory: "RunDirectory") -> Generator[None]:
    """Ctrl-C ends the command with one line that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            f"onebasin: Interrupted. What was finished is in {directory.path}. Go on with "
            f"`onebasin resume {directory.path}`.",
            err=True,
        )
        raise typer.Exit(130) from None


def _take(step: "Step", directory: "RunDirectory", setup: "Setup") -> None:
    from onebasin.run.run import take_step

    with _interruptible(directory), progress() as on_progress:
        take_step(directory, step, setup, on_progress)
    typer.echo(f"{step}: done in {_results(directory).seconds[step]} s, see {directory.path}")


def _write_report(
    directory: "RunDirectory", setup: "Setup", on_progress: "ProgressCallback"
) -> None:
    """Write the report, and record its files and how long it took."""
    from onebasin.report import write_report
    from onebasin.run.run_directory import writing

    with writing(directory.path):
        results = _results(directory)
        directory.begin("report", results.model_copy(update={"report_seconds": None}))
        begin = time.perf_counter()
        write_report(directory, setup, on_progress)
        seconds = round(time.perf_counter() - begin, 3)
        directory.save_results(results.model_copy(update={"report_seconds": seconds}))


def _results(directory: "RunDirectory") -> "Results":
    """The results of a run of which at least one step is done."""
    results = directory.load_results()
    assert results is not None
    return results


def _show(directory: "RunDirectory") -> None:
    from onebasin.report import representation_rows
    from onebasin.run.trust import cautions

    results = _results(directory)
    assert results.compare is not None
    assert results.summarize is not None
    diagnostics = results.summarize.diagnostics
    for line in cautions(results.config.method.kind, diagnostics):
        typer.echo(line)
    title = f"{results.config.data.name}: representations of the posterior"
    show_table(title, representation_rows(results.compare), note=diagnostics.warning)
    typer.echo(f"Report: {directory.report}")
