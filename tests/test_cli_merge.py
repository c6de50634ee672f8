"""`onebasin merge`: what it prints, what it writes, and what it refuses.

The first command of the page on merging is the real one, all others run in this process.
"""

import re
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_refused, onebasin
from pages import DOCS
from PIL import Image
from tiny_runs import ONEBASIN

import onebasin as ob

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:
    pytest.skip("needs torchax", allow_module_level=True)

MODULES = """
import torch
from torch import nn


def CNN():
    head = nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), *head,
    )


def MLP():
    hidden = nn.Linear(10, 12), nn.ReLU(), nn.Linear(12, 12), nn.Tanh()
    return nn.Sequential(*hidden, nn.Linear(12, 1))


def Wider():
    return nn.Sequential(nn.Linear(10, 13), nn.ReLU(), nn.Linear(13, 1))


class Table(nn.Linear):
    def __init__(self):
        super().__init__(2, 1)
        self.register_buffer("table", torch.tensor([0, 1]))
"""
DIABETES = ("--torch", "my_nets:MLP", "--data", "diabetes")
FILES = {"CNN": "net", "MLP": "mlp"}
SHAPE = ("--torch", "my_nets:MLP", "--input", "4,10")


def module_of(name: str) -> Any:
    names: dict = {}
    exec(MODULES, names)
    return names[name]()


