"""The command line: `onebasin run CONFIG`, and its steps one at a time on a run directory."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onebasin.console import progress, show_table

if TYPE_CHECKING:
    from onebasin.experiments.setup import Monitor, Setup
    from onebasin.store.run_directory import RunDirectory

# JAX and the numerical libraries load inside the commands: help and usage errors come at once.

app = typer.Typer(
    help="Bring the posterior samples of a Bayesian neural network into one basin.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_MAX_DEVICES = 16

ConfigArgument = Annotated[
    str, typer.Argument(help="digits, digits-deep, diabetes, mnist-small, or a TOML file.")
]
RunArgument = Annotated[Path, typer.Argument(help="A run directory.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run directory to make [default: NAME-run].")
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="The seed of everything random.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the config: hmc.num_draws=100."),
]
AgainOption = Annotated[bool, typer.Option("--again", help="Repeat a step that has been taken.")]


@app.command()
def run(
    config: ConfigArgument,
    out: OutOption = None,
    seed: SeedOption = None,
    changes: SetOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run.")] = False,
) -> None:
    """Sample, align, summarize, compare, prune and report: everything from data to report.html."""
    from onebasin.experiments.run import take_steps

    directory, setup = _begin(config, out, seed, changes, resume)
    with progress() as monitor:
        take_steps(directory, setup, monitor)
        _write_report(directory, setup, monitor)
    _show(directory)


@app.command()
def sample(
    config: ConfigArgument,
    out: OutOption = None,
    seed: SeedOption = None,
    changes: SetOption = None,
) -> None:
    """Make a run directory and draw samples by every method."""
    directory, setup = _begin(config, out, seed, changes, resume=False)
    _take("sample", directory, setup)


@app.command()
def align(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Bring all draws into one basin and count transpositions."""
    _take("align", *_open(run_directory, "align", again))


@app.command()
def summarize(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Write the Gaussians of aligned and unaligned draws, and their null floor."""
    _take("summarize", *_open(run_directory, "summarize", again))


@app.command()
def compare(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Evaluate every representation against HMC, and compare weight by weight."""
    _take("compare", *_open(run_directory, "compare", again))


@app.command()
def prune(run_directory: RunArgument, again: AgainOption = False) -> None:
    """Prune by uncertainties, magnitude and at random, with the misaligned control."""
    _take("prune", *_open(run_directory, "prune", again))


@app.command()
def report(run_directory: RunArgument) -> None:
    """Draw the figures and write report.html."""
    from onebasin.experiments.run import STEPS
    from onebasin.store.errors import StoreError

    directory, setup = _open(run_directory, "report", again=True)
    missing = [step for step in STEPS if not directory.is_done(step)]
    if missing:
        raise StoreError(
            f"A report needs every step. Got {run_directory}, where {missing[0]} has not been "
            f"taken. Run `onebasin {missing[0]} {run_directory}` first."
        )
    with progress() as monitor:
        _write_report(directory, setup, monitor)
    _show(directory)


@app.command()
def paper(
    name: Annotated[
        str, typer.Argument(help="transpositions, dynamics, compact, compare, prune, or all.")
    ],
    scale: Annotated[
        str,
        typer.Option("--scale", help="smoke (seconds), small (minutes), or full (the paper's)."),
    ] = "small",
    out: Annotated[Path, typer.Option("--out", help="Where findings go.")] = Path("paper"),
    again: Annotated[bool, typer.Option("--again", help="Repeat what is there.")] = False,
) -> None:
    """Test the paper's claims: tables, figures and verdicts, each experiment in a folder."""
    _use_all_cores()
    from onebasin.report.paper import claim_rows, write_paper

    with progress() as monitor:
        claims = write_paper(name, scale, out, monitor, again=again)
    show_table(f"Claims at scale {scale}", claim_rows(claims), num_text_columns=2)
    typer.echo(f"Findings: {out}")


@app.command()
def frontier(
    config: ConfigArgument,
    out: Annotated[Path | None, typer.Option("--out", help="Folder [NAME-frontier].")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from 0 on.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each refinement.")] = 1500,
    changes: SetOption = None,
) -> None:
    """Score every representation over seeds: what predicts best for the numbers it stores."""
    _use_all_cores()
    from onebasin.experiments.config import load_config
    from onebasin.experiments.frontier.run import run_frontier
    from onebasin.report.figures.frontier import draw_frontier

    folder = Path(f"{Path(config).stem}-frontier") if out is None else out
    with progress() as monitor:
        rows = run_frontier(load_config(config, changes or ()), seeds, folder, steps, monitor)
    draw_frontier(rows, folder)
    typer.echo((folder / "frontier.md").read_text())
    typer.echo(f"Table: {folder / 'frontier.csv'}, figures: frontier.png, path.png")


@app.command()
def symmetry(
    network: Annotated[
        str, typer.Argument(help="MODULE:FUNCTION that returns apply, params and inputs.")
    ],
) -> None:
    """Print which units of a network may trade places, and why others may not."""
    from onebasin.symmetry.discovery.find import find_symmetry
    from onebasin.symmetry.discovery.named import named_network

    apply, params, inputs = named_network(network)
    try:
        found = find_symmetry(apply, params, *inputs)
    except TypeError as error:
        raise ValueError(str(error)) from None
    typer.echo(str(found))


def _begin(
    config: str, out: Path | None, seed: int | None, changes: list[str] | None, resume: bool
) -> tuple["RunDirectory", "Setup"]:
    """The run directory and setup; data are checked before anything is written."""
    _use_all_cores()
    from onebasin.experiments.config import load_config
    from onebasin.experiments.setup import set_up
    from onebasin.store.run_directory import RunDirectory

    resolved = load_config(config, changes or (), seed)
    path = Path(f"{Path(config).stem}-run") if out is None else out
    values = resolved.model_dump(mode="json")
    if not resume:
        RunDirectory.check_free(path)
    setup = set_up(resolved)
    return (RunDirectory.resume if resume else RunDirectory.create)(path, values), setup


def _open(path: Path, step: str, again: bool) -> tuple["RunDirectory", "Setup"]:
    _use_all_cores()
    from onebasin.experiments.run import open_setup
    from onebasin.store.errors import StoreError
    from onebasin.store.run_directory import RunDirectory

    directory = RunDirectory(path)
    if directory.is_done(step) and not again:
        raise StoreError(
            f"A step is taken once. Got {path}, where {step} has been taken. "
            "Pass --again to repeat it."
        )
    return directory, open_setup(directory)


def _take(step: str, directory: "RunDirectory", setup: "Setup") -> None:
    from onebasin.experiments.run import take_step

    with progress() as monitor:
        take_step(directory, step, setup, monitor)
    typer.echo(f"{step}: done in {directory.results['seconds'][step]} s, see {directory.path}")


def _write_report(directory: "RunDirectory", setup: "Setup", monitor: "Monitor") -> None:
    from onebasin.report import write_report

    begin = time.perf_counter()
    write_report(directory, setup, monitor)
    directory.add_results({"seconds": {"report": round(time.perf_counter() - begin, 3)}})


def _show(directory: "RunDirectory") -> None:
    from onebasin.report import representation_rows

    title = f"{directory.config['data']['name']}: representations of the posterior"
    show_table(title, representation_rows(directory.results))
    typer.echo(f"Report: {directory.report}")


def _use_all_cores() -> None:
    from onebasin.inference.sample import set_cpu_devices

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    set_cpu_devices(min(cores or 1, _MAX_DEVICES))


def main() -> None:
    """Run the command line; bad input is one line on stderr and exit code 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        typer.echo(f"onebasin: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
