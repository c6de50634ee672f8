"""Damaged files of others: they give the draws, or one clear line, and nothing else is raised."""

import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import xarray
from damage import damaged
from safetensors.numpy import save_file

import onebasin as ob
from onebasin import _trees

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
SHAPES = {"0.weight": (4, 3), "0.bias": (4,), "1.weight": (2, 4)}
NUM_DRAWS = 3
DRAWS = {name: RNG.normal(size=(1, NUM_DRAWS, *shape)) for name, shape in SHAPES.items()}


def write_netcdf(folder: Path, without: str | None) -> Path:
    draws = {
        name: (("chain", "draw", *(f"{name}_{n}" for n in range(leaf.ndim - 2))), leaf)
        for name, leaf in DRAWS.items()
        if name != without
    }
    stats = {"lp": (("chain", "draw"), np.zeros((1, NUM_DRAWS)))}
    tree = {"posterior": xarray.Dataset(draws), "sample_stats": xarray.Dataset(stats)}
    xarray.DataTree.from_dict(tree).to_netcdf(folder / "draws.nc", engine="h5netcdf")
    return folder / "draws.nc"


def write_state_dicts(folder: Path, without: str | None, suffix: str, save: Callable) -> Path:
    for draw in range(NUM_DRAWS):
        named = {f"module.{name}": leaf[0, draw] for name, leaf in DRAWS.items()}
        if draw == 1 and without is not None:
            del named[f"module.{without}"]
        save(named, folder / f"net-{draw}{suffix}")
    return folder / f"net-1{suffix}"


def save_torch(named: dict, path: Path) -> None:
    import torch

    torch.save({name: torch.as_tensor(leaf) for name, leaf in named.items()}, path)


WRITE = {
    "h5netcdf": write_netcdf,
    "safetensors": lambda *to: write_state_dicts(*to, ".safetensors", save_file),
    "torch": lambda *to: write_state_dicts(*to, ".pt", save_torch),
}
LIKE = {name: np.zeros(shape) for name, shape in SHAPES.items()}


def outcome(kind: str, file: Path) -> str:
    """Whether the draws came, or one line. Anything else fails the test."""
    try:
        if kind == "h5netcdf":
            samples = ob.from_arviz(file, like=LIKE)
        else:
            samples = ob.from_state_dicts(file.parent, like=LIKE)
    except ValueError as error:
        is_one_line = "\n" not in str(error) and 20 < len(str(error)) < 800
        return "told" if is_one_line else str(error)
    leaves = _trees.named_leaves(samples.params)
    assert {name: leaf.shape for name, leaf in leaves.items()} == {
        name: (1, NUM_DRAWS, *shape) for name, shape in SHAPES.items()
    }
    return "read"


@pytest.mark.parametrize("kind", list(WRITE))
@pytest.mark.parametrize(
    "count", [30, pytest.param(500, marks=pytest.mark.long)], ids=["some", "many"]
)
def test_damaged_files_give_the_draws_or_one_line(kind: str, count: int, tmp_path: Path) -> None:
    if find_spec(kind) is None or (kind == "h5netcdf" and find_spec("h5py") is None):
        pytest.skip(f"needs {kind}")
    rng, outcomes = random.Random(count), set()
    file = WRITE[kind](tmp_path, None)
    content = file.read_bytes()
    assert outcome(kind, file) == "read"
    for _ in range(count):
        file.write_bytes(damaged(content, rng))
        outcomes.add(outcome(kind, file))
    file.write_bytes(content)
    assert outcomes in ({"told"}, {"told", "read"})
    for name in SHAPES:
        folder = tmp_path / name
        folder.mkdir()
        assert outcome(kind, WRITE[kind](folder, name)) == "told"
