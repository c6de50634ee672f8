"""verify: what holds is kept, what does not is dropped with a warning."""

import jax
import numpy as np
import pytest
from nested_networks import INPUTS, PARAMS, attention, random_params

from onebasin.symmetry.axes import Axes, Symmetry
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
