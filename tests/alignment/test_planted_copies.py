"""Permuted copies come back exactly, with noise and whatever no permutation changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import strategies
from benchmarks.alignment.planted import Planted, of_cell, of_network, some_copies
from benchmarks.alignment.recurrent import CELLS, recurrent

from onebasin import (
    Axes,
    Permutation,
    Samples,
    Symmetry,
    align,
    find_symmetry,
    mlp,
    permute,
    summarize,
)
from onebasin.alignment import rms, to
from onebasin.networks import resnet20, vit
from onebasin.symmetry import random_permutation
from onebasin.types import Params

pytestmark = pytest.mark.slow

NUM_COPIES, INPUTS, OUTPUTS = 100, 5, 3
SEQUENCES = np.ones((2, 4, INPUTS), np.float32)


def copies(symmetry, params: Params) -> Samples:
    planted = random_permutation(symmetry, 1, NUM_COPIES, key=jax.random.key(1))
    repeat = lambda leaf: np.broadcast_to(leaf, (1, NUM_COPIES, *leaf.shape))
    return Samples(permute(jax.tree.map(repeat, params), symmetry, planted))


@pytest.mark.parametrize("units", [32, pytest.param(64, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", CELLS)
def test_copies_of_a_recurrent_network_come_back_whatever_its_output_bias(name, units) -> None:
    apply, params = recurrent(name, INPUTS, units, OUTPUTS)
    symmetry = find_symmetry(apply, params, SEQUENCES)
    halves = (None, "in", "mix", "bias", "out")
    for bias, half in [(0, None), (1e3, None), *((2e5, half) for half in halves)]:
        network = {**params, "out_bias": (params["out_bias"] + bias).astype("f4")}
        if half is not None:
            network[half] = network[half].astype("f2")
        samples = copies(symmetry, network)
        found = align(samples, symmetry, reference=to(network))
        assert found.converged.all()
        assert_same_as(network, found.apply(samples).params)


def assert_same_as(network: Params, copies: Params) -> None:
    for name, leaf in network.items():
        np.testing.assert_array_equal(copies[name], np.broadcast_to(leaf, copies[name].shape))


# ---- noise

NOISY = {
    "six hidden layers": lambda: of_network(mlp(16, (64,) * 6, 10)),
    "one input": lambda: of_network(mlp(1, (64,) * 3, 1, "tanh")),
    **{name: lambda name=name: of_cell(name, 32) for name in CELLS},
    "transformer block": lambda: of_network(vit((8, 8), 10, depth=1, heads=4)),
    "resnet20, batch norm": lambda: of_network(resnet20((8, 8), 10, width=4)),
    "resnet20, layer norm": lambda: of_network(resnet20((8, 8), 10, width=4, norm="layer")),
}


@pytest.mark.parametrize("name", NOISY)
def test_copies_with_noise_of_a_tenth_come_back_exactly(name) -> None:
    assert_copies_come_back(NOISY[name](), 0.1, NUM_COPIES)


@pytest.mark.long
@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("width", [64, 128, 256, 512, 1024])
def test_copies_of_an_mlp_of_any_width_and_depth_come_back_exactly(width, depth) -> None:
    network = of_network(mlp(64, (width,) * depth, 10))
    for noise in (0.0, 0.1):
        assert_copies_come_back(network, noise, 10)


def assert_copies_come_back(network: Planted, noise: float, num_copies: int) -> None:
    """Every weight is where it was before the copies were permuted, by default arguments."""
    some = some_copies(network, noise, num_copies, seed=0)
    found = align(some.samples, network.symmetry, reference=to(network.params))
    jax.tree.map(np.testing.assert_array_equal, found.apply(some.samples).params, dict(some.noisy))


# ---- what no permutation changes


NETWORK = mlp(3, (16,), 2)


@pytest.fixture
def samples() -> Samples:
    return strategies.random_samples(NETWORK, 0, num_chains=2, num_draws=50)


@pytest.mark.parametrize(
    ("layer", "leaf", "constant"),
    [("out", "bias", 1e3), ("out", "bias", 1e6), ("hidden_0", "bias", 1e3), ("out", "kernel", 1e3)],
)
def test_a_constant_does_not_change_which_units_are_alike(samples, layer, leaf, constant) -> None:
    """Also not one that all units share; in float64, which holds both."""
    wide = Samples(jax.tree.map(lambda leaf: leaf.astype(np.float64), samples.params))
    moved = jax.tree.map(np.copy, wide.params)
    moved[layer][leaf] += constant
    expected, found = (align(one, NETWORK.symmetry) for one in (wide, Samples(moved)))
    assert (found.permutation.units["hidden_0"] == expected.permutation.units["hidden_0"]).all()


def test_in_float32_a_large_output_bias_changes_no_std_of_hidden_weights(samples) -> None:
    moved = jax.tree.map(np.copy, samples.params)
    moved["out"]["bias"] += np.float32(2e5)
    expected, found = (
        summarize(align(one, NETWORK.symmetry).apply(one)).std["hidden_0"]
        for one in (samples, Samples(moved))
    )
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_draws_of_half_precision_are_matched_as_the_same_numbers_in_float32(samples, dtype) -> None:
    coarse = jax.tree.map(lambda leaf: leaf.astype(jnp.dtype(dtype)), samples.params)
    fine = jax.tree.map(lambda leaf: leaf.astype(np.float32), coarse)
    found, expected = (align(Samples(one), NETWORK.symmetry) for one in (coarse, fine))
    jax.tree.map(np.testing.assert_array_equal, found.permutation, expected.permutation)
    summary = summarize(found.apply(Samples(coarse)))
    assert {leaf.dtype for leaf in jax.tree.leaves((summary.mean, summary.std))} == {
        np.dtype("float32")
    }
    assert rms(summary.std) == rms(summarize(expected.apply(Samples(fine))).std)


def test_integers_travel_with_their_units_and_say_nothing_of_them(samples) -> None:
    """Also where they are the first leaf, and larger than every weight."""
    axes = {"0 count": Axes("hidden_0"), **NETWORK.symmetry.axes}
    numbers = np.broadcast_to(np.arange(16) * 1000, (2, 50, 16))
    counted = {"0 count": numbers, **samples.params}
    expected = align(samples, NETWORK.symmetry)
    found = align(Samples(counted), Symmetry.of(axes, Samples(counted).draw(0, 0)))
    units = found.permutation.units["hidden_0"]
    np.testing.assert_array_equal(units, expected.permutation.units["hidden_0"])
    aligned = found.apply(Samples(counted))
    np.testing.assert_array_equal(aligned.params["0 count"], 1000 * units)
    assert aligned.mean()["0 count"].dtype == np.float64


def test_means_of_integers_are_not_cut_off() -> None:
    counts = Samples({"n": np.array([[[4], [5]]])})
    assert counts.mean()["n"] == 4.5
    assert counts.std()["n"] == pytest.approx(np.sqrt(0.5))


def test_products_of_half_precision_do_not_overflow(samples) -> None:
    large = jax.tree.map(lambda leaf: (leaf * 400).astype(np.float16), samples.params)
    found = align(Samples(large), NETWORK.symmetry)
    assert np.isfinite(found.objective).all()
    assert rms(summarize(found.apply(Samples(large))).std) < 0.95 * rms(Samples(large).std())


def test_a_swap_of_two_units_is_undone_beside_one_array_of_half_precision() -> None:
    network = mlp(3, (256,), 2)
    params = strategies.make_case(network, 0).params
    params["hidden_0"]["bias"] = params["hidden_0"]["bias"].astype(np.float16)
    swap = np.arange(256)
    swap[[3, 7]] = 7, 3
    swapped = permute(params, network.symmetry, Permutation({"hidden_0": swap}))
    samples = Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[None, None], swapped))
    found = align(samples, network.symmetry, reference=to(params))
    np.testing.assert_array_equal(found.permutation.units["hidden_0"][0, 0], swap)
