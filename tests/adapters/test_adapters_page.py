"""The examples of the page on symmetry, each of them run as it stands."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "symmetry.md").read_text()
SECTION = PAGE.partition("## Networks of other libraries")[2].partition("\n## ")[0]
CODE = "\n".join(re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL))


def test_the_examples_of_the_page_run(capsys):
    for library in ("torch", "torchax", "flax", "haiku"):
        pytest.importorskip(library)
    names = {}
    exec(compile(CODE, "docs/symmetry.md", "exec"), names)
    assert sum(names["symmetry"].sizes.values()) == 8
    # Equinox, NNX, Linen and Haiku: eight hidden units each, twice for the deeper one.
    printed = capsys.readouterr().out
    assert len(re.findall(r"^\S+ +8 ", printed, re.MULTILINE)) == 5
    for name in ("from_torch", "from_equinox", "from_flax", "from_haiku", "adapters.to_torch"):
        assert f"ob.{name}(" in CODE
