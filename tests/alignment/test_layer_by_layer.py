"""Starting layer by layer: planted permutations are found at once, and no draw does worse."""

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from nested_networks import INPUTS, PARAMS, attention, random_params

from onebasin import _trees
from onebasin.alignment import align, to
from onebasin.alignment.descent import match
from onebasin.alignment.goal import Goal
from onebasin.alignment.similarity import Draws
from onebasin.alignment.starts import inward, layer_by_layer
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import find_symmetry, permute, random_permutation

DEEP = mlp(4, (6, 5, 6), 3, "tanh")
NESTED = find_symmetry(attention, PARAMS, INPUTS)


def copies_of(params, symmetry, seed: int, num_draws: int = 8):
    repeated = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (num_draws, *leaf.shape)), params)
    permutation = random_permutation(symmetry, num_draws, key=jax.random.key(seed))
    return permute(repeated, symmetry, permutation)


@given(strategies.seeds)
@settings(max_examples=10)
@pytest.mark.parametrize("kind", ["layers", "heads"])
def test_permuted_copies_are_matched_without_any_descent(kind: str, seed: int) -> None:
    if kind == "layers":
        params, symmetry = strategies.make_case(DEEP, seed, dtype=np.float64).params, DEEP.symmetry
    else:
        params, symmetry = random_params(seed), NESTED
    draws = copies_of(params, symmetry, seed)
    found = permute(draws, symmetry, layer_by_layer(Draws(Goal(symmetry, params), draws)))
    for name, leaf in _trees.named_leaves(found).items():
        np.testing.assert_array_equal(leaf, np.stack([_trees.named_leaves(params)[name]] * 8))


def test_each_draw_takes_the_better_of_two_starts() -> None:
    samples = strategies.random_samples(DEEP, 0, 2, 20)
    reference = strategies.make_case(DEEP, 1).params
    symmetry, draws = DEEP.symmetry, samples.flatten()
    whole = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), reference)
    ready = Draws(Goal(symmetry, whole), draws)
    value = lambda start: ready.objective(match(ready, start).permutation)
    values = [value(symmetry.identity(40)), value(layer_by_layer(ready))]
    reached = align(samples, symmetry, reference=to(reference)).objective.reshape(-1)
    np.testing.assert_allclose(reached, np.maximum(*values), rtol=1e-6)
    # Both starts win for some draws: neither is there in vain.
    assert (values[0] > values[1]).any()
    assert (values[1] > values[0]).any()


def test_a_group_that_no_settled_array_lists_is_matched_by_all_arrays() -> None:
    network = mlp(4, (3, 3), 2)
    symmetry = network.symmetry
    params = {
        "hidden_0": {"kernel": np.zeros((4, 3)), "bias": np.zeros(3)},
        "hidden_1": {"kernel": np.arange(9.0).reshape(3, 3) ** 2, "bias": np.zeros(3)},
        "out": {"kernel": np.zeros((3, 2)), "bias": np.zeros(2)},
    }
    draws = Samples(jax.tree.map(lambda leaf: leaf[None, None], params)).flatten()
    found = layer_by_layer(Draws(Goal(symmetry, params), draws))
    assert all((p == np.arange(3)).all() for p in found.units.values())


def test_more_effort_finds_no_worse_optima_and_says_from_where() -> None:
    samples = strategies.random_samples(DEEP, 0, 2, 20)
    reference = to(strategies.make_case(DEEP, 1).params)
    by = {
        effort: align(samples, DEEP.symmetry, reference=reference, effort=effort)
        for effort in ("fast", "normal", "thorough")
    }
    given, layers, noise = range(3)
    assert (by["normal"].objective >= by["fast"].objective - 1e-5).all()
    assert (by["thorough"].objective >= by["normal"].objective).all()
    assert (by["thorough"].objective > by["normal"].objective).any()
    assert set(np.unique(by["normal"].start)) == {given, layers}
    assert noise in by["thorough"].start
    assert (by["thorough"].sweeps > by["normal"].sweeps).all()


def test_fast_never_leaves_a_draw_worse_than_it_was() -> None:
    samples = strategies.random_samples(DEEP, 0, 2, 20)
    reference = strategies.make_case(DEEP, 1).params
    aligned = align(samples, DEEP.symmetry, reference=to(reference), effort="fast")
    again = align(aligned.apply(samples), DEEP.symmetry, reference=to(reference), effort="fast")
    assert (again.objective >= aligned.objective - 1e-5).all()


def test_an_effort_that_does_not_exist_is_refused() -> None:
    samples = strategies.random_samples(DEEP, 0, 1, 2)
    with pytest.raises((TypeError, ValueError), match="most"):
        align(samples, DEEP.symmetry, effort="most")  # type: ignore[arg-type]


def test_large_biases_do_not_say_which_layer_is_first() -> None:
    params = strategies.make_case(DEEP, 0).params
    params["hidden_1"]["bias"] = 100 * params["hidden_1"]["bias"]
    first, names = inward(Goal(DEEP.symmetry, params))[0]
    assert first != "hidden_1"
    assert {name.split("/")[0] for name in names} != {"hidden_1"}
