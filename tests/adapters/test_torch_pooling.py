"""Pooling of PyTorch, in one to three dimensions: channels move, unless a window spans them."""

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

import torch_modules as nets
from torch import nn

import onebasin as ob
from onebasin import from_torch
from onebasin.adapters import to_torch

DIMENSIONS = (1, 2, 3)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
POOLS = {
    "the largest": ("MaxPool{}d", {"kernel_size": 2}),
    "the largest, overlapping and padded": (
        "MaxPool{}d",
        {"kernel_size": 3, "stride": 2, "padding": 1},
    ),
    "the largest, dilated": ("MaxPool{}d", {"kernel_size": 2, "dilation": 2}),
    "the largest, of what is left at the end too": (
        "MaxPool{}d",
        {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    ),
    "the mean": ("AvgPool{}d", {"kernel_size": 3, "stride": 2, "padding": 1}),
    "the mean without padding": (
        "AvgPool{}d",
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    ),
    "the mean of all": ("AdaptiveAvgPool{}d", {"output_size": 1}),
    "the mean to a size": ("AdaptiveAvgPool{}d", {"output_size": 3}),
    "the root of a mean of squares": ("LPPool{}d", {"norm_type": 2, "kernel_size": 2}),
}


class WithPlaces(nn.Module):
    """The largest, times where it stands."""

    def __init__(self, dimensions):
        super().__init__()
        self.pool = getattr(nn, f"MaxPool{dimensions}d")(2, return_indices=True)

    def forward(self, x):
        largest, places = self.pool(x)
        return largest * places


class AcrossChannels(nn.Module):
    """The largest of neighbouring channels, by a window over one dimension more."""

    def __init__(self, dimensions):
        super().__init__()
        window = (2, *[1] * (dimensions - 1))
        self.pool = getattr(nn, f"MaxPool{dimensions}d")(window, stride=1)

    def forward(self, x):
        wide = x.unsqueeze(1) if x.ndim > 3 else x.transpose(1, 2)
        pooled = self.pool(wide)
        return pooled.squeeze(1) if x.ndim > 3 else pooled.transpose(1, 2)


def network(dimensions, pool, pooled=5):
    conv = CONVOLUTIONS[dimensions - 1]
    return nn.Sequential(conv(2, 5, 3, padding=1), nn.ReLU(), pool, conv(pooled, 3, 1))


def assert_channels_move(make, inputs, key):
    """The five channels are one group, and PyTorch computes the same when they have moved."""
    module = nets.randomized(make())
    apply, params = from_torch(module, inputs)
    symmetry = ob.find_symmetry(apply, params, inputs.numpy())
    assert list(symmetry.sizes.values()) == [5], f"\n{symmetry}"
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    assert not np.array_equal(moved["0.bias"], params["0.bias"])
    with torch.no_grad():
        expected = module(inputs)
        found = to_torch(moved, make().eval())(inputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def places(dimensions):
    return torch.randn(2, 2, *[6] * dimensions, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("name", POOLS)
def test_pooling_of_places_keeps_channels(name, dimensions, key):
    kind, options = POOLS[name]
    pool = lambda: getattr(nn, kind.format(dimensions))(**options)
    assert_channels_move(lambda: network(dimensions, pool()), places(dimensions), key)


@pytest.mark.parametrize("dimensions", DIMENSIONS)
def test_where_the_largest_stands_may_be_used(dimensions, key):
    assert_channels_move(
        lambda: network(dimensions, WithPlaces(dimensions)), places(dimensions), key
    )


@pytest.mark.parametrize("dimensions", [1, 2])
def test_windows_over_channels_keep_their_order(dimensions):
    pool = AcrossChannels(1 if dimensions == 1 else dimensions + 1)
    module = nets.randomized(network(dimensions, pool, pooled=4))
    inputs = places(dimensions)
    apply, params = from_torch(module, inputs)
    symmetry = ob.find_symmetry(apply, params, inputs.numpy())
    assert symmetry.sizes == {}
    assert "reduce_window" in symmetry.frozen["0.bias, axis 0"]
