"""`onebasin prune`: what it prints, what PyTorch reads of what it writes, and what it refuses."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess

import jax
import numpy as np
import pytest
from commands import assert_refused, onebasin

import onebasin as ob

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

from safetensors.numpy import load_file as load_masks  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

pytestmark = pytest.mark.slow

MODULES = """
import torch
from torch import nn

def convnet():
    convolution = [nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU()]
    return nn.Sequential(*convolution, nn.Flatten(), nn.Linear(36, 10))

def line():
    return nn.Linear(10, 1)

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.register_buffer("scale", torch.ones(64))

    def forward(self, x):
        return self.layer(x * self.scale)
"""
NET = ("--torch", "my_nets:convnet", "--data", "digits", "--input", "1,1,8,8")
QUICK = ("--num-examples", 64, "--keep", 0.3)
ORDERS = ("conditional", "magnitude", "signal-to-noise")
DATA = ob.load_dataset("digits")
ROW = re.compile(r"│ +([\d.]+) % +│ ([a-z -]+?) +│ +([-\d.e]+) │ +([-\d.e]+) │")


@pytest.fixture(autouse=True)
def ranks_promote() -> Iterator[None]:
    """PyTorch promotes ranks."""
    with jax.numpy_rank_promotion("allow"):
        yield


def convnet() -> nn.Sequential:
    names: dict = {}
    exec(MODULES, names)
    return names["convnet"]()


def images(part) -> torch.Tensor:
    return torch.tensor(part.inputs).reshape(-1, 1, 8, 8)


def accuracy(module: nn.Module) -> float:
    with torch.no_grad():
        guesses = module.eval()(images(DATA.test)).argmax(1)
    return (guesses.numpy() == DATA.test.targets).mean()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained network, as DataParallel saves it; tests leave these files alone."""
    path = tmp_path_factory.mktemp("nets")
    (path / "my_nets.py").write_text(MODULES)
    torch.manual_seed(0)
    module, labels = convnet(), torch.tensor(DATA.train.targets).long()
    optimizer = torch.optim.Adam(module.parameters(), 0.02, weight_decay=1 / len(labels))
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images(DATA.train)), labels).backward()
        optimizer.step()
    torch.save(module.state_dict(), path / "net.pt")
    torch.save(nn.DataParallel(module).state_dict(), path / "parallel.pth")
    torch.save(nn.Linear(10, 1).state_dict(), path / "line.pt")
    scaled = {"layer.weight": torch.ones(10, 64), "layer.bias": torch.ones(10)}
    torch.save({**scaled, "scale": torch.ones(64)}, path / "scaled.pt")
    return path


def printed(done: CompletedProcess[str]) -> dict[tuple[str, str], tuple[float, float]]:
    """The score and the NLL by the share that is kept, in per cent, and the order."""
    assert done.returncode == 0, done.stderr
    return {(kept, order): (float(a), float(b)) for kept, order, a, b in ROW.findall(done.stdout)}


@pytest.fixture(scope="module")
def pruned(folder: Path) -> dict:
    """What the command prints for all orders. Weights and masks are in files beside the network."""
    files = ("--out", "pruned.safetensors", "--masks", "masks.safetensors")
    with jax.numpy_rank_promotion("allow"):
        return printed(onebasin("prune", "parallel.pth", *NET, *QUICK, *files, cwd=folder))


def read(folder: Path, order: str) -> nn.Module:
    module = convnet()
    state = load_file(folder / f"pruned-{order}-0.3.safetensors")
    module.load_state_dict(state, strict=True)
    return module


def test_the_first_row_is_the_network_as_it_is(folder, pruned) -> None:
    module = convnet()
    module.load_state_dict(torch.load(folder / "net.pt", weights_only=True))
    assert pruned["100", "not pruned"][0] == pytest.approx(accuracy(module), abs=1e-4)
    assert accuracy(module) > 0.85


@pytest.mark.parametrize("order", ORDERS)
def test_pytorch_reads_what_was_written_and_predicts_as_printed(folder, pruned, order) -> None:
    module = read(folder, order)
    assert accuracy(module) == pytest.approx(pruned["30", order][0], abs=1e-4)
    weights = np.concatenate([w.detach().numpy().ravel() for w in module.parameters()])
    assert 0 < (weights != 0).sum() <= np.ceil(0.3 * weights.size)
    assert module[1].num_batches_tracked == 60  # integers come along


def test_statistics_are_those_of_the_pruned_network(folder, pruned) -> None:
    module = read(folder, "magnitude")
    with torch.no_grad():
        means = module[0](images(DATA.train)[:64]).mean((0, 2, 3))
    np.testing.assert_allclose(module[1].running_mean, means, atol=1e-5)


