"""The public names: few at the top, the others in public modules, all documented in one way."""

import ast
import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import onebasin as ob

pytestmark = pytest.mark.slow

SOURCE = Path(ob.__file__).parent
REFERENCE = (Path(__file__).parents[1] / "docs" / "reference.md").read_text("utf-8")
APPLICATION = {"pydantic", "typer", "rich", "jinja2", "tomli_w"}
OUTER_RINGS = ("cli", "report", "run", "studies")
MOST_AT_THE_TOP = 45
LEAST_SHARE_OF_DOCSTRINGS = 0.24
"""Of the lines of the library that are not blank."""


def _imports() -> list[ast.ImportFrom]:
    tree = ast.parse((SOURCE / "__init__.pyi").read_text("utf-8"))
    return [node for node in tree.body if isinstance(node, ast.ImportFrom)]


MODULES = [alias.name for node in _imports() if node.module is None for alias in node.names]
TOP = {alias.name: node.module for node in _imports() if node.module for alias in node.names}


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"onebasin.{name}")


def _public() -> dict[str, Any]:
    """Every public name by the module it is in, as `alignment.align`."""
    return {
        f"{name}.{each}": getattr(_module(name), each)
        for name in MODULES
        for each in _module(name).__all__
    }


PUBLIC = _public()
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if inspect.isfunction(thing)}
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}


def _methods() -> dict[str, Any]:
    return {
        f"{name}.{method}": function
        for name, thing in CLASSES.items()
        for method, function in vars(thing).items()
        if inspect.isfunction(function) and not method.startswith("_")
    }


CALLABLES = FUNCTIONS | _methods()


def test_at_most_45_names_are_at_the_top() -> None:
    assert len(TOP) <= MOST_AT_THE_TOP


def test_every_name_at_the_top_is_one_of_a_public_module() -> None:
    for name, module in TOP.items():
        assert getattr(ob, name) is PUBLIC[f"{module}.{name}"]


def test_the_list_of_names_is_what_the_package_gives() -> None:
    assert sorted(ob.__all__) == sorted([*MODULES, *TOP])


def test_a_public_module_says_what_lives_in_it() -> None:
    for name in MODULES:
        assert _module(name).__doc__, name
        assert getattr(ob, name) is _module(name)


def test_every_public_name_has_a_docstring() -> None:
    assert not [name for name, thing in (CALLABLES | CLASSES).items() if not inspect.getdoc(thing)]


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(CALLABLES[name]).parameters
    return {
        each: parameter for each, parameter in parameters.items() if each not in ("self", "cls")
    }


def test_every_argument_has_a_type() -> None:
    for name in CALLABLES:
        untyped = [p for p in _parameters(name).values() if p.annotation is inspect.Parameter.empty]
        assert not untyped, name


def test_four_arguments_and_more_are_explained_one_by_one() -> None:
    missing: dict[str, set[str]] = {}
    for name, function in CALLABLES.items():
        if len(_parameters(name)) >= 4:
            section = inspect.getdoc(function).partition("Args:\n")[2]
            explained = re.findall(r"^    (\w+): ", section, re.MULTILINE)
            missing[name] = set(_parameters(name)) - set(explained)
    assert not {name: arguments for name, arguments in missing.items() if arguments}


def test_every_public_function_has_an_example() -> None:
    assert not [name for name in FUNCTIONS if ">>> " not in inspect.getdoc(FUNCTIONS[name])]


def test_a_key_is_passed_by_its_name() -> None:
    """But to what takes nothing else, as `posterior.init(key)`."""
    for name in CALLABLES:
        parameters = _parameters(name)
        if "key" in parameters and len(parameters) > 1:
            assert parameters["key"].kind is inspect.Parameter.KEYWORD_ONLY, name


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text("utf-8"))


def _types_of(module: ast.Module) -> set[str]:
    """The names in a module that are of onebasin: what it imports, its classes and its aliases."""
    found: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("onebasin"):
            found |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            found.add(ast.unparse(node.target))
    return found


def _named_in(annotations: Iterable[ast.expr | None]) -> Iterator[str]:
    for annotation in annotations:
        for node in ast.walk(annotation) if annotation is not None else ():
            if isinstance(node, ast.Name):
                yield node.id
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(r"\b[A-Z]\w+\b", node.value)


def _signature_types(function: Any, module: ast.Module) -> set[str]:
    """The types of onebasin that the signature of a function names."""
    node = next(
        node
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef)
        and node.name == function.__name__
        and node.lineno >= function.__code__.co_firstlineno
    )
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    named = set(_named_in([*(each.annotation for each in arguments), node.returns]))
    return named & _types_of(module)


def test_every_type_of_a_signature_is_public() -> None:
    public = {name.partition(".")[2] for name in PUBLIC}
    private: dict[str, set[str]] = {}
    for name, function in CALLABLES.items():
        function = inspect.unwrap(function)
        private[name] = _signature_types(function, _tree(function.__code__.co_filename)) - public
    assert not {name: types for name, types in private.items() if types}


def test_every_public_name_is_in_the_reference() -> None:
    """A module shows all its names, but those that one of its files is called."""
    for name, thing in PUBLIC.items():
        module, _, each = name.partition(".")
        assert f"::: onebasin.{module}\n" in REFERENCE
        if getattr(thing, "__module__", None) == f"onebasin.{module}.{each}":
            assert f"::: onebasin.{module}.{each}.{each}\n" in REFERENCE, name


def _docstring_lines(node: ast.AST) -> set[int]:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        return set()
    if ast.get_docstring(node) is None:
        return set()
    return set(range(node.body[0].lineno, node.body[0].end_lineno + 1))


def test_a_quarter_of_the_library_is_docstrings() -> None:
    total = documented = 0
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] in OUTER_RINGS:
            continue
        text = path.read_text("utf-8")
        numbers = {number for number, line in enumerate(text.splitlines(), 1) if line.strip()}
        docstrings = {n for node in ast.walk(ast.parse(text)) for n in _docstring_lines(node)}
        total += len(numbers)
        documented += len(numbers & docstrings)
    assert documented / total >= LEAST_SHARE_OF_DOCSTRINGS


def test_the_version_is_that_of_the_distribution() -> None:
    assert ob.__version__ == importlib.metadata.version("onebasin")


def _modules_after(code: str) -> set[str]:
    """What a fresh process has imported after some code, by the first part of its name."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_the_package_imports_no_library_before_a_name_is_used() -> None:
    found = _modules_after("import onebasin")
    assert not found & {"jax", "numpy", "scipy", "matplotlib", "pandas", "xarray", *APPLICATION}


def test_the_library_works_without_what_runs_and_commands_are_made_with() -> None:
    found = _modules_after("import onebasin as ob\nfor name in ob.__all__: getattr(ob, name)")
    assert "jax" in found
    assert not found & APPLICATION
    assert not found & {"matplotlib", "pandas", "xarray", "zarr"}


def test_the_command_line_imports_no_numerical_library_before_a_command_runs() -> None:
    found = _modules_after("import onebasin.cli")
    assert not found & {"jax", "numpy", "scipy", "matplotlib", "pandas", "xarray", "jinja2"}


def test_public_names_compute_nothing_when_they_are_imported() -> None:
    code = (
        "import jax._src.xla_bridge as b, onebasin as ob; ob.align; ob.hmc; assert not b._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_adapters_leave_the_libraries_alone_whose_networks_they_adapt() -> None:
    found = _modules_after("from onebasin import from_equinox, from_flax, from_haiku, from_torch")
    assert not {"torch", "torchax", "flax", "haiku"} & found
