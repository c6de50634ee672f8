"""The command line: `onebasin run CONFIG`, its steps one at a time, and studies.

`arguments` has the arguments and options, `steps` the commands of a run and its steps, `studies`
the command for studies of many runs, `symmetry` the command for the symmetry of any network, and
`merge` and `prune` the commands that merge trained networks and prune one.
The commands import JAX and the numerical libraries themselves, so that help and usage errors come
at once.
"""

import sys

import typer

from onebasin.cli import merge, prune, steps, studies, symmetry

app = typer.Typer(
    help="Align the posterior samples of a Bayesian neural network.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
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


def main() -> None:
    """Run the command line. Bad input gives one line on stderr and exit code 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        typer.echo(f"onebasin: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
