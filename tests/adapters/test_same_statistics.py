"""Networks with BatchNorm: whichever library they are of, the same is made of them."""

from functools import cache
from importlib.util import find_spec

import jax
import normalized_networks as networks
import numpy as np
import pytest
import same_networks as nets

pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)
pytest.importorskip("flax")
pytest.importorskip("haiku")

import onebasin as ob
from onebasin.pruning import pruning_scores

LIBRARIES = ("torch", "equinox", "linen", "nnx", "haiku")
every_layout = pytest.mark.parametrize(
    ("network", "library"), [(n, library) for n in networks.NETWORKS for library in LIBRARIES]
)


def inputs_of(network: str) -> np.ndarray:
    features = nets.SIDE**2 if network == "convolutions" else nets.FEATURES
    return np.random.default_rng(1).normal(size=(4, features)).astype(np.float32)


@cache
def layout_of(network: str, library: str):
    """A layout with its symmetry."""
    shapes, layouts = networks.NETWORKS[network]
    layout = layouts[library]()
    params = layout.write(nets.weights_of(shapes, 0))
    return layout, ob.find_symmetry(layout.apply, params, inputs_of(network))


@cache
def draws_of(network: str):
    """Two chains of three draws near one network, each with its units in another order.

    Statistics are of another size than weights and differ from draw to draw.
    """
    shapes, _ = networks.NETWORKS[network]
    base, noise = nets.weights_of(shapes, 0), nets.weights_of(shapes, 1, 2, 3)
    sizes = {name: 300.0 if name.endswith(("mean", "var")) else 0.1 for name in shapes}
    draws = {name: (base[name] + sizes[name] * noise[name]).astype(np.float32) for name in shapes}
    layout, symmetry = layout_of(network, "plain")
    rng = np.random.default_rng(2)
    units = symmetry.identity(2, 3).units
    moved = ob.Permutation({group: rng.permuted(p, axis=-1) for group, p in units.items()})
    return layout.read(ob.permute(layout.write(draws, 2), symmetry, moved), shapes, 2)


@cache
def made_of(network: str, library: str):
    """What align, summarize and prune make of the draws, by the names of the plain layout."""
    shapes, _ = networks.NETWORKS[network]
    layout, symmetry = layout_of(network, library)
    samples = ob.Samples(layout.write(draws_of(network), 2))
    aligned = ob.align(samples, symmetry).apply(samples)
    gaussian = ob.summarize(aligned)
    scores = pruning_scores(gaussian.mean, gaussian, key=jax.random.key(0))["signal-to-noise"]
    return {
        "align": layout.read(aligned.params, shapes, 2),
        "summarize": layout.read(gaussian.mean, shapes),
        "std": layout.read(gaussian.std, shapes),
        "prune": layout.read(ob.prune(gaussian.mean, scores, 0.4), shapes),
    }


@every_layout
def test_the_layouts_are_of_one_function(network, library) -> None:
    layouts = (layout_of(network, one)[0] for one in (library, "plain"))
    nets.assert_same_function(*layouts, networks.NETWORKS[network][0], inputs_of(network))


@every_layout
def test_aligned_summarized_and_pruned_networks_are_the_same(network, library) -> None:
    found, expected = made_of(network, library), made_of(network, "plain")
    for what, weights in expected.items():
        nets.assert_same(found[what], weights)


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_draws_are_brought_together_and_statistics_travel_but_are_not_pruned(network) -> None:
    found, draws = made_of(network, "plain"), draws_of(network)
    scale = found["align"]["norm1/scale"]
    assert scale.std((0, 1)).max() < 0.3 < draws["norm1/scale"].std((0, 1)).max()
    kept = np.concatenate([x.ravel() != 0 for name, x in found["prune"].items()
                           if not name.endswith(("mean", "var"))])  # fmt: skip
    assert kept.sum() == np.ceil(0.4 * kept.size)
    for name in ("norm1/mean", "norm2/var"):
        assert (found["align"][name] != draws[name]).any()
        np.testing.assert_array_equal(np.sort(found["align"][name]), np.sort(draws[name]))
        np.testing.assert_array_equal(found["prune"][name], found["summarize"][name])
        assert not found["std"][name].any()
