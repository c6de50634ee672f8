"""The command that prints the symmetry of any network, from the name of a Python function."""

from typing import Annotated

import typer

NetworkArgument = Annotated[
    str | None, typer.Argument(help="MODULE:FUNCTION that returns apply, params and inputs.")
]
TorchOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:CLASS",
        help="Instead: a class or function that makes a PyTorch module, used in evaluation mode.",
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="SHAPE",
        help="The shape of an input of that module: 1,3,32,32, or int:1,16 for tokens. Repeat it "
        "for several inputs.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print it as JSON, which ob.Symmetry.from_json reads.")
]


def symmetry(
    network: NetworkArgument = None,
    torch: TorchOption = None,
    inputs: InputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print which units of a network may trade places, and why others may not."""
    options = {"MODULE:FUNCTION": network, "--torch": torch, "--input": inputs}
    given = [name for name, value in options.items() if value]
    if given not in (["MODULE:FUNCTION"], ["--torch", "--input"]):
        raise ValueError(
            "symmetry takes MODULE:FUNCTION, or --torch MODULE:CLASS with an --input for each of "
            f"its inputs. Got {' and '.join(given) or 'neither'}."
        )
    from onebasin.symmetry.discovery.find import find_symmetry

    if network:
        from onebasin.run.named import named_network

        apply, params, arguments = named_network(network)
    else:
        from onebasin.cli.named_torch import named_torch

        apply, params, arguments = named_torch(torch or "", inputs or ())
    try:
        found = find_symmetry(apply, params, *arguments)
    except TypeError as error:
        raise ValueError(str(error)) from None
    typer.echo(found.to_json() if as_json else str(found))
