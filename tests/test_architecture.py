"""Budgets that keep every file readable at one sitting."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "onebasin"
FILES = sorted(SOURCE.rglob("*.py"))
MAX_LINES_OF_FILE = 400
MAX_LINES_OF_FUNCTION = 40


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return (first.end_lineno or 0) - first.lineno + 1
    return 0


def _functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_at_most_400_lines(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES_OF_FILE


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_function_is_at_most_40_lines_without_its_docstring(path):
    long = {}
    for node in _functions(path):
        length = (node.end_lineno or 0) - node.lineno + 1 - _docstring_lines(node)
        if length > MAX_LINES_OF_FUNCTION:
            long[node.name] = length
    assert not long


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_what_lives_in_it(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_text_is_read_and_written_with_an_encoding():
    """Else it is that of the machine, and what one wrote another cannot read."""
    for path in FILES:
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".read_text"):
                assert call.args or call.keywords, f"{path}:{call.lineno}"
            assert not (isinstance(call, ast.Attribute) and ast.unparse(call) == "path.write_text")


def test_no_pickle_is_ever_loaded():
    for path in FILES:
        text = path.read_text()
        assert "import pickle" not in text, path
        assert "allow_pickle=True" not in text, path
