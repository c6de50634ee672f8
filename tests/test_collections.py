"""Collections: what is a statistic is known from the structure of a tree alone."""

import numpy as np
import pytest
from jax.tree_util import tree_structure

from onebasin import _trees
from onebasin._collections import (
    collected,
    map_others,
    map_statistics,
    of_network,
    others_in,
    own_names,
    statistics_in,
    weights_alone,
    with_collections,
    with_others_of,
    with_statistics_of,
    without_statistics,
)

PARAMS = {
    "network": {
        "weights": {"0.weight": np.ones((2, 3)), "1.weight": np.ones(2)},
        "statistics": {"1.running_mean": np.full(2, 5.0)},
    },
    "log_noise_std": np.zeros(()),
}
STATISTIC = "network/statistics/1.running_mean"


def test_statistics_are_found_anywhere_in_a_tree() -> None:
    assert statistics_in(PARAMS) == {STATISTIC}
    twice = {"mean": PARAMS, "parts": [PARAMS]}
    assert statistics_in(twice) == {f"mean/{STATISTIC}", f"parts/0/{STATISTIC}"}


def test_a_layer_by_one_of_the_names_alone_is_no_collection() -> None:
    for tree in ({"statistics": {"w": np.ones(2)}}, {"weights": np.ones(2), "w": np.ones(2)},
                 {"a": {"statistics": np.ones(2)}, "weights": np.ones(2)}):  # fmt: skip
        assert not statistics_in(tree)
        assert tree_structure(without_statistics(tree)) == tree_structure(tree)
        assert list(own_names(tree).values()) == list(_trees.named_leaves(tree))


def test_what_is_left_are_the_weights_by_their_paths() -> None:
    left = _trees.named_leaves(without_statistics(PARAMS))
    assert left.keys() == _trees.named_leaves(PARAMS).keys() - {STATISTIC}


def test_statistics_come_back_to_weights_with_or_without_their_own() -> None:
    for tree in (without_statistics(PARAMS), map_statistics(np.zeros_like, PARAMS)):
        found = with_statistics_of(PARAMS, tree)
        assert tree_structure(found) == tree_structure(PARAMS)
        assert found["network"]["statistics"]["1.running_mean"][0] == 5


def test_arrays_have_names_of_their_own_in_both_collections() -> None:
    own = own_names(PARAMS)
    assert own[STATISTIC] == "network/1.running_mean"
    assert own["network/weights/0.weight"] == "network/0.weight"
    assert own["log_noise_std"] == "log_noise_std"


def test_weights_without_statistics_are_params_as_they_are() -> None:
    weights = {"w": np.ones(2)}
    assert collected(weights, {}) is weights
    assert collected(weights, {"m": np.ones(2)}).keys() == {"weights", "statistics"}


ALL = with_collections(
    PARAMS["network"],
    {"likelihood": {"log_noise_std": np.zeros(())}, "prior": {"scale": np.ones(3)}},
)


def test_params_of_a_likelihood_and_of_a_prior_are_collections_too() -> None:
    assert ALL.keys() == {"weights", "statistics", "likelihood", "prior"}
    assert statistics_in(ALL) == {"statistics/1.running_mean"}
    assert others_in(ALL) == {
        "statistics/1.running_mean", "likelihood/log_noise_std", "prior/scale"
    }  # fmt: skip
    assert set(own_names(ALL).values()) == {
        "0.weight", "1.weight", "1.running_mean", "log_noise_std", "scale"
    }  # fmt: skip


def test_the_weights_alone_have_no_other_collection() -> None:
    for tree in (ALL, {"mean": ALL}):
        left = _trees.named_leaves(weights_alone(tree))
        assert {name.rpartition("/")[2] for name in left} == {"0.weight", "1.weight"}
    weights = {"w": np.ones(2)}
    assert weights_alone(weights) == weights


@pytest.mark.parametrize("network", [PARAMS["network"], {"w": np.ones(2)}])
def test_what_other_collections_were_put_beside_comes_back(network) -> None:
    for added in ({"likelihood": {"log_noise_std": np.zeros(())}}, {"prior": np.ones(2)}):
        params = with_collections(network, added)
        assert tree_structure(of_network(params)) == tree_structure(network)
    assert with_collections(network, {}) is network


def test_what_is_no_weight_comes_back_to_weights_and_can_be_changed() -> None:
    found = with_others_of(ALL, weights_alone(ALL))
    assert tree_structure(found) == tree_structure(ALL)
    added = map_others(lambda leaf: leaf + 1, ALL)
    assert added["statistics"]["1.running_mean"][0] == 6
    assert added["likelihood"]["log_noise_std"] == 1
    assert added["weights"]["1.weight"][0] == 1
