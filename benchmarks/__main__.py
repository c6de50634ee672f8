"""`make bench`: print every table; name benchmarks to run those alone."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import alignment, chains, merging, models, pruning, references, stores, symmetry
from benchmarks.alignment import large, memory, peers, planted
from benchmarks.table import Table, write_to_page

BENCHMARKS: dict[str, Callable[[], Iterator[Table]]] = {
    "chains": chains.tables,
    "alignment": alignment.tables,
    "peers": peers.tables,
    "memory": memory.tables,
    "large": large.tables,
    "planted": planted.tables,
    "references": references.tables,
    "models": models.tables,
    "pruning": pruning.tables,
    "symmetry": symmetry.tables,
    "merging": merging.tables,
    "stores": stores.tables,
}


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], default=[])
    parser.add_argument("--page", type=Path, help="write the tables to this page as well")
    chosen = parser.parse_args()
    for name in chosen.names or BENCHMARKS:
        tables: list[Table] = []
        for table in BENCHMARKS[name]():
            print(f"\n{table.as_text()}", flush=True)
            tables.append(table)
        if chosen.page:
            write_to_page(chosen.page, name, tables)


if __name__ == "__main__":
    main()
