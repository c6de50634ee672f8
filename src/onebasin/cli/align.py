"""The commands for draws of one's own: `align`, and `report`, which writes a page again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onebasin._words import did_you_mean
from onebasin.cli import steps
from onebasin.cli.arguments import use_all_cores
from onebasin.cli.console import progress
from onebasin.cli.symmetry import InputOption, TorchOption

if TYPE_CHECKING:
    from onebasin.aligned import AlignedFolder, AlignedResults, Request
    from onebasin.networks import Network

# The names are repeated here, because to import them would load JAX before the help.
_REFERENCES = ("mean", "chains", "first", "densest")
_EFFORTS = ("fast", "normal", "thorough")
_LIKELIHOODS = ("categorical", "gaussian", "heteroscedastic", "poisson")

DrawsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="DRAWS",
        help="netCDF files or Zarr stores of ArviZ, sample stores of onebasin, folders of npz "
        "files by MILE, or checkpoints (.pt, .safetensors), as files, folders or patterns.",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", help="The folder to write.")]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:NAME",
        help="A function that returns a Network, or apply, params and inputs.",
    ),
]
NamesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--names", help="A variable to take, or with ~ in front to leave out. Repeat it for more."
    ),
]
ChainsOption = Annotated[
    int | None,
    typer.Option(help="How many chains checkpoints are of [default: each is one by itself]."),
]
ReferenceOption = Annotated[
    str, typer.Option(help=f"What draws are matched to: {', '.join(_REFERENCES)}.")
]
EffortOption = Annotated[
    str, typer.Option(help=f"How many local optima are looked for: {', '.join(_EFFORTS)}.")
]
PriorOption = Annotated[
    float | None, typer.Option(help="The std of the normal prior of every weight.")
]
DataOption = Annotated[
    str | None, typer.Option(help="Data to predict: a name such as digits, a .csv or an .npz file.")
]
LikelihoodOption = Annotated[
    str | None,
    typer.Option(help=f"{', '.join(_LIKELIHOODS)} [default: by the data, the first or second]."),
]
NoiseOption = Annotated[
    str | None,
    typer.Option(
        help="The std of the noise of a gaussian likelihood in the unit of the outputs, or the "
        "variable of the draws that holds it."
    ),
]
RawOption = Annotated[
    bool, typer.Option("--raw", help="Take data as the file has them, not standardized.")
]
SeedOption = Annotated[int, typer.Option(help="The seed of all random numbers and of the split.")]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Replace what an earlier `align` wrote to the folder.")
]


def align(
    draws: DrawsArgument,
    out: OutOption,
    network: NetworkOption = None,
    torch: TorchOption = None,
    inputs: InputOption = None,
    names: NamesOption = None,
    chains: ChainsOption = None,
    reference: ReferenceOption = "mean",
    effort: EffortOption = "normal",
    prior_std: PriorOption = None,
    data: DataOption = None,
    likelihood: LikelihoodOption = None,
    noise: NoiseOption = None,
    raw: RawOption = False,
    seed: SeedOption = 0,
    again: AgainOption = False,
) -> None:
    """Align draws or checkpoints of your own, and write what they show with a report.

    The network is named by --network, or by --torch with the --input of a module.
    """
    _check_network(network, torch, inputs)
    _check_one_of("--reference", reference, _REFERENCES)
    _check_one_of("--effort", effort, _EFFORTS)
    _check_data(data, likelihood, raw)
    if prior_std is not None and not prior_std > 0:
        raise ValueError(f"--prior-std must be positive. Got {prior_std}.")
    values: dict[str, Any] = {
        "draws": tuple(draws), "network": network or torch, "names": tuple(names or ()),
        "inputs": inputs[0] if inputs else None, "chains": chains, "reference": reference,
        "effort": effort, "prior_std": prior_std, "data": data, "likelihood": likelihood,
        "noise": noise, "raw": raw, "seed": seed,
    }  # fmt: skip
    _align(out, values, again)


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `onebasin align` or `onebasin run` wrote.")
    ],
) -> None:
    """Draw the figures and write report.html again, of aligned draws or of a run."""
    if (folder / "config.toml").is_file():
        steps.report(folder)
        return
    from onebasin.aligned import AlignedFolder
    from onebasin.report import write_aligned_report

    aligned = AlignedFolder(folder)
    with progress() as on_progress:
        results = write_aligned_report(aligned, on_progress)
    _show(aligned, results)


def _align(out: Path, values: dict[str, Any], again: bool) -> None:
    use_all_cores()
    from onebasin.aligned import AlignedFolder, Request, align_draws, read_job
    from onebasin.report import write_aligned_report

    request, folder = Request.model_validate(values), AlignedFolder(out)
    folder.check_free(request.draws, again)
    network, module = _network_of(request)
    job = read_job(request, network, module)
    typer.echo(f"Read {job.draws.read.words}.", err=True)
    with progress() as on_progress:
        align_draws(folder, job, on_progress)
        results = write_aligned_report(folder, on_progress)
    _show(folder, results)


def _network_of(request: "Request") -> tuple["Network", Any]:
    """The network that a request names, and the module of PyTorch that it was made of, if any.

    Raises: ValueError for whatever is wrong with the function or the module.
    """
    from onebasin.run.named import own_network

    try:
        if request.inputs is None:
            return own_network(request.network), None
        from onebasin.cli.named_torch import named_module, torch_network

        module = named_module(request.network)
        return torch_network(module, request.network, request.inputs), module
    except (ValueError, OSError):
        raise
    except Exception as error:  # whatever a function of the user raises
        raise ValueError(
            f"{request.network} must make a network. Got {type(error).__name__}: {error}"
        ) from error


def _check_network(network: str | None, torch: str | None, inputs: list[str] | None) -> None:
    options = {"--network": network, "--torch": torch, "--input": inputs}
    given = [name for name, value in options.items() if value]
    if given not in (["--network"], ["--torch", "--input"]) or len(inputs or "1") != 1:
        raise ValueError(
            "align takes --network MODULE:NAME, or --torch MODULE:CLASS with one --input SHAPE. "
            f"Got {' and '.join(given) or 'neither'}."
        )


def _check_one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"{option} must be one of {', '.join(choices)}. Got {value!r}."
            f"{did_you_mean(value, choices)}"
        )


def _check_data(data: str | None, likelihood: str | None, raw: bool) -> None:
    if likelihood is not None:
        _check_one_of("--likelihood", likelihood, _LIKELIHOODS)
    given = {"--likelihood": likelihood, "--raw": raw}
    names = [name for name, value in given.items() if value]
    if data is None and (likelihood or raw):
        raise ValueError(
            f"--likelihood and --raw say how data are predicted. Got {' and '.join(names)} without "
            "--data. Name data, or leave them out."
        )


def _show(folder: "AlignedFolder", results: "AlignedResults") -> None:
    from onebasin.report import aligned_remarks

    for remark in aligned_remarks(results):
        typer.echo(f"{remark.topic}: {remark.text}")
    typer.echo(f"Report: {folder.report}")
