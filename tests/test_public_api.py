"""The public names: exported on purpose, documented, and nothing else."""

import ast
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import onebasin as ob

INIT = Path(ob.__file__).with_suffix(".pyi")
APPLICATION = {"pydantic", "typer", "rich", "jinja2", "tomli_w"}


def _exported() -> list[str]:
    names = []
    for node in ast.parse(INIT.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            names += [alias.asname for alias in node.names if alias.asname == alias.name]
    return names


def test_every_import_of_the_package_is_an_explicit_export():
    for node in ast.parse(INIT.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            assert all(alias.asname == alias.name for alias in node.names), node.module


def test_every_public_name_has_a_docstring():
    missing = [n for n in _exported() if not inspect.getdoc(getattr(ob, n))]
    assert not missing


def test_every_public_function_has_annotated_arguments():
    for name in _exported():
        thing = getattr(ob, name)
        if inspect.isfunction(thing):
            unannotated = [
                p.name
                for p in inspect.signature(thing).parameters.values()
                if p.annotation is inspect.Parameter.empty
            ]
            assert not unannotated, name


def test_the_version_is_that_of_the_distribution():
    assert ob.__version__ == importlib.metadata.version("onebasin")


def _modules_after(code: str) -> set[str]:
    """What a fresh process has imported after some code, by the first part of its name."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_list_of_names_is_what_the_package_gives():
    assert sorted(_exported()) == sorted(set(ob.__all__) - {"__version__"})


def test_importing_the_package_imports_no_library_before_a_name_is_used():
    found = _modules_after("import onebasin")
    assert not found & {"jax", "numpy", "scipy", "matplotlib", "pandas", "xarray", *APPLICATION}


def test_the_library_works_without_what_runs_and_commands_are_made_with():
    found = _modules_after("import onebasin as ob\nfor name in ob.__all__: getattr(ob, name)")
    assert "jax" in found
    assert not found & APPLICATION
    assert not found & {"matplotlib", "pandas", "xarray", "zarr"}


def test_the_command_line_imports_no_numerical_library_before_a_command_runs():
    found = _modules_after("import onebasin.cli")
    assert not found & {"jax", "numpy", "scipy", "matplotlib", "pandas", "xarray", "jinja2"}


def test_public_names_compute_nothing_when_they_are_imported():
    code = (
        "import jax._src.xla_bridge as b, onebasin as ob; ob.align; ob.hmc; assert not b._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_adapters_leave_the_libraries_alone_whose_networks_they_adapt():
    found = _modules_after("from onebasin import from_equinox, from_flax, from_haiku, from_torch")
    assert not {"torch", "torchax", "flax", "haiku"} & found