def test_orders_prune_as_the_library_does(folder, pruned) -> None:
    before = torch.load(folder / "net.pt", weights_only=True)
    params = {name: before[name].numpy() for name, _ in convnet().named_parameters()}
    largest = ob.prune(params, jax.tree.map(np.abs, params), 0.3)
    for name, weight in read(folder, "magnitude").named_parameters():
        np.testing.assert_array_equal(weight.detach(), largest[name])
    moved = read(folder, "conditional")[4].weight.detach().numpy()
    kept = moved != 0
    assert not np.isclose(moved, params["4.weight"])[kept].all()


@pytest.mark.parametrize("order", ["conditional", "magnitude"])
def test_masks_load_into_the_pruning_of_pytorch(folder, pruned, order) -> None:
    module = read(folder, order)
    before = accuracy(module)
    masks = load_masks(folder / f"masks-{order}-0.3.safetensors")
    ob.interchange.masks_to_torch(masks, module)
    assert prune.is_pruned(module)
    assert accuracy(module) == before
    share = module[4].weight_mask.mean().item()
    assert share == pytest.approx((module[4].weight_orig != 0).float().mean().item())


def test_one_network_goes_to_the_file_that_is_named_and_only_again_over_another(folder, tmp_path):
    out = tmp_path / "out.pt"
    command = ("prune", "net.pt", *NET, *QUICK, "--by", "magnitude", "--out", out)
    first = printed(onebasin(*command, cwd=folder))
    assert set(first) == {("100", "not pruned"), ("30", "magnitude")}
    state = torch.load(out, weights_only=True)
    convnet().load_state_dict(state, strict=True)
    content = out.read_bytes()
    assert_refused(onebasin(*command, cwd=folder), "out.pt, which exists", "--again")
    assert out.read_bytes() == content
    out.write_bytes(b"other")
    assert printed(onebasin(*command, "--again", cwd=folder)) == first
    assert torch.equal(torch.load(out, weights_only=True)["4.weight"], state["4.weight"])
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("raw", [False, True])
def test_a_regression_is_scored_in_the_unit_of_the_targets(folder, raw) -> None:
    data = ob.load_dataset("diabetes", standardize=not raw)
    options = ("--torch", "my_nets:line", "--data", "diabetes", *["--raw"] * raw)
    done = onebasin("prune", "line.pt", *options, "--by", "magnitude", "--keep", 1, cwd=folder)
    state = torch.load(folder / "line.pt", weights_only=True)
    outputs = data.test.inputs @ state["weight"].numpy()[0] + state["bias"].numpy()
    predicted = outputs if raw else outputs * data.target_std + data.target_mean
    targets = data.test.targets * data.target_std + data.target_mean
    rmse = np.sqrt(np.mean((predicted - targets) ** 2))
    scores = printed(done)
    assert scores["100", "not pruned"][0] == pytest.approx(rmse, rel=1e-3)
    assert scores["100", "magnitude"] == scores["100", "not pruned"]


REFUSED = {
    "no file": (["lost.pt", *NET], ["Got none at lost.pt"]),
    "not a state_dict": (["my_nets.py", *NET], ["my_nets.py", "torch.save or safetensors"]),
    "another network": (
        ["line.pt", *NET],
        ["the same tensors as the module", "line.pt"],
    ),
    "unknown class": (["net.pt", "--torch=my_nets:convnetz", *NET[2:]], ["'convnet'"]),
    "unknown data": (["net.pt", *NET[:2], "--data=digitz"], ["'digitz'"]),
    "another shape": (["net.pt", *NET[:4], "--input=1,3,8,8"], ["features, 64", "which has 192"]),
    "not a shape": (["net.pt", *NET[:4], "--input=1x8"], ["Got '1x8'"]),
    "no image": (["net.pt", *NET[:4]], ["my_nets:convnet must run", "shapes 16,64"]),
    "share": (["net.pt", *NET, "--keep=10"], ["--keep must lie in (0, 1]. Got 10"]),
    "order": (["net.pt", *NET, "--by=magnitud"], ["Did you mean 'magnitude'?"]),
    "prior": (["net.pt", *NET, "--prior-std=0"], ["above 0"]),
    "ending": (["net.pt", *NET, "--out=pruned.txt"], ["pruned.txt", ".safetensors"]),
    "no folder": (["net.pt", *NET, "--out=lost/pruned.pt"], ["Create lost first"]),
    "masks": (["net.pt", *NET, "--masks=masks.pt"], ["--masks", "ends in .safetensors"]),
    "buffer": (
        ["scaled.pt", "--torch=my_nets:Scaled", "--data=digits"],
        ["Got the buffer 'scale'", "persistent=False"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_writes_nothing(case, folder) -> None:
    before = set(folder.iterdir())
    arguments, words = REFUSED[case]
    assert_refused(onebasin("prune", *arguments, cwd=folder), *words)
    assert {path for path in folder.iterdir() if path.name != "__pycache__"} <= before
