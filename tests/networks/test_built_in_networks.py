"""The contract of every built-in network: its symmetry, its function, and its statistics."""

from collections import defaultdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import BUILT_IN, BuiltIn, random_inputs, random_params

from onebasin import _trees
from onebasin._collections import map_statistics, statistics_in
from onebasin.alignment import activation_matching
from onebasin.symmetry import Symmetry, find_symmetry, permute, random_permutation, verify

pytestmark = pytest.mark.slow

_LONG = {"resnet20 by layer", "resnet20 of odd images"}


def _marked(net: BuiltIn) -> Any:
    """Three resnet20 take minutes together."""
    return pytest.param(net, id=net.name, marks=[pytest.mark.long] if net.name in _LONG else [])


every_network = pytest.mark.parametrize("net", list(map(_marked, BUILT_IN)))
with_statistics = pytest.mark.parametrize(
    "net", [_marked(net) for net in BUILT_IN if net.network.recalibrate is not None]
)


def partition(symmetry: Symmetry) -> set:
    """Groups without their names: where each lists units, how many, and inside of which."""
    places, extents = defaultdict(set), symmetry.sizes | symmetry.fixed
    for piece in symmetry.pieces.values():
        axes = [axis for axis, factors in enumerate(piece.factors) for _ in factors]
        stride, last = 1, None
        for axis, name, size in reversed(
            [*zip(axes, piece.names, [f for one in piece.factors for f in one], strict=True)]
        ):
            stride = stride if axis == last else 1
            if name is not None:
                places[name].add((piece.leaf, piece.starts[axis], axis, stride))
            stride, last = stride * (size or extents.get(name, 1)), axis
    return {
        (
            frozenset(places[group]),
            units,
            frozenset(frozenset(places[parent]) for parent in symmetry.nested.get(group, ())),
        )
        for group, units in symmetry.sizes.items()
    }


def flips(symmetry: Symmetry) -> list:
    """What flips together, by the entries of arrays and the axis of each that lists units."""
    return sorted(
        sorted((symmetry.pieces[leaf].leaf, symmetry.pieces[leaf].starts, axis)
               for leaf, axis in sign.places)
        for sign in symmetry.signs.values()
    )  # fmt: skip


@every_network
def test_the_declared_symmetry_is_all_that_is_found(net: BuiltIn) -> None:
    shapes = jax.eval_shape(net.network.init, jax.random.key(0))
    inputs = jax.ShapeDtypeStruct((4, net.num_features), "float32")
    found = find_symmetry(net.network.apply, shapes, inputs)
    assert partition(net.network.symmetry) == partition(found), f"\n{found}"
    assert flips(net.network.symmetry) == flips(found), f"\n{found.signs}"
    assert not found.fixed


@every_network
def test_permuting_units_leaves_the_function_as_it_is_in_float64(net: BuiltIn) -> None:
    params, symmetry = random_params(net.network, 0), net.network.symmetry
    verified = verify(symmetry, jax.jit(net.network.apply), params, random_inputs(net))
    assert verified.symmetry == symmetry
    assert max(verified.changes.values()) <= 1e-10


@every_network
def test_every_group_matters(net: BuiltIn, float64: None) -> None:
    # Units of one group that are permuted in one of its arrays alone give another function.
    params, inputs = random_params(net.network, 0), random_inputs(net)
    expected = np.asarray(jax.jit(net.network.apply)(params, inputs))
    assert np.ptp(expected, axis=0).min() > 1e-3
    for name, leaf in _trees.named_leaves(params).items():
        rolled = _trees.named_leaves(params) | {name: np.roll(leaf, 1, axis=-1)}
        if leaf.shape[-1] > 1:
            changed = jax.jit(net.network.apply)(_trees.rebuild(rolled, params), inputs)
            assert np.abs(changed - expected).max() > 1e-9, name


@every_network
def test_networks_begin_the_same_for_a_key_and_otherwise_for_another(net: BuiltIn) -> None:
    first, again, other = (net.network.init(jax.random.key(seed)) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    kernels = {name: leaf for name, leaf in _trees.named_leaves(first).items() if leaf.std() > 0}
    others = _trees.named_leaves(other)
    assert kernels
    assert all((leaf != others[name]).any() for name, leaf in kernels.items() if leaf.ndim > 2)
    assert len({np.asarray(leaf).tobytes() for leaf in kernels.values()}) == len(kernels)


@every_network
def test_params_are_floating_arrays_by_readable_paths(net: BuiltIn) -> None:
    params = jax.eval_shape(net.network.init, jax.random.key(0))
    named = _trees.named_leaves(params)
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in named.values())
    assert all(name.replace("/", "").replace("_", "").isalnum() for name in named)
    assert jax.tree.structure(_trees.nest(named)) == jax.tree.structure(params)


