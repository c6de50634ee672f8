"""What is done to a network does not depend on how a library lays out its weights."""

from functools import cache
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import same_networks as nets

pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)
pytest.importorskip("flax")

import onebasin as ob
from onebasin.gaussians.unit_blocks import UnitBlocks

LIBRARIES = ("torch", "equinox", "flax")
every_layout = pytest.mark.parametrize(
    ("network", "library"), [(n, library) for n in nets.NETWORKS for library in LIBRARIES]
)


@cache
def layout_of(network: str, library: str):
    """A layout with its symmetry."""
    shapes, layouts = nets.NETWORKS[network]
    layout = layouts[library]()
    params = layout.write(nets.weights_of(shapes, 0))
    return layout, ob.find_symmetry(layout.apply, params, inputs_of(network))


def inputs_of(network: str, count: int = 4) -> np.ndarray:
    features = nets.FEATURES if network == "a perceptron" else nets.SIDE**2
    return np.random.default_rng(1).normal(size=(count, features)).astype(np.float32)


def is_weight(name: str) -> bool:
    return not name.endswith(("mean", "var"))


@every_layout
def test_the_layouts_are_of_one_function(network, library) -> None:
    layouts = (layout_of(network, one)[0] for one in (library, "plain"))
    nets.assert_same_function(*layouts, nets.NETWORKS[network][0], inputs_of(network))


@every_layout
def test_balanced_weights_are_the_same_and_of_the_same_function(network, library) -> None:
    shapes, _ = nets.NETWORKS[network]
    weights, inputs = nets.weights_of(shapes, 0), inputs_of(network)

    def balanced(library):
        layout, symmetry = layout_of(network, library)
        params = layout.write(weights)
        found = ob.symmetry.balance(symmetry, params)
        before, after = (np.asarray(layout.apply(p, inputs)) for p in (params, found))
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-5 * np.abs(before).max())
        return layout.read(found, shapes)

    found = balanced(library)
    assert not np.allclose(found["out/kernel"], weights["out/kernel"], rtol=1e-2)
    nets.assert_same(found, balanced("plain"))


@every_layout
def test_the_same_weights_are_pruned_and_the_others_move_alike(network, library, key) -> None:
    shapes, _ = nets.NETWORKS[network]
    weights, inputs = nets.weights_of(shapes, 0), inputs_of(network, 40)
    data = SimpleNamespace(inputs=inputs, targets=np.arange(40) % nets.CLASSES)

    def pruned(library):
        layout, symmetry = layout_of(network, library)
        params = layout.write(weights)
        posterior = ob.posterior(ob.Network(lambda key: params, layout.apply, None, symmetry), data)
        return layout.read(
            ob.pruning.conditional_copies(posterior, params, (0.8, 0.5), key=key), shapes, 1
        )

    found = pruned(library)
    kept = np.concatenate([found[name][1].ravel() != 0 for name in shapes if is_weight(name)])
    assert kept.sum() == np.ceil(0.5 * kept.size)
    nets.assert_same(found, pruned("plain"))


@every_layout
def test_the_same_weights_vary_together_in_unit_blocks(network, library, key) -> None:
    shapes, _ = nets.NETWORKS[network]
    draws = nets.weights_of(shapes, 2, 1, 2)

    def units(library):
        layout, symmetry = layout_of(network, library)
        blocks = UnitBlocks(ob.Samples(layout.write(draws, 2)), symmetry)
        drawn = layout.read(blocks.sample(1, key=key), shapes, 1)
        # Of two samples each unit's weights lie on a line: how far along it is one random number.
        along = [
            ((drawn[name][0] - draws[name][0].mean(0)) / (draws[name][0, 0] - draws[name][0, 1]))
            for name in shapes
            if is_weight(name)
        ]
        return blocks.values_per_weight, np.concatenate([x.ravel() for x in along])

    (values_per_weight, found), (expected, plain) = units(library), units("plain")
    assert values_per_weight == expected
    together = lambda x: np.isclose(x[:, None], x[None], rtol=1e-3)
    assert together(found).sum() < found.size**2 / 2
    np.testing.assert_array_equal(together(found), together(plain))


@every_layout
def test_the_same_weights_are_kept_by_their_scores(network, library) -> None:
    shapes, _ = nets.NETWORKS[network]
    weights, scores = nets.weights_of(shapes, 0), nets.weights_of(shapes, 3)

    def pruned(library):
        layout, _ = layout_of(network, library)
        return layout.read(ob.prune(layout.write(weights), layout.write(scores), 0.3), shapes)

    nets.assert_same(pruned(library), pruned("plain"))
