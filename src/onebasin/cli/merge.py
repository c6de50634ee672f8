"""The command that merges trained networks of PyTorch into one, and scores it on test data."""

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    from onebasin.cli.parents import Parents, Result

ModelsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL...",
        help="Two state_dicts or more: .pt, .pth, .bin or .safetensors files, or a folder or a "
        "quoted pattern of them.",
    ),
]
DataOption = Annotated[
    str | None, typer.Option(help=f"{DATA_HELP} [default: align and average without data]")
]
OutOption = Annotated[
    Path | None,
    typer.Option(help="Write the merged weights to this file, .pt, .pth, .bin or .safetensors."),
]
PlotOption = Annotated[
    Path | None, typer.Option(help="Draw losses between networks to this .png file; needs --data.")
]
RepairOption = Annotated[
    bool,
    typer.Option("--repair", help="Repair units of networks without BatchNorm; needs --data."),
]
WeightsOption = Annotated[
    str | None, typer.Option(help="How much each network counts: 1,2. [default: all the same]")
]
ExamplesOption = Annotated[
    int,
    typer.Option(help="How many training examples renew statistics, repair units and give losses."),
]


def merge(
    models: ModelsArgument,
    torch: TorchOption,
    input_shape: InputOption = None,
    data: DataOption = None,
    repair: RepairOption = False,
    weights: WeightsOption = None,
    out: OutOption = None,
    plot: PlotOption = None,
    num_examples: ExamplesOption = 512,
    raw: RawOption = False,
    seed: SeedOption = 0,
    again: OverwriteOption = False,
) -> None:
    """Align trained PyTorch networks, average them into one, and print how well it predicts."""
    shares = _numbers(weights)
    _check(input_shape, data, repair, plot, num_examples)
    _check_file("--out", out, WEIGHT_ENDINGS, again)
    _check_file("--plot", plot, (".png",), again)
    from onebasin.cli.parents import load_parents, merged_on, merged_without_data
    from onebasin.cli.trained import load_parts

    parts = load_parts(data, input_shape, seed or 0, raw) if data else None
    parents = load_parents(models, torch, shares)
    _check_no_parent(out, parents)
    with progress() as on_progress:
        on_progress("merging", 0.0, "")
        if parts is None:
            result = merged_without_data(parents, input_shape or "")
        else:
            result = merged_on(parents, parts, num_examples, repair)
    _show_symmetry(result)
    _show_pairs(parents, result)
    if parts is not None:
        num_examples = min(num_examples, len(parts.train.targets))
        _show_scores(result, len(parts.test.targets))
    _say_what_was_done(parents, data is not None, repair, num_examples)
    _write(parents, result, out)
    _draw(result, plot)


def _numbers(weights: str | None) -> list[float] | None:
    """The numbers of `1,2`. Raises: ValueError if they are none."""
    if weights is None:
        return None
    try:
        return [float(number) for number in weights.split(",")]
    except ValueError:
        raise ValueError(
            f"--weights must be numbers with commas, one for each network. Got {weights!r}. "
            "Write for example 1,2."
        ) from None


def _check(
    shape: str | None, data: str | None, repair: bool, plot: Path | None, num_examples: int
) -> None:
    if data is None and shape is None:
        raise ValueError(
            "merge needs --input, the shape of an input, or --data. Got neither. Pass for example "
            "--input 1,3,32,32."
        )
    for option, is_given in {"--repair": repair, "--plot": plot is not None}.items():
        if is_given and data is None:
            raise ValueError(f"{option} needs data. Got none. Pass --data as well.")
    if num_examples < 2:
        raise ValueError(
            f"--num-examples must be above 1. Got {num_examples}. Leave it out for the default."
        )


def _check_file(option: str, path: Path | None, endings: tuple[str, ...], again: bool) -> None:
    if path is not None:
        check_name(option, path, endings)
        check_new(option, path, again)


def _check_no_parent(out: Path | None, parents: "Parents") -> None:
    if out is not None and any(out.exists() and file.samefile(out) for file in parents.files):
        raise ValueError(
            f"--out must be none of the networks that are merged. Got {out}. Name those by another "
            "pattern, or give another name."
        )


