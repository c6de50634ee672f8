"""The public names: exported on purpose, documented, and nothing else."""

import ast
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import onebasin as ob

INIT = Path(ob.__file__)


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


def test_importing_the_package_computes_nothing():
    code = "import onebasin, jax._src.xla_bridge as b; assert not b._backends"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_leaves_libraries_alone_whose_networks_it_adapts():
    code = "import sys, onebasin, onebasin.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "onebasin.models.adapters.pytorch" in done.stdout.split()
    assert not {"torch", "torchax", "flax", "haiku"} & set(done.stdout.split())
