"""The progress and the tables that the command line prints."""

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_SECONDS_BETWEEN_LINES = 15.0
_PIPE_WIDTH = 120

OnProgress = Callable[[str, float, str], None]
"""Called with the name of the present stage, its fraction that is done, and details in words."""


def show_table(
    title: str, rows: Sequence[Sequence[str]], num_text_columns: int = 1, note: str | None = None
) -> None:
    """Print a header, rows and a note. The first columns hold text, the others numbers."""
    header, *body = rows
    table = Table(title=title, caption=note)
    for number, name in enumerate(header):
        is_text = number < num_text_columns
        table.add_column(name, justify="left" if is_text else "right", no_wrap=not is_text)
    for row in body:
        table.add_row(*row)
    # A pipe has no width. There the table must not be cut.
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
    console.print(table)


@contextmanager
def progress() -> Generator[OnProgress]:
    """A callback that shows progress: a bar on a terminal, otherwise a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_monitor(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[details]}"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("starting", total=1.0, details="")

        def on_progress(what: str, fraction: float, details: str) -> None:
            bars.update(task, description=what, completed=fraction, details=details)

        yield on_progress


def _line_monitor(console: Console) -> OnProgress:
    last_time, last_what = 0.0, ""

    def on_progress(what: str, fraction: float, details: str) -> None:
        nonlocal last_time, last_what
        now = time.monotonic()
        if what != last_what or now - last_time > _SECONDS_BETWEEN_LINES:
            last_time, last_what = now, what
            console.print(f"{what} {fraction:.0%} {details}", highlight=False, soft_wrap=True)

    return on_progress