def _show_symmetry(result: "Result") -> None:
    symmetry = result.symmetry
    num_units = sum(symmetry.sizes.values())
    groups = f"{len(symmetry.sizes)} group{'' if len(symmetry.sizes) == 1 else 's'}"
    typer.echo(
        f"Symmetry: {groups} of {num_units:,} units in all; "
        f"10^{symmetry.log10_num_equivalent():.1f} weight settings compute the same function."
    )


def _show_pairs(parents: "Parents", result: "Result") -> None:
    """Print how far apart the networks of each pair are, before and after they are aligned."""
    from onebasin.symmetry.random_permutation import random_num_transpositions

    merged = result.merged
    header = ["networks", "transpositions", "distance before", "after"]
    columns = [[f"{x:.4g}" for x in each] for each in (merged.distances_before, merged.distances)]
    if merged.barriers_before is not None and merged.barriers is not None:
        unit = "nats" if result.is_classification else "squared error"
        header += [f"barrier before, {unit}", "after"]
        barriers = (merged.barriers_before, merged.barriers)
        columns += [[f"{x:.3g}" for x in each] for each in barriers]
    names = [f"{a} and {b}" for a, b in combinations(parents.names, 2)]
    # What brings the units of the second network to the places of the first.
    between = [a.inverse() @ b for a, b in combinations(merged.permutations, 2)]
    swaps = [int(sum(n.sum() for n in p.num_transpositions().values())) for p in between]
    rows = zip(names, [f"{n:,}" for n in swaps], *columns, strict=True)
    expected = random_num_transpositions(result.symmetry)[0]
    note = f"Of networks that have nothing in common, {expected:.1f} transpositions are expected."
    show_table("Before and after alignment", [header, *map(list, rows)], note=note)


def _show_scores(result: "Result", num_tests: int) -> None:
    """Print how well the parents, their plain average and the merged network predict."""
    first, name = ("accuracy",) * 2 if result.is_classification else ("rmse", "RMSE")
    rows = [["network", name, "NLL, nats"]]
    for network, scores in result.scores.items():
        rows.append([network, f"{scores[first]:.4g}", f"{scores['nll']:.4g}"])
    show_table(f"On {num_tests:,} test examples", rows)


def _say_what_was_done(parents: "Parents", has_data: bool, repair: bool, count: int) -> None:
    """Print what was done besides averaging, or was not."""
    if parents.has_statistics and not has_data:
        typer.echo(
            "Warning: BatchNorm's statistics are averages of the parents', which do not fit the "
            "merged weights. Pass --data to renew them.",
            err=True,
        )
    elif parents.has_statistics:
        typer.echo(f"BatchNorm: statistics renewed on {count:,} training inputs in all networks.")
    elif repair:
        typer.echo(f"Units: repaired on {count:,} training inputs.")
    else:
        how = "--repair" if has_data else "--data and --repair"
        typer.echo(f"Units: not repaired. Pass {how} to restore their spread.")


def _write(parents: "Parents", result: "Result", out: Path | None) -> None:
    if out is None:
        return
    from onebasin.adapters.pytorch import to_torch
    from onebasin.interchange.checkpoints import save_checkpoint

    save_checkpoint(out, to_torch(result.merged.params, parents.module))
    typer.echo(f"Weights: {out}")


def _draw(result: "Result", plot: Path | None) -> None:
    """Draw the losses along the lines between networks, before and after alignment."""
    merged = result.merged
    if plot is None or merged.losses_before is None or merged.losses is None:
        return
    from onebasin.plots.exhibit import png
    from onebasin.plots.loss_lines import loss_lines
    from onebasin.store.files import write_bytes

    unit = "cross-entropy, nats" if result.is_classification else "mean squared error"
    lines = (merged.fractions, merged.losses_before, merged.losses)
    write_bytes(plot, png(lambda theme: loss_lines(theme, *lines, unit)))
    typer.echo(f"Figure: {plot}")
