"""The examples of the public names run as they stand, after the first lines of the reference."""

import doctest
import inspect
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import onebasin as ob

pytestmark = pytest.mark.slow

PUBLIC = {
    f"{module}.{name}": getattr(getattr(ob, module), name)
    for module in ob.__all__
    if inspect.ismodule(getattr(ob, module))
    for name in getattr(ob, module).__all__
}
REFERENCE = (Path(__file__).parents[1] / "docs" / "reference.md").read_text("utf-8")
FIRST_LINES = re.findall(r"```python\n(.*?)```", REFERENCE, re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _examples() -> dict[str, doctest.DocTest]:
    """The examples of every public name and of its public methods, by where they stand."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found: dict[str, doctest.DocTest] = {}
    for name, public in PUBLIC.items():
        for test in finder.find(public, name, module=False, globs={}):
            if test.examples:
                found[test.name] = test
    return found


EXAMPLES = _examples()


def _skip_without_its_libraries(example: doctest.DocTest) -> None:
    code = "".join(statement.source for statement in example.examples)
    for library in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        pytest.importorskip(library)
        if library == "torch" and find_spec("torchax") is None:
            pytest.skip("needs torchax")


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the first lines of the reference have made."""
    made: dict[str, Any] = {}
    for code in FIRST_LINES:
        exec(compile(code, "docs/reference.md", "exec"), made)
    return made


@pytest.mark.parametrize("where", list(EXAMPLES))
def test_an_example_runs_and_prints_what_it_says(where, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = EXAMPLES[where]
    _skip_without_its_libraries(example)
    example.globs = dict(names)
    printed: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    result = runner.run(example, out=printed.append)
    assert result.failed == 0, "".join(printed)
