"""verify: what holds is kept, what does not is dropped with a warning."""

import dataclasses

import jax
import numpy as np
import pytest
from nested_networks import INPUTS, PARAMS, attention, random_params

from onebasin.alignment.align import align
from onebasin.samples import Samples
from onebasin.symmetry.axes import Axes, Function, Place, Sign, Symmetry
from onebasin.symmetry.discovery.find import find_symmetry
from onebasin.symmetry.verify import verify

FOUND = find_symmetry(attention, PARAMS, INPUTS)


def running_sum(params: dict, x: jax.Array) -> jax.Array:
    return jax.numpy.cumsum(x @ params["first"], axis=-1) @ params["last"]


WRONG = Symmetry.of(
    {"first": Axes(None, "units"), "last": Axes("units", None)},
    {"first": np.zeros((4, 3)), "last": np.zeros((3, 2))},
)


def test_a_found_symmetry_passes_group_by_group_and_jointly() -> None:
    verified = verify(FOUND, attention, random_params(0), INPUTS, num_trials=5)
    assert verified.symmetry == FOUND
    assert set(verified.changes) == {*FOUND.sizes, *FOUND.signs, "all"}
    assert max(verified.changes.values()) < 1e-12


def test_a_group_that_changes_the_function_is_dropped_and_named() -> None:
    rng = np.random.default_rng(1)
    params = {"first": rng.standard_normal((4, 3)), "last": rng.standard_normal((3, 2))}
    with pytest.warns(UserWarning, match="'units' .first axis 1, last axis 0. changes"):
        verified = verify(WRONG, running_sum, params, INPUTS[0])
    assert verified.symmetry.sizes == {}
    assert verified.symmetry.fixed == {"units": 3}
    assert verified.changes["units"] > 0.01
    assert verified.changes["all"] == 0


def test_a_function_that_is_not_finite_is_refused() -> None:
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, np.nan), PARAMS)
    with pytest.raises(ValueError, match="must be finite"):
        verify(FOUND, attention, params, INPUTS)


def counted(function):
    """A function, and how often it has been traced."""
    calls = []

    def apply(*arguments):
        calls.append(None)
        return function(*arguments)

    return apply, calls


def claimed(symmetry: Symmetry, apply) -> Symmetry:
    shapes = (jax.ShapeDtypeStruct(INPUTS[0].shape, "float32"),)
    return dataclasses.replace(symmetry, function=Function(apply, shapes))


def wrong_samples(seed: int = 1) -> Samples:
    rng = np.random.default_rng(seed)
    shapes = {"first": (4, 3), "last": (3, 2)}
    return Samples(
        {n: rng.standard_normal((2, 3, *shape)).astype("float32") for n, shape in shapes.items()}
    )


def test_align_leaves_out_what_changes_the_function_it_is_claimed_of() -> None:
    symmetry, samples = claimed(WRONG, running_sum), wrong_samples()
    with pytest.warns(UserWarning, match="Permuting 'units' .* the group is dropped"):
        found = align(samples, symmetry)
    assert found.symmetry.sizes == {}
    jax.tree.map(np.testing.assert_array_equal, found.apply(samples).params, samples.params)
    # It is known by then: no second trial, and no second warning.
    assert align(samples, symmetry).symmetry.sizes == {}


def test_a_claim_is_tried_once_whatever_is_aligned_later() -> None:
    apply, calls = counted(lambda params, x: jax.nn.relu(x @ params["first"]) @ params["last"])
    symmetry = claimed(WRONG, apply)
    for seed in range(3):
        assert align(wrong_samples(seed), symmetry).symmetry == symmetry
        assert len(calls) == 1
    # Signs that were not tried before are a claim of their own.
    flipped = symmetry.with_signs([Sign("units", (Place("first", 1), Place("last", 0)))])
    with pytest.warns(UserWarning, match="these signs are dropped"):
        assert align(wrong_samples(), flipped).symmetry.signs == {}
    assert align(wrong_samples(), symmetry).symmetry.sizes == WRONG.sizes


def test_a_symmetry_without_a_function_is_taken_as_it_is() -> None:
    assert align(wrong_samples(), WRONG).symmetry.sizes == WRONG.sizes


def test_a_found_symmetry_knows_its_function_whatever_its_inputs_are() -> None:
    def apply(params, tokens, key):
        noise = jax.random.normal(key, tokens.shape)
        return jax.nn.relu(params["first"][tokens] + noise[:, None]) @ params["last"]

    inputs = (np.zeros(5, np.int32), jax.random.key(0))
    shapes = {"first": np.zeros((4, 3), "float32"), "last": np.zeros((3, 2), "float32")}
    with pytest.warns(UserWarning, match="random"):
        found = find_symmetry(apply, shapes, *inputs)
    assert found.sizes == {"first": 3}
    assert align(wrong_samples(), found).symmetry == found
    assert found.function is not None
    assert all(found.function.passed.values())


def test_a_draw_at_which_the_function_is_not_finite_tells_nothing() -> None:
    symmetry = claimed(WRONG, lambda params, x: running_sum(params, x) / params["last"].sum())
    samples = wrong_samples()
    samples.params["last"][0, 0] = 0  # of the first draw, which is the one that is tried
    found = align(samples, symmetry)
    assert found.symmetry.sizes == WRONG.sizes
    assert symmetry.function is not None
    assert not symmetry.function.passed
