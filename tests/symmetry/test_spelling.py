"""Misspelled names of groups: two groups that must be one are refused, siblings are not."""

import numpy as np
import pytest

from onebasin import find_symmetry
from onebasin.symmetry import Symmetry, random_permutation
from onebasin.symmetry.axes import Axes, Blocks

PARAMS = {"w1": np.ones((5, 8)), "b1": np.ones(8), "w2": np.ones((8, 1))}


def declared(first: str, bias: str, last: str) -> Symmetry:
    axes = {"w1": Axes(None, first), "b1": Axes(bias), "w2": Axes(last, None)}
    return Symmetry.of(axes, PARAMS)


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("hiden", "hidden"),
        ("hiddne", "hidden"),
        ("Hidden", "hidden"),
        ("hidden0", "hidden_0"),
        ("hiden_1", "hidden_1"),
        ("unit", "units"),
        ("chanels", "channels"),
    ],
)
@pytest.mark.parametrize("place", range(3))
def test_a_group_that_is_probably_another_one_misspelled_is_refused(slip, meant, place) -> None:
    names = [meant] * 3
    names[place] = slip
    with pytest.raises(ValueError, match=f"Got '{slip}' .* Did you mean '{meant}'") as refused:
        declared(*names)
    assert "\n" not in str(refused.value)


def test_of_two_names_on_one_axis_each_one_is_a_slip_of_the_other() -> None:
    with pytest.raises(ValueError, match="Did you mean"):
        Symmetry.of(
            {"w1": Axes(None, "hidden"), "w2": Axes("hiden", None)},
            {"w1": PARAMS["w1"], "w2": PARAMS["w2"]},
        )


def test_a_slip_among_several_on_one_axis_or_in_a_block_is_found() -> None:
    params = {"conv": np.ones((3, 4)), "dense": np.ones((12, 2)), "both": np.ones((2, 8))}
    axes = {
        "conv": Axes(None, "channels"),
        "dense": Axes(("chanels", 3), None),
        "both": Blocks([[2], [4, 4]], [Axes(None, "channels"), Axes(None, "other")]),
    }
    with pytest.raises(ValueError, match="Got 'chanels' .* Did you mean 'channels'"):
        Symmetry.of(axes, params)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hidden_0", "hidden_1"),
        ("module", "module.2"),
        ("layer10", "layer1"),
        ("conv_a", "conv_b"),
        ("k_proj", "q_proj"),
        ("encoder", "decoder"),
        ("inputs", "outputs"),
        ("rows", "columns"),
    ],
)
def test_siblings_are_groups_of_their_own(one: str, other: str) -> None:
    axes = {"w1": Axes(None, one), "b1": Axes(other), "w2": Axes(one, None)}
    assert Symmetry.of(axes, PARAMS).sizes == {one: 8, other: 8}
    assert declared(other, one, one).sizes == {one: 8, other: 8}


def test_names_that_are_close_may_differ_in_size_or_have_several_axes() -> None:
    params = {**PARAMS, "v1": np.ones((2, 8)), "v2": np.ones((8, 2)), "u": np.ones(4)}
    axes = {
        "w1": Axes(None, "units"),
        "b1": Axes("units"),
        "w2": Axes("units", None),
        "v1": Axes(None, "units_b"),
        "v2": Axes("units_b", None),
        "u": Axes("unit"),
    }
    assert Symmetry.of(axes, params).sizes == {"unit": 4, "units": 8, "units_b": 8}


def test_names_that_are_found_are_never_taken_for_slips(key) -> None:
    params = {"scales": np.ones(4, "float32"), "scale": np.ones(4, "float32")}
    found = find_symmetry(lambda p: (p["scales"] ** 2).sum() - p["scale"].max(), params)
    assert found.sizes == {"scale": 4, "scales": 4}
    found.check(params)


def test_an_exact_number_of_transpositions_of_an_unknown_group_is_refused_by_name(key) -> None:
    symmetry = declared("hidden", "hidden", "hidden")
    with pytest.raises(ValueError, match=r"Got 'hiden'\. Did you mean 'hidden'\?"):
        random_permutation(symmetry, key=key, num_transpositions={"hiden": 1})
