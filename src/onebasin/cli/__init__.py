"""The command line: `onebasin run CONFIG`, its steps one at a time, and studies.

What users pass is `arguments`, a run and its steps `steps`, studies of many runs `studies`, the
symmetry of any network `symmetry`. JAX and the numerical libraries load inside the commands: help
and usage errors come at once.
"""

import sys

import typer

from onebasin.cli import steps, studies, symmetry

app = typer.Typer(
    help="Bring the posterior samples of a Bayesian neural network into one basin.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (steps.run, steps.check, studies.study, symmetry.symmetry):
    app.command()(command)
app.add_typer(steps.step, name="step")


def main() -> None:
    """Run the command line; bad input is one line on stderr and exit code 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        typer.echo(f"onebasin: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
