"""What the page on merging claims of trained networks, on a small scale."""

from importlib.util import find_spec

import pytest
from benchmarks import merging

import onebasin as ob

pytestmark = pytest.mark.slow


def test_merged_networks_predict_better_than_averaged_ones() -> None:
    pytest.importorskip("torch")
    if find_spec("torchax") is None:
        pytest.skip("needs torchax")
    from benchmarks.merging.networks import mlp

    data = ob.load_dataset("digits")
    make = lambda: mlp(64, 64)
    networks = merging.trained_networks(make, data, [slice(None)] * 2, epochs=10)
    parents = [networks.score(params)[0] for params in networks.params]
    averaged, merged, repaired = (
        networks.score(params)[0]
        for params in (
            networks.naive(networks.params),
            networks.merged(networks.params),
            networks.merged(networks.params, repair=True),
        )
    )
    assert min(merged, repaired) > max(averaged + 0.05, min(parents) - 0.05)
