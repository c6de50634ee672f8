"""Studies of many runs: the paper's claims, and what predicts best."""

from pathlib import Path
from typing import Annotated

import typer

from onebasin.cli.arguments import ConfigArgument, SetOption, use_all_cores
from onebasin.cli.console import progress, show_table


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
    use_all_cores()
    from onebasin.studies.write import claim_rows, write_paper

    with progress() as monitor:
        claims = write_paper(name, scale, out, monitor, again=again)
    show_table(f"Claims at scale {scale}", claim_rows(claims), num_text_columns=2)
    typer.echo(f"Findings: {out}")


def frontier(
    config: ConfigArgument,
    out: Annotated[Path | None, typer.Option("--out", help="Folder [NAME-frontier].")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from 0 on.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each refinement.")] = 1500,
    changes: SetOption = None,
) -> None:
    """Score every representation over seeds: what predicts best for the numbers it stores."""
    use_all_cores()
    from onebasin.run.config import load_config
    from onebasin.studies.frontier.figures import draw_frontier
    from onebasin.studies.frontier.run import run_frontier

    folder = Path(f"{Path(config).stem}-frontier") if out is None else out
    with progress() as monitor:
        rows = run_frontier(load_config(config, changes or ()), seeds, folder, steps, monitor)
    draw_frontier(rows, folder)
    typer.echo((folder / "frontier.md").read_text("utf-8"))
    typer.echo(f"Table: {folder / 'frontier.csv'}, figures: frontier.png, path.png")
