"""Axes and Symmetry: what is declared, what is refused."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from onebasin.symmetry import Symmetry
from onebasin.symmetry.axes import Axes

pytestmark = pytest.mark.usefixtures("strict_dtypes")

AXES = {"hidden": {"kernel": Axes(None, "h"), "bias": Axes("h")}, "out": Axes("h", None)}


def make_params(inputs: int = 2, units: int = 3, outputs: int = 4) -> dict:
    hidden = {"kernel": np.ones((inputs, units)), "bias": np.ones(units)}
    return {"hidden": hidden, "out": np.ones((units, outputs))}


def test_axes_print_as_they_are_written() -> None:
    assert repr(Axes(None, "h")) == "Axes(None, 'h')"
    assert eval(repr(Axes(None, "h"))) == Axes(None, "h")


def test_sizes_are_read_off_the_params() -> None:
    assert Symmetry.of(AXES, make_params(units=5)).sizes == {"h": 5}


def test_places_list_every_axis_of_a_group_even_two_of_one_array() -> None:
    axes = {"in": Axes(None, "h"), "mix": Axes("h", "h"), "out": Axes("h", None)}
    params = {"in": np.ones((2, 3)), "mix": np.ones((3, 3)), "out": np.ones((3, 2))}
    places = Symmetry.of(axes, params).places("h")
    assert [tuple(place) for place in places] == [("in", 1), ("mix", 0), ("mix", 1), ("out", 0)]


def test_leaves_give_the_axes_by_path() -> None:
    leaves = Symmetry.of(AXES, make_params()).leaves
    assert leaves == {
        "hidden/bias": Axes("h"),
        "hidden/kernel": Axes(None, "h"),
        "out": Axes("h", None),
    }


def test_a_symmetry_serves_equinox_modules_and_lists() -> None:
    model = eqx.nn.Linear(2, 3, key=jax.random.key(0))
    axes = eqx.tree_at(lambda m: (m.weight, m.bias), model, (Axes("h", None), Axes("h")))
    symmetry = Symmetry.of([axes, Axes("h")], [model, jnp.ones(3)])
    assert symmetry.sizes == {"h": 3}
    assert list(symmetry.leaves) == ["0/weight", "0/bias", "1"]


def test_leaf_paths_may_hold_slashes_as_haikus_do() -> None:
    name = "mlp/~/linear_0"
    symmetry = Symmetry.of({name: {"w": Axes("h")}}, {name: {"w": np.ones(2)}})
    assert list(symmetry.leaves) == ["mlp/~/linear_0/w"]


def test_a_leaf_without_axes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"leaves that the symmetry lists.*Unexpected: 'extra'"):
        Symmetry.of(AXES, make_params() | {"extra": np.ones(1)})


def test_axes_that_do_not_name_every_axis_are_refused() -> None:
    with pytest.raises(ValueError, match=r"every axis.*Axes\('h'\) for out of shape \(3, 4\)"):
        Symmetry.of(AXES | {"out": Axes("h")}, make_params())


def test_a_group_of_two_sizes_is_refused() -> None:
    params = make_params() | {"out": np.ones((5, 4))}
    with pytest.raises(ValueError, match=r"'h' has 3 units, but out of shape \(5, 4\) has 5"):
        Symmetry.of(AXES, params)


def test_params_of_another_width_do_not_fit() -> None:
    symmetry = Symmetry.of(AXES, make_params(units=3))
    symmetry.check(make_params(units=3))
    with pytest.raises(ValueError, match=r"\{'h': 3\}\. Got \{'h': 4\}.*another network"):
        symmetry.check(make_params(units=4))


def test_params_fit_behind_their_batch_axes() -> None:
    symmetry = Symmetry.of(AXES, make_params())
    batched = jax.tree.map(lambda leaf: np.ones((7, 2, *leaf.shape)), make_params())
    symmetry.check(batched, num_batch_axes=2)
    with pytest.raises(ValueError, match="every axis"):
        symmetry.check(batched, num_batch_axes=1)


def test_the_identity_moves_nothing_and_repeats_over_batch_axes() -> None:
    identity = Symmetry.of(AXES, make_params()).identity(2, 4).units
    assert identity["h"].shape == (2, 4, 3)
    assert (identity["h"] == np.arange(3)).all()
    identity["h"][0, 0, 0] = 2  # writable, and rows are not shared
    assert identity["h"][0, 1, 0] == 0


@given(st.lists(st.integers(1, 20), min_size=1, max_size=3))
def test_the_number_of_equivalent_weights_is_the_product_of_factorials(sizes: list[int]) -> None:
    names = [f"layer_{index}" for index in range(len(sizes))]
    symmetry = Symmetry.of(
        {name: Axes(name) for name in names},
        {name: np.ones(size) for name, size in zip(names, sizes, strict=True)},
    )
    product = math.prod(math.factorial(size) for size in sizes)
    assert symmetry.log10_num_equivalent() == pytest.approx(math.log10(product), abs=1e-12)


def test_equal_symmetries_are_equal_and_hash_alike() -> None:
    first, second = (Symmetry.of(AXES, make_params()) for _ in range(2))
    other = Symmetry.of(AXES | {"out": Axes("h", "o")}, make_params())
    assert first == second
    assert hash(first) == hash(second)
    assert first != other
