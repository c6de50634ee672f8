"""The command line: `onebasin run CONFIG`, its steps, draws of one's own, and studies.

`arguments` has the arguments and options, `steps` the commands of a run and its steps, `align` the
commands for draws of one's own, `merge` and `prune` those that merge trained networks and prune
one, `studies` the command for studies of many runs, and `symmetry` the command for the symmetry of
any network. The commands import JAX and the numerical libraries themselves, so that help and usage
errors come at once.
"""

import sys
from typing import Annotated

import typer

import onebasin
from onebasin.cli import align, merge, prune, steps, studies, symmetry

app = typer.Typer(
    help="Align the posterior samples of a Bayesian neural network.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    align.align,
    align.report,
    steps.run,
    steps.resume,
    steps.status,
    steps.check,
    studies.study,
    symmetry.symmetry,
    merge.merge,
    prune.prune,
):
    app.command()(command)
app.add_typer(steps.step, name="step")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(onebasin.__version__)
        raise typer.Exit


@app.callback()
def onebasin_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the command line itself."""


def main() -> None:
    """Run the command line. Bad input gives one line on stderr and exit code 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        typer.echo(f"onebasin: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
