"""The command that prunes one trained network of PyTorch, and scores it on test data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from onebasin._words import did_you_mean
from onebasin.cli.arguments import (
    DATA_HELP,
    InputOption,
    OverwriteOption,
    RawOption,
    SeedOption,
    TorchOption,
)
from onebasin.cli.console import progress, show_table
from onebasin.cli.outputs import WEIGHT_ENDINGS, check_name, check_new

if TYPE_CHECKING:
    from onebasin.cli.trained import Trained
    from onebasin.types import Params

_ORDERS = ("conditional", "magnitude", "signal-to-noise")
"""All orders. They are repeated here, because to import them would load JAX before the help."""
_KEEPS = (0.5, 0.2, 0.1)

ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A state_dict: .pt, .pth, .bin or .safetensors.")
]
DataOption = Annotated[str, typer.Option(help=DATA_HELP)]
KeepOption = Annotated[
    list[float] | None,
    typer.Option(help="A share of all weights to keep. Repeat it. [default: .5, .2 and .1]"),
]
ByOption = Annotated[
    list[str] | None, typer.Option(help=f"{', '.join(_ORDERS)}. Repeat it. [default: all]")
]
OutOption = Annotated[
    Path | None,
    typer.Option(help="Write the pruned weights to this file, .pt, .pth, .bin or .safetensors."),
]
MasksOption = Annotated[
    Path | None, typer.Option(help="Write which weights are kept to this .safetensors file.")
]
PriorOption = Annotated[
    float, typer.Option(help="The std of the prior: 1 / sqrt(weight decay * training examples).")
]
ExamplesOption = Annotated[
    int, typer.Option(help="How many training examples the Fisher information is of, at most.")
]


def prune(
    model: ModelArgument,
    torch: TorchOption,
    data: DataOption,
    input_shape: InputOption = None,
    keep: KeepOption = None,
    by: ByOption = None,
    out: OutOption = None,
    masks: MasksOption = None,
    prior_std: PriorOption = 1.0,
    num_examples: ExamplesOption = 4096,
    raw: RawOption = False,
    seed: SeedOption = 0,
    again: OverwriteOption = False,
) -> None:
    """Prune a trained PyTorch network, and print how well it predicts before and after."""
    keeps = sorted(set(keep or _KEEPS), reverse=True)
    orders = list(dict.fromkeys(by or _ORDERS))
    _check(keeps, orders, prior_std, num_examples)
    networks = [(order, share) for order in orders for share in keeps]
    weight_files = _files("--out", out, networks, again)
    mask_files = _files("--masks", masks, networks, again)
    from onebasin.cli.trained import load_parts, load_trained

    parts = load_parts(data, input_shape, seed or 0, raw)
    trained = load_trained(model, torch, parts, prior_std, num_examples)
    copies = _pruned(trained, keeps, orders, seed or 0)
    _show(model, trained, copies, keeps)
    _write(trained, copies, keeps, weight_files, mask_files)


def _check(keeps: Sequence[float], orders: Sequence[str], prior_std: float, examples: int) -> None:
    for order in orders:
        if order not in _ORDERS:
            raise ValueError(
                f"--by must be one of {', '.join(_ORDERS)}. Got {order!r}."
                f"{did_you_mean(order, _ORDERS)} Pass one of them."
            )
    for share in keeps:
        if not 0 < share <= 1:
            raise ValueError(
                f"--keep must lie in (0, 1]. Got {share:g}. For ten per cent pass --keep .1."
            )
    if not (prior_std > 0 and examples > 0):
        raise ValueError(
            "--prior-std and --num-examples must be above 0. "
            f"Got {prior_std:g} and {examples}. Leave them out for the defaults."
        )


def _files(
    option: str, path: Path | None, networks: Sequence[tuple[str, float]], again: bool
) -> dict[tuple[str, float], Path]:
    """The file of each pruned network, none without a path.

    If there are several, order and share are in their names: pruned-conditional-0.1.pt.

    Raises: ValueError if a file exists and may not be overwritten, or cannot be written.
    """
    if path is None:
        return {}
    check_name(option, path, WEIGHT_ENDINGS if option == "--out" else WEIGHT_ENDINGS[-1:])
    several = len(networks) > 1
    files = {
        each: path.with_stem(f"{path.stem}-{each[0]}-{each[1]:g}") if several else path
        for each in networks
    }
    for file in files.values():
        check_new(option, file, again)
    return files


def _pruned(
    trained: "Trained", keeps: Sequence[float], orders: Sequence[str], seed: int
) -> dict[str, "Params"]:
    """The pruned params of each order, all shares stacked."""
    import jax

    from onebasin.pruning.pruned_by import pruned_by

    copies = {}
    with progress() as on_progress:
        for order in orders:
            report = lambda share, order=order: on_progress(f"pruning by {order}", share, "")
            report(0.0)
            key = jax.random.key(seed)
            arguments = (trained.posterior, trained.params, keeps, cast("Any", order))
            copies[order] = pruned_by(*arguments, key=key, progress=report)
    return copies


def _show(
    model: Path, trained: "Trained", copies: dict[str, "Params"], keeps: Sequence[float]
) -> None:
    """Print the scores on test data of the network as it is, and of each that is pruned."""
    import jax

    from onebasin import _trees
    from onebasin._collections import weights_alone

    alone = jax.tree.map(lambda leaf: leaf[None], trained.params)
    by_order = {order: trained.scores(stacked) for order, stacked in copies.items()}
    first = "accuracy" if trained.parts.is_classification else "rmse"
    name = "accuracy" if first == "accuracy" else "RMSE"
    rows = [["kept", "order", name, "NLL, nats"]]
    rows.append(["100 %", "not pruned", *_cells(trained.scores(alone)[0], first)])
    for row, share in enumerate(keeps):
        for order, scores in by_order.items():
            rows.append([f"{100 * share:g} %", order, *_cells(scores[row], first)])
    num_weights = _trees.size(weights_alone(trained.params))
    num_tests = len(trained.parts.test.targets)
    title = f"{model.name}: {num_weights:,} weights, {num_tests:,} test examples"
    show_table(title, rows, num_text_columns=2)


def _cells(scores: "Mapping[str, float]", first: str) -> list[str]:
    return [f"{scores[first]:.4g}", f"{scores['nll']:.4g}"]


def _write(
    trained: "Trained",
    copies: dict[str, "Params"],
    keeps: Sequence[float],
    weight_files: dict[tuple[str, float], Path],
    mask_files: dict[tuple[str, float], Path],
) -> None:
    """Write the pruned weights, or their masks, to the file of each order and share, and say so."""
    import jax

    from onebasin.adapters.pytorch import to_torch
    from onebasin.interchange.checkpoints import save_checkpoint, save_masks

    for (order, share), path in weight_files.items():
        row = keeps.index(share)
        params = jax.tree.map(lambda leaf, row=row: leaf[row], copies[order])
        save_checkpoint(path, to_torch(params, trained.module))
        typer.echo(f"Weights: {path}")
    for (order, share), path in mask_files.items():
        row = keeps.index(share)
        save_masks(path, jax.tree.map(lambda leaf, row=row: leaf[row], copies[order]))
        typer.echo(f"Masks: {path}")
