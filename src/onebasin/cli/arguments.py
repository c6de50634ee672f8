"""The arguments and options of the command line, and the cores that commands use."""

from pathlib import Path
from typing import Annotated

import typer

_MAX_DEVICES = 16

# The names are repeated here, because to import the configs would load JAX before the help.
CONFIGS = "digits, digits-deep, diabetes, mnist-small, mnist-resnet20"

ConfigArgument = Annotated[
    str, typer.Argument(help=f"{CONFIGS}, a TOML file, or a table such as data.csv.")
]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", help=f"Create the directory from: {CONFIGS}, or a TOML file."),
]
RunArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A run directory.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run directory to create [default: NAME-run].")
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="The seed of all random numbers.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change the config, for example method.num_draws=100."
    ),
]
AgainOption = Annotated[bool, typer.Option("--again", help="Repeat a step that is done.")]

# The next options are those of commands on trained networks of PyTorch.
TorchOption = Annotated[
    str,
    typer.Option(
        metavar="MODULE:CLASS", help="A class or function that makes the module of the state_dict."
    ),
]
InputOption = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="SHAPE",
        help="The shape of an input, batch first: 1,3,32,32, or int:1,16 for tokens. "
        "[default: one row of features]",
    ),
]
RawOption = Annotated[
    bool, typer.Option("--raw", help="Do not standardize the columns and targets of tables.")
]
OverwriteOption = Annotated[bool, typer.Option("--again", help="Overwrite files that exist.")]
DATA_HELP = "digits, diabetes, mnist, fashion-mnist, or a .npz or .csv file."


def use_all_cores() -> None:
    """Let JAX see the cores of this machine as devices."""
    from onebasin._threads import num_cpus
    from onebasin.methods.sample import set_cpu_devices

    set_cpu_devices(min(num_cpus(), _MAX_DEVICES))
