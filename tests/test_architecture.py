"""Budgets that keep every file readable at one sitting."""

import ast
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "onebasin"
FILES = sorted(SOURCE.rglob("*.py"))
MAX_LINES_OF_FILE = 400
MAX_LINES_OF_FUNCTION = 40
OUTER_FILES = [
    path for ring in ("report", "run", "studies") for path in (SOURCE / ring).rglob("*.py")
]
"""What reads the results of runs."""

TABLES = {"row", "rows", "table", "tables"}
"""What is a study's table, a row of it, or tables by name, in every file of the studies."""
OTHER_DICTS = {
    "report/figures/std_maps.py": {"stds"},  # of inputs, by what they are the stds of
    "run/config.py": {"loads", "one", "worst"},  # TOML, and errors of pydantic
    "run/results.py": {"first"},  # an error of pydantic
    "run/steps/compare.py": {"comparison"},  # of weights, an Xarray Dataset
    "run/steps/knowledge.py": {"table"},  # of weights, an Xarray Dataset
    "run/steps/summarize.py": {"stats", "table"},  # in ArviZ's names; an Xarray Dataset
    "studies/knowledge/measure.py": {"mixed"},  # what becomes a row
    "studies/dynamics/measure.py": {"after", "before", "pairs"},  # tables, as the next two
    "studies/frontier/path_figure.py": {"path"},
    "studies/frontier/table.py": {"first", "scores"},
    "studies/pruning/cell.py": {"mixed", "scores", "stats"},  # what becomes a row
    "studies/pruning/measure.py": {"found", "scores"},  # a cell's own file; what becomes a row
    "studies/pruning/scores.py": {"leaves"},  # params
    "studies/training.py": {"params", "position", "stats"},  # params, and stats of training
    "studies/transpositions/measure.py": {"pairs"},  # networks by the stage they are at
    "studies/transpositions/stability.py": {"groupby", "where"},  # a table; columns of a row
    "studies/write.py": {"_read", "claim", "values"},  # claims.json
}
"""Dicts with fixed keys that are no results of a run."""

NAMES_TAKEN_APART = {
    "run/config.py": {"key.startswith(other)"},  # keys of a config
}
READS_JSON = {
    "run/results.py",
    "studies/frontier/run.py",  # files of their own study, as those below
    "studies/knowledge/measure.py",
    "studies/pruning/measure.py",
    "studies/write.py",
}
"""What reads JSON: results.json is read by run/results.py alone."""


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _place(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return (first.end_lineno or 0) - first.lineno + 1
    return 0


def _functions(path: Path):
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_a_file_is_at_most_400_lines():
    lengths = {_place(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert not {place: length for place, length in lengths.items() if length > MAX_LINES_OF_FILE}


def test_a_function_is_at_most_40_lines_without_its_docstring():
    lengths = {
        f"{_place(path)}: {node.name}": (node.end_lineno or 0)
        - node.lineno
        + 1
        - _docstring_lines(node)
        for path in FILES
        for node in _functions(path)
    }
    assert not {name: length for name, length in lengths.items() if length > MAX_LINES_OF_FUNCTION}


def test_a_module_says_what_lives_in_it():
    assert not [_place(path) for path in FILES if not ast.get_docstring(_tree(path))]


def test_text_is_read_and_written_with_an_encoding():
    """Else it is that of the machine, and what one wrote another cannot read."""
    for path in FILES:
        for call in ast.walk(_tree(path)):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".read_text"):
                assert call.args or call.keywords, f"{path}:{call.lineno}"
            assert not (isinstance(call, ast.Attribute) and ast.unparse(call) == "path.write_text")


def test_no_pickle_is_ever_loaded():
    for path in FILES:
        text = path.read_text()
        assert "import pickle" not in text, path
        assert "allow_pickle=True" not in text, path


def _nodes(path: Path, kind: type):
    return (node for node in ast.walk(_tree(path)) if isinstance(node, kind))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _owner(node: ast.expr) -> str:
    """The name of what is looked into: `x` of x, of a.x, of x(...) and of x[...]."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _owner(inner)
    return ast.unparse(node)


def _looked_up_by_text(path: Path) -> set[str]:
    """Whatever is read by a string in brackets, types aside."""
    return {
        _owner(node.value)
        for node in _nodes(path, ast.Subscript)
        if isinstance(node.ctx, ast.Load)
        and _is_text(node.slice)
        and _owner(node.value) != "Literal"
    }


def test_results_are_read_by_their_fields():
    for path in OUTER_FILES:
        tables = TABLES if _place(path).startswith("studies/") else set()
        found = _looked_up_by_text(path) - tables
        assert found <= OTHER_DICTS.get(_place(path), set()), _place(path)


def test_what_a_representation_is_does_not_hang_on_how_its_name_begins_or_ends():
    methods = {"startswith", "endswith", "removeprefix", "removesuffix"}
    for path in OUTER_FILES:
        found = {
            ast.unparse(call)
            for call in _nodes(path, ast.Call)
            if isinstance(call.func, ast.Attribute) and call.func.attr in methods
        }
        assert found <= NAMES_TAKEN_APART.get(_place(path), set()), _place(path)


def test_results_are_read_from_json_in_one_place():
    """Else a file could go around the types, and look them up by text in some other way."""
    found = {
        _place(path)
        for path in OUTER_FILES
        for call in _nodes(path, ast.Call)
        if ast.unparse(call.func) in ("json.loads", "json.load")
    }
    assert found == READS_JSON


def test_every_exception_is_still_needed():
    by_place = {_place(path): path for path in OUTER_FILES}
    for place, names in OTHER_DICTS.items():
        assert names <= _looked_up_by_text(by_place[place]), place
    for place, calls in NAMES_TAKEN_APART.items():
        text = ast.unparse(_tree(by_place[place]))
        assert all(call in text for call in calls), place


def test_a_result_that_is_looked_up_by_text_would_be_found(tmp_path):
    file = tmp_path / "file.py"
    file.write_text(
        'a = run.results["nll"]\nb = f(x)[0]["nll"]\nc: Literal["nll"] = d["c"].e[f"{a}-{b}"]\n'
    )
    assert _looked_up_by_text(file) == {"results", "f", "d", "e"}
