"""Pages of the documentation, whose code the tests run as it stands."""

import re
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def blocks(
    page: str, title: str | None = None, fewer: Mapping[str, str] | None = None
) -> list[str]:
    """The code under a title of a page, with some text replaced, such as the number of draws.

    Raises: AssertionError if the page has no such text.
    """
    text = (DOCS / page).read_text("utf-8")
    mark = f' title="{title}"' if title else ""
    found = re.findall(rf"```python{mark}\n(.*?)```", text, re.DOTALL)
    for many, few in (fewer or {}).items():
        assert many in text, many
        found = [code.replace(many, few) for code in found]
    return found


def run(page: str, code: str) -> dict:
    """The names that code of a page defines."""
    names: dict = {}
    exec(compile(code, f"docs/{page}", "exec"), names)
    return names
