"""Symmetries in the words of git-re-basin and of neural functionals."""

from collections import defaultdict

import jax
import numpy as np
import pytest
from nested_networks import INPUTS, PARAMS, attention

import onebasin as ob
from onebasin import _trees
from onebasin.interchange import axes_to_perm, perm_spec

MLP = ob.mlp(3, (4, 5), 2)
TWICE = ob.Symmetry.of({"w": ob.Axes("a", "a")}, {"w": np.zeros((3, 3))})


def test_git_re_basin_permutes_with_it_as_we_do(key) -> None:
    """Its `apply_permutation` takes `P` along every axis that lists it."""
    spec = axes_to_perm(MLP.symmetry)
    assert spec == {
        "hidden_0/bias": ("hidden_0",), "hidden_0/kernel": (None, "hidden_0"),
        "hidden_1/bias": ("hidden_1",), "hidden_1/kernel": ("hidden_0", "hidden_1"),
        "out/bias": (None,), "out/kernel": ("hidden_1", None),
    }  # fmt: skip
    params = MLP.init(key)
    permutation = ob.symmetry.random_permutation(MLP.symmetry, key=key)
    moved = _trees.named_leaves(ob.permute(params, MLP.symmetry, permutation))
    for name, leaf in _trees.named_leaves(params).items():
        theirs = np.asarray(leaf)
        for axis, group in enumerate(spec[name]):
            if group is not None:
                theirs = np.take(theirs, permutation.units[group], axis=axis)
        np.testing.assert_array_equal(theirs, moved[name])


def test_every_axis_of_a_perm_spec_has_a_number_and_groups_share_theirs(key) -> None:
    spec = perm_spec(MLP.symmetry)
    params = MLP.init(key)
    jax.tree.map(lambda leaf, own: None, params, spec, is_leaf=lambda x: isinstance(x, tuple))
    sizes, places = defaultdict(set), defaultdict(list)
    for name, leaf in _trees.named_leaves(params).items():
        layer, own = name.split("/")
        for axis, number in enumerate(spec[layer][own]):
            sizes[number].add(leaf.shape[axis])
            places[number].append((name, axis))
    assert all(len(one) == 1 for one in sizes.values())
    for group, number in zip(MLP.symmetry.sizes, range(2), strict=True):
        assert places[number] == [tuple(place) for place in MLP.symmetry.places(group)]
    assert sorted(sizes) == list(range(len(sizes)))
    assert all(len(places[number]) == 1 for number in sizes if number >= 2)


def test_an_array_may_list_a_group_twice_in_one_of_them() -> None:
    assert perm_spec(TWICE) == {"w": (0, 0)}
    with pytest.raises(ValueError, match=r"lists a group twice\. Got 'w', \('a', 'a'\)"):
        axes_to_perm(TWICE)


@pytest.mark.parametrize("export", [axes_to_perm, perm_spec])
def test_what_they_cannot_say_is_refused_in_one_line(export) -> None:
    tanh = ob.mlp(3, (4,), 2, "tanh").symmetry
    with pytest.raises(ValueError, match=r"no signs\. Got .*with_signs\(\[\]\)"):
        export(tanh)
    assert export(tanh.with_signs([]))
    with pytest.raises(ValueError, match="one group an axis") as error:
        export(ob.find_symmetry(attention, PARAMS, INPUTS))
    assert "\n" not in str(error.value)
    cut = ob.Symmetry.of(
        {"w": ob.symmetry.Blocks([[2, 2]], [ob.Axes("a"), ob.Axes("b")])}, {"w": np.zeros(4)}
    )
    with pytest.raises(ValueError, match="one group an axis"):
        export(cut)
