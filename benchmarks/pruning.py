"""How well a trained convolutional network predicts after `onebasin prune`, by each order.

The networks are those of the page "Prune a network": trained with a weight decay of one over the
number of training images, the prior of std 1. MNIST needs its file in the folder ONEBASIN_DATA.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.table import Table
from onebasin.cli.trained import Parts, Trained, load_parts, load_trained
from onebasin.intervals import t_interval
from onebasin.pruning import pruned_by

_NUM_SEEDS, _BATCH, _NUM_EXAMPLES = 5, 128, 2048
_KEEPS = (0.2, 0.1, 0.05)
_ORDERS = ("magnitude", "signal-to-noise", "conditional")
_SETS = {"digits": ("1,1,8,8", 60), "mnist": ("1,1,28,28", 4)}
"""The shape of an input, and how many epochs of training converge."""


def digits() -> Any:
    """The network for images of 8 x 8 pixels."""
    return _net(2)


def mnist() -> Any:
    """The network for images of 28 x 28 pixels."""
    return _net(7)


def _net(side: int) -> Any:
    """Two convolutions with BatchNorm, and two dense layers on `side` x `side` pixels."""
    from torch import nn  # pyright: ignore[reportMissingImports]  # an extra

    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(16 * side**2, 32), nn.ReLU(), nn.Linear(32, 10)),
    )


def tables() -> Iterator[Table]:
    """Accuracy on test images, in per cent: the mean over networks and its 95 % interval."""
    for name, (shape, num_epochs) in _SETS.items():
        if name == "mnist" and not os.environ.get("ONEBASIN_DATA"):
            continue
        yield _table(name, shape, num_epochs)


def _table(name: str, shape: str, num_epochs: int) -> Table:
    found = np.array([_accuracies(name, shape, num_epochs, seed) for seed in range(_NUM_SEEDS)])
    rows = [["100 %", *[_interval(found[:, 0, 0])] * len(_ORDERS), ""]]
    for row, keep in enumerate(_KEEPS):
        by_order = [found[:, 1 + order, row] for order in range(len(_ORDERS))]
        gain = by_order[-1] - by_order[0]
        rows.append([f"{100 * keep:g} %", *map(_interval, by_order), _interval(gain)])
    header = ["kept", *_ORDERS, "conditional less magnitude, points"]
    return Table(f"{name}: accuracy in per cent, {_NUM_SEEDS} networks", header, rows)


def _interval(values: np.ndarray) -> str:
    low, high = t_interval(values)
    return f"{values.mean():.1f} ± {(high - low) / 2:.1f}"


def _accuracies(name: str, shape: str, num_epochs: int, seed: int) -> list[list[float]]:
    """Of the network as it is, then of each order at each share that is kept, in per cent."""
    parts = load_parts(name, shape, seed, is_raw=False)
    trained = _trained(name, parts, num_epochs, seed)
    alone = jax.tree.map(lambda leaf: leaf[None], trained.params)
    copies = [
        pruned_by(trained.posterior, trained.params, _KEEPS, order, key=jax.random.key(seed))
        for order in _ORDERS
    ]
    first = [100 * trained.scores(alone)[0]["accuracy"]] * len(_KEEPS)
    return [first, *([100 * one["accuracy"] for one in trained.scores(each)] for each in copies)]


def _trained(name: str, parts: Parts, num_epochs: int, seed: int) -> Trained:
    """The network after training by Adam, read from a checkpoint as the command reads it."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    module = {"digits": digits, "mnist": mnist}[name]()
    x, y = torch.tensor(parts.train.inputs), torch.tensor(parts.train.targets).long()
    num_steps = num_epochs * -(-len(y) // _BATCH)
    optimizer = torch.optim.Adam(module.parameters(), weight_decay=1 / len(y))
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=num_steps)
    for _ in range(num_epochs):
        for rows in torch.randperm(len(y)).split(_BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimizer.step()
            rates.step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.pt"
        torch.save(module.state_dict(), path)
        return load_trained(path, f"benchmarks.pruning:{name}", parts, 1.0, _NUM_EXAMPLES)
