"""Two trained PyTorch networks with BatchNorm on unscaled pixels: statistics decide nothing."""

from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

from torch import nn

import onebasin as ob
from onebasin._collections import map_statistics, statistics_in

NUM_TRAIN, WIDTH, EPOCHS = 1400, 16, 4


class Digits(NamedTuple):
    """Pixels from 0 to 256, and classes."""

    inputs: np.ndarray
    targets: np.ndarray


def digits() -> tuple[Digits, Digits]:
    pixels, classes = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(pixels))
    images = (16 * pixels[rows]).astype(np.float32).reshape(-1, 1, 8, 8)
    parts = slice(NUM_TRAIN), slice(NUM_TRAIN, None)
    train, test = (Digits(images[part], classes[rows][part]) for part in parts)
    return train, test


def trained(data: Digits, seed: int) -> Any:
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(1, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH), nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1), nn.BatchNorm2d(WIDTH), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * WIDTH, 10),
    )  # fmt: skip
    inputs, targets = torch.tensor(data.inputs), torch.tensor(data.targets)
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(NUM_TRAIN).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs[rows]), targets[rows]).backward()
            optimizer.step()
    return module.eval()


class Pair(NamedTuple):
    """Two networks as samples of two chains, and the function that both have."""

    apply: Any
    samples: ob.Samples
    symmetry: ob.Symmetry
    train: Digits
    test: Digits

    def accuracy(self, params: Any) -> float:
        """On the test set, with statistics of the training inputs."""
        renewed = jax.jit(self.apply.recalibrate)(params, self.train.inputs)
        outputs = np.asarray(jax.jit(self.apply)(renewed, self.test.inputs))
        return float((outputs.argmax(axis=1) == self.test.targets).mean())


@pytest.fixture(scope="module")
def pair() -> Pair:
    train, test = digits()
    example = torch.tensor(train.inputs[:2])
    made = [ob.from_torch(trained(train, seed), example) for seed in (2, 3)]
    params = jax.tree.map(lambda *leaves: np.stack(leaves)[:, None], *(p for _, p in made))
    apply, one = made[0]
    symmetry = ob.find_symmetry(apply, one, train.inputs[:4])
    return Pair(apply, ob.Samples(params), symmetry, train, test)


class Everything:
    """A matching by weights and statistics alike."""

    name = "everything"

    def symmetry(self, symmetry: ob.Symmetry) -> ob.Symmetry:
        return symmetry

    def features(self, params):
        return params

    def target(self, mean_features):
        return mean_features

    def constant(self, mean_features) -> float:
        return 0.0


@pytest.mark.slow
def test_halfway_networks_classify_as_if_statistics_had_no_part_in_matching(pair) -> None:
    aligned = ob.align(pair.samples, pair.symmetry).apply(pair.samples)
    bare = ob.Samples(map_statistics(np.zeros_like, pair.samples.params))
    explicit = ob.align(bare, pair.symmetry).permutation
    moved = ob.permute(pair.samples.params, pair.symmetry, explicit)
    by_all = ob.align(pair.samples, pair.symmetry, Everything()).apply(pair.samples)
    found, expected, before, decided = (
        pair.accuracy(ob.summarize(samples).mean)
        for samples in (aligned, ob.Samples(moved), pair.samples, by_all)
    )
    print(f"aligned {found}, explicitly {expected}, as they were {before}, by all {decided}")
    assert abs(found - expected) <= 0.01
    assert max(before, decided) + 0.05 < found


@pytest.mark.slow
def test_a_summary_of_two_networks_predicts_without_nan(pair, key) -> None:
    gaussian = ob.summarize(ob.align(pair.samples, pair.symmetry).apply(pair.samples))
    draws = gaussian.sample(50, key=key)
    outputs = jax.jit(jax.vmap(pair.apply, (0, None)))(draws, pair.test.inputs)
    assert np.isfinite(outputs).all()
    assert statistics_in(draws)