def trained(name: str, seed: int, x: np.ndarray, y: np.ndarray) -> Any:
    torch.manual_seed(seed)
    module = module_of(name)
    inputs, targets = torch.tensor(x), torch.tensor(y)
    is_classification = not targets.is_floating_point()
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for step in range(60):
        rows = slice(step * 100 % len(x), step * 100 % len(x) + 100)
        outputs = module(inputs[rows])
        if is_classification:
            loss = torch.nn.functional.cross_entropy(outputs, targets[rows].long())
        else:
            loss = ((outputs[:, 0] - targets[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of two trained CNNs and two trained MLPs, and the file of their modules."""
    path = tmp_path_factory.mktemp("networks")
    (path / "my_nets.py").write_text(MODULES)
    for name, kind, shape in (("CNN", "digits", (1, 8, 8)), ("MLP", "diabetes", (10,))):
        train = ob.load_dataset(kind).train
        for seed in range(2):
            module = trained(name, seed, train.inputs.reshape(-1, *shape), train.targets)
            torch.save(module.state_dict(), path / f"{FILES[name]}-{seed}.pt")
    return path


def row_of(printed: str, name: str) -> list[float]:
    """The numbers in the row of a table that begins with a name."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines()]
    (cells,) = [row for row in rows if row[:1] == [name]]
    return [float(cell) for cell in cells[1:]]


def load(path: Path, name: str) -> Any:
    from safetensors.torch import load_file

    module = module_of(name)
    tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path)
    module.load_state_dict(tensors, strict=True)
    return module.eval()


@pytest.fixture(scope="module")
def page_commands() -> list[list[str]]:
    """The words of the commands of the page."""
    text = (DOCS / "merging.md").read_text("utf-8")
    (block,) = re.findall(r"```shell\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line) for line in block.splitlines()]


def test_the_page_merges_without_data(folder: Path, page_commands: list[list[str]]):
    name, *words = page_commands[1]
    assert name == "onebasin"
    done = onebasin(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Weights: weighted.pt\n")
    warning = done.stderr.splitlines()[-1]
    assert warning.startswith("Warning: BatchNorm's statistics")
    assert warning.endswith("Pass --data to renew them.")
    load(folder / "weighted.pt", "CNN")


def test_networks_with_batchnorm_give_a_file_with_the_accuracy_that_is_printed(
    folder: Path, page_commands: list[list[str]]
):
    name, *words = page_commands[0]
    assert name == "onebasin"
    done = subprocess.run([ONEBASIN, *words], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    out = folder / "merged.safetensors"
    assert "BatchNorm: statistics renewed on 512 training inputs" in done.stdout
    module, test = load(out, "CNN"), ob.load_dataset("digits").test
    with torch.no_grad():
        logits = module(torch.tensor(test.inputs.reshape(-1, 1, 8, 8)))
    accuracy, nll = row_of(done.stdout, "merged")
    targets = torch.tensor(test.targets).long()
    assert (logits.argmax(1) == targets).float().mean().item() == pytest.approx(accuracy, abs=5e-5)
    entropy = torch.nn.functional.cross_entropy(logits, targets).item()
    assert entropy == pytest.approx(nll, rel=1e-3)
    assert accuracy > row_of(done.stdout, "averaged")[0]
    assert min(row_of(done.stdout, f"net-{seed}.pt")[0] for seed in range(2)) > 0.8
    before, after, *barriers = row_of(done.stdout, "net-0.pt and net-1.pt")[1:]
    assert after < before
    assert barriers[1] < barriers[0]
    assert module.state_dict()["1.num_batches_tracked"] == 60
    with Image.open(folder / "barrier.png") as image:
        assert image.format == "PNG"
    assert done.stdout.endswith("Figure: barrier.png\n")


def test_a_regression_is_repaired_and_scored_in_the_unit_of_the_data(folder: Path):
    out = folder / "merged.pt"
    arguments = (*DIABETES, "--repair", "--out", out)
    done = onebasin("merge", "mlp-*.pt", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Units: repaired on" in done.stdout
    data = ob.load_dataset("diabetes")
    module = load(out, "MLP")
    with torch.no_grad():
        outputs = module(torch.tensor(data.test.inputs)).numpy()[:, 0]
    rmse = np.sqrt(np.mean((outputs - data.test.targets) ** 2)) * data.target_std
    assert rmse == pytest.approx(row_of(done.stdout, "merged")[0], rel=1e-3)
    assert "squared error" in done.stdout


def test_a_permuted_copy_merges_with_its_original_into_the_same_function(folder: Path):
    original = torch.load(folder / "net-0.pt")
    first, second = np.roll(np.arange(8), 1), np.arange(8)[::-1].copy()  # 7 and 4 transpositions
    copy = {
        name: tensor[first if name[0] in "01" else second]
        if name[0] in "0134" and tensor.ndim
        else tensor
        for name, tensor in original.items()
    }
    copy["3.weight"] = copy["3.weight"][:, first]
    copy["8.weight"] = copy["8.weight"].reshape(10, 8, 4)[:, second].reshape(10, 32)
    torch.save(copy, folder / "copy.pt")
    arguments = ("--torch", "my_nets:CNN", "--input", "4,1,8,8", "--out", "same.safetensors")
    done = onebasin("merge", "net-0.pt", "copy.pt", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    swaps, before, after = row_of(done.stdout, "net-0.pt and copy.pt")
    assert swaps == 11
    assert before > 1
    assert after == 0
    x = torch.tensor(np.random.default_rng(0).normal(size=(8, 1, 8, 8)).astype("float32"))
    with torch.no_grad():
        merged, wanted = (
            load(folder / name, "CNN")(x) for name in ("same.safetensors", "net-0.pt")
        )
    np.testing.assert_allclose(merged, wanted, atol=1e-5)


def test_shares_weigh_the_mean_of_the_networks_of_a_folder(folder: Path):
    first = torch.load(folder / "mlp-0.pt")
    (folder / "both").mkdir()
    for number, scale in ((9, 1.0), (10, 1.25)):
        scaled = {name: tensor * scale for name, tensor in first.items()}
        torch.save(scaled, folder / "both" / f"{number}.pt")
    done = onebasin("merge", "both", *SHAPE, "--weights", "1,3", "--out", "mean.pt", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert row_of(done.stdout, "9.pt and 10.pt")[0] == 0  # they are aligned as they come
    assert "Units: not repaired" in done.stdout
    merged = torch.load(folder / "mean.pt")
    for name, tensor in first.items():
        np.testing.assert_allclose(merged[name].norm(), 1.1875 * tensor.norm(), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mlp-0.pt", *SHAPE), ("two networks or more", "mlp-0.pt")),
        (("mlp-0.pt", "./mlp-0.pt", *SHAPE), ("named once", "--weights")),
        (("mlp-0.pt", "none.pt", *SHAPE), ("must exist", "none.pt")),
        (("mlp-0.pt", "net-0.pt", *SHAPE), ("net-0.pt",)),
        (("mlp-*.pt", "--torch", "my_nets:Wider", "--input", "1,10"), ("mlp-1.pt",)),
        (("mlp-*.pt", "--torch", "my_nets:MLP"), ("--input", "--data", "neither")),
        (("mlp-*.pt", "--torch", "my_nets:MLP", "--input", "1,9"), ("must run on inputs",)),
        (("mlp-*.pt", *SHAPE, "--repair"), ("--repair needs data",)),
        (("mlp-*.pt", *SHAPE, "--weights", "1,x"), ("--weights must be numbers", "'1,x'")),
        (("mlp-*.pt", *SHAPE, "--weights", "1,2,3"), ("each of the 2 networks",)),
        (("mlp-*.pt", *SHAPE, "--weights", "1,-1"), ("not negative",)),
        (("mlp-*.pt", *SHAPE, "--out", "x.txt"), ("--out must name a file that ends",)),
        (("mlp-*.pt", *SHAPE, "--out", "no/x.pt"), ("folder that exists",)),
        (("mlp-*.pt", *SHAPE, "--out", "net-0.pt"), ("new file", "--again")),
        (("mlp-*.pt", *SHAPE, "--out", "mlp-1.pt", "--again"), ("none of the networks",)),
        (("mlp-*.pt", *DIABETES[:3], "digits"), ("must run on inputs",)),
        (("mlp-*.pt", *DIABETES, "--num-examples", "1"), ("--num-examples",)),
    ],
)
def test_what_cannot_be_merged_is_refused_in_one_line(
    folder: Path, arguments: tuple[str, ...], words: tuple[str, ...]
):
    done = onebasin("merge", *arguments, cwd=folder)
    assert done.returncode == 2
    done.stderr = done.stderr.removeprefix("merging 0% \n")
    assert_refused(done, *words)


def test_networks_that_are_not_finite_or_differ_in_integers_are_refused(folder: Path):
    broken = torch.load(folder / "mlp-0.pt")
    broken["0.bias"][0] = torch.nan
    torch.save(broken, folder / "broken.pt")
    done = onebasin("merge", "mlp-0.pt", "broken.pt", *SHAPE, cwd=folder)
    assert_refused(done, "must be finite", "0.bias", "broken.pt")
    for number in range(2):
        tensors = {**torch.nn.Linear(2, 1).state_dict(), "table": torch.tensor([0, number])}
        torch.save(tensors, folder / f"table-{number}.pt")
    arguments = ("--torch", "my_nets:Table", "--input", "1,2")
    done = onebasin("merge", "table-0.pt", "table-1.pt", *arguments, cwd=folder)
    assert_refused(done, "same integers", "'table' in table-1.pt")