@every_network
def test_signals_keep_their_size_as_networks_begin(net: BuiltIn) -> None:
    params = jax.jit(net.network.init)(jax.random.key(0))
    outputs = jax.jit(net.network.apply)(params, random_inputs(net, 50, np.float32))
    assert 0.02 < np.asarray(outputs).std() < 20


@every_network
def test_an_output_depends_on_its_own_input_alone(net: BuiltIn, float64: None) -> None:
    params, inputs = random_params(net.network, 0), random_inputs(net)
    together = jax.jit(net.network.apply)(params, inputs)
    alone = np.concatenate([jax.jit(net.network.apply)(params, one[None]) for one in inputs])
    np.testing.assert_allclose(together, alone, rtol=1e-10, atol=1e-12)


@every_network
def test_equal_settings_give_one_network(net: BuiltIn) -> None:
    assert net.make() is net.network


@every_network
def test_networks_compute_in_the_dtype_of_their_params(net: BuiltIn) -> None:
    params, inputs = random_params(net.network, 0, np.float32), random_inputs(net, dtype=np.float32)
    with jax.numpy_dtype_promotion("strict"):
        assert jax.eval_shape(net.network.apply, params, inputs).dtype == np.float32


@every_network
def test_a_network_that_gives_activations_has_them_where_they_can_be_matched(net: BuiltIn) -> None:
    given = net.network._replace(activations=lambda params, inputs: {})
    try:
        activation_matching(lambda params: {}).symmetry(net.network.symmetry)
    except ValueError:
        assert not given.has_activations
    else:
        assert given.has_activations
    assert not net.network._replace(activations=None).has_activations


@every_network
def test_statistics_are_there_with_all_that_keeps_them(net: BuiltIn) -> None:
    network = net.network
    assert (network.recalibrate is None) == (network.batch_apply is None)
    params = jax.eval_shape(network.init, jax.random.key(0))
    assert (network.recalibrate is None) == (not statistics_in(params))


@with_statistics
def test_recalibration_writes_the_statistics_and_nothing_else(net: BuiltIn, float64: None) -> None:
    params = random_params(net.network, 0)
    found = jax.jit(net.network.recalibrate)(params, random_inputs(net))
    assert jax.tree.structure(found) == jax.tree.structure(params)
    before, after = _trees.named_leaves(params), _trees.named_leaves(found)
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == statistics_in(params)
    assert all((after[name] >= 0).all() for name in changed if name.endswith("var"))


@with_statistics
def test_recalibrated_networks_compute_on_their_inputs_what_they_do_in_training(
    net: BuiltIn, float64: None
) -> None:
    params, inputs = random_params(net.network, 0), random_inputs(net)
    expected = jax.jit(net.network.batch_apply)(params, inputs)
    assert np.abs(jax.jit(net.network.apply)(params, inputs) - expected).max() > 1e-3
    found = jax.jit(net.network.apply)(jax.jit(net.network.recalibrate)(params, inputs), inputs)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@with_statistics
def test_training_reads_no_statistics(net: BuiltIn, float64: None) -> None:
    params, inputs = random_params(net.network, 0), random_inputs(net)
    others = map_statistics(lambda leaf: np.full_like(leaf, np.nan), params)
    for compute in map(jax.jit, (net.network.batch_apply, net.network.recalibrate)):
        jax.tree.map(
            np.testing.assert_array_equal, compute(others, inputs), compute(params, inputs)
        )


@with_statistics
def test_recalibrating_and_permuting_may_trade_places(
    net: BuiltIn, key: jax.Array, float64: None
) -> None:
    params, inputs = random_params(net.network, 0), random_inputs(net)
    permutation = random_permutation(net.network.symmetry, key=key)
    move = lambda one: permute(one, net.network.symmetry, permutation)
    one = jax.jit(net.network.recalibrate)(move(params), inputs)
    other = move(jax.jit(net.network.recalibrate)(params, inputs))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-10), one, other)


@with_statistics
def test_a_statistic_is_the_mean_and_the_variance_of_what_is_normalized(net: BuiltIn) -> None:
    # The first norm sees what the first convolution puts out, here in NumPy, pixel by pixel.
    params, inputs = random_params(net.network, 0), random_inputs(net)
    kernel = params["weights"]["stem"]["conv"]["kernel"]
    height, across = net.image_shape
    framed = np.pad(inputs.reshape(-1, height, across), ((0, 0), (1, 1), (1, 1)))
    seen = np.stack([
        np.einsum("bhw,hwc->bc", framed[:, row : row + 3, column : column + 3], kernel[:, :, 0])
        for row in range(height) for column in range(across)
    ])  # fmt: skip
    with jax.enable_x64(True):
        found = jax.jit(net.network.recalibrate)(params, inputs)["statistics"]["stem"]["norm"]
    np.testing.assert_allclose(found["mean"], seen.mean(axis=(0, 1)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["var"], seen.var(axis=(0, 1)), rtol=1e-10)
