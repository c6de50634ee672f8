"""The command for studies of many runs: those with claims, and the frontier."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from onebasin.cli.arguments import CONFIGS, SetOption, use_all_cores
from onebasin.cli.console import progress, show_table
from onebasin.studies.names import CLAIMING, PAPER, STUDIES, check_choice, checked_scale

_ALL = "paper"
_CONFIG = "digits"


def study(
    name: Annotated[
        str, typer.Argument(help=f"{', '.join(STUDIES)}; or {_ALL}: {', '.join(PAPER)}.")
    ],
    scale: Annotated[
        str,
        typer.Option("--scale", help="smoke (a trial), small (minutes), full (as in the paper)."),
    ] = "small",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where findings go [default: by the study]."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Repeat a study that is done.")] = False,
    config: Annotated[
        str | None,
        typer.Option("--config", help=f"Frontier: {CONFIGS}, or a TOML file [default: {_CONFIG}]."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Frontier: how many seeds, from 0 on.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Frontier: steps of each refinement.")
    ] = None,
    changes: SetOption = None,
) -> None:
    """Run a study: tables, figures and verdicts over several seeds, in one folder for each study.

    Findings go to the folders `paper`, `studies` (knowledge) or `CONFIG-frontier`.

    --config, --seeds, --steps and --set belong to the frontier. It scores every representation of
    one config, and asks which predicts best for the numbers that it stores.
    """
    check_choice("A study", name, [*STUDIES, _ALL])
    checked_scale(scale)
    if name not in CLAIMING and name != _ALL:
        _frontier(config or _CONFIG, scale, out, again, seeds, steps, changes or ())
        return
    given = {"--config": config, "--seeds": seeds, "--steps": steps, "--set": changes}
    theirs = [option for option, value in given.items() if value is not None]
    if theirs:
        raise ValueError(
            f"{', '.join(given)} belong to the frontier. Got {' and '.join(theirs)} with the study "
            f"{name}, which its scale fixes. Leave them out."
        )
    default = Path(_ALL if name != "knowledge" else "studies")
    _claims(name, scale, default if out is None else out, again)


def _claims(name: str, scale: str, out: Path, again: bool) -> None:
    use_all_cores()
    from onebasin.studies.write import claim_rows, write_study

    with progress() as on_progress:
        claims = write_study(name, scale, out, on_progress, again=again)
    show_table(f"Claims at scale {scale}", claim_rows(claims), num_text_columns=2)
    typer.echo(f"Findings: {out}")


def _frontier(
    config: str,
    scale: str,
    out: Path | None,
    again: bool,
    seeds: int | None,
    steps: int | None,
    changes: Sequence[str],
) -> None:
    use_all_cores()
    from onebasin.studies.frontier.figures import draw_frontier
    from onebasin.studies.frontier.protocol import PROTOCOLS, frontier_config
    from onebasin.studies.frontier.run import run_frontier

    folder = Path(f"{Path(config).stem}-frontier") if out is None else out
    usual = PROTOCOLS[checked_scale(scale)]
    protocol = usual._replace(
        num_seeds=seeds or usual.num_seeds, num_steps=steps or usual.num_steps
    )
    resolved = frontier_config(config, checked_scale(scale), changes)
    with progress() as on_progress:
        rows = run_frontier(resolved, protocol, folder, on_progress, again=again)
    draw_frontier(rows, folder)
    typer.echo((folder / "frontier.md").read_text("utf-8"))
    typer.echo(f"Table: {folder / 'frontier.csv'}, figures: frontier.png, path.png")
