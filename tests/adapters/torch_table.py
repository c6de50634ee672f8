"""The table of PyTorch modules whose symmetry is found: the page docs/pytorch-modules.md.

`python tests/adapters/torch_table.py docs/pytorch-modules.md` writes the page.
"""

import sys
from pathlib import Path

from test_torch_recurrent import FLIPPING, WITHOUT_SIGNS
from torch_table_attention import ATTENTION
from torch_table_conv import CONVOLUTIONS, IMAGE_NETWORKS, POOLS
from torch_table_dense import DENSE, EMBEDDINGS, EXPERTS
from torch_table_forms import FORMS, REFUSED
from torch_table_norms import NORMS, PARAMETRIZED
from torch_table_row import Row, Units

FAMILIES: dict[str, list[Row]] = {
    "Dense layers": DENSE,
    "Mixtures of experts": EXPERTS,
    "Embeddings": EMBEDDINGS,
    "Convolutions": CONVOLUTIONS,
    "Pools": POOLS,
    "Networks for images": IMAGE_NETWORKS,
    "Norms": NORMS,
    "Weights computed of others": PARAMETRIZED,
    "Attention": ATTENTION,
    "Forms of one network": FORMS,
    "Refused": REFUSED,
}
RECURRENT = "tests/adapters/test_torch_recurrent.py"
HEAD = """# PyTorch modules

Which groups of units does `find_symmetry` find in a PyTorch module? Each row of this page is a
small network around the module, with the groups that were worked out by hand. A test finds the
groups of every row. Then it permutes the weights at random, writes them back with `to_torch`, and
runs the module in PyTorch: no output may differ by more than 32 eps of its coarsest dtype times the
largest output. The networks are in `tests/adapters/torch_table_*.py`. `make docs-modules` writes
this page, and a test fails if it is out of date.

"6, 5" are two groups, of 6 and of 5 units. "2 (4, 4 in each)" is a group of 2 units, for example
heads, with two groups of 4 units nested in it: these are permuted anew inside each of the 2.
"""


def spelled(units: Units) -> str:
    """A group in words."""
    if isinstance(units, int):
        return str(units)
    outer, *nested = units
    return f"{outer} ({', '.join(map(str, nested))} in each)"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row) -> tuple[str, ...]:
    """The row of the page for a module whose groups are found."""
    fixed = f"others keep their order: `{row.fixed}`" if row.fixed else ""
    groups = ", ".join(map(spelled, row.groups)) or "none"
    return row.name, groups, "; ".join(filter(None, [row.note, fixed]))


def page() -> str:
    """The whole page."""
    head = ("Module", "Groups", "Note")
    parts = [HEAD]
    for family, rows in FAMILIES.items():
        parts.append(f"## {family}\n")
        if rows is REFUSED:
            lines = [(row.name, f"... {row.refused} ...") for row in rows]
            parts.append(table(("Module", "What the error says"), lines) + "\n")
        else:
            parts.append(table(head, [cells(row) for row in rows]) + "\n")
    recurrent = [
        (name, ", ".join(map(str, sizes)), "each unit may flip")
        for name, (_, sizes) in FLIPPING.items()
    ]
    recurrent += [(name, "4 in each layer", "no unit may flip") for name in WITHOUT_SIGNS]
    parts += [f"## Recurrent layers\n\nThey are tested in `{RECURRENT}`.\n"]
    parts.append(table(head, recurrent) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
