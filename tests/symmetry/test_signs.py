"""Signs: which are declared and found, how many there are, and what they leave as it is."""

import math
import re

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from nested_networks import INPUTS, PARAMS, attention, random_params

from onebasin.networks import mlp
from onebasin.symmetry import find_symmetry, permute, random_permutation, verify
from onebasin.symmetry.axes import Place, Sign

TANH = mlp(3, (4, 5), 2, "tanh")
NESTED = find_symmetry(attention, PARAMS, INPUTS)


@given(strategies.seeds)
@settings(max_examples=10)
def test_a_tanh_network_computes_the_same_under_signed_permutations(seed: int) -> None:
    case = strategies.make_case(TANH, seed, dtype=np.float64)
    permutation = random_permutation(TANH.symmetry, key=jax.random.key(seed))
    moved = permute(case.params, TANH.symmetry, permutation)
    with jax.enable_x64(True):
        before, after = (TANH.apply(params, case.inputs) for params in (case.params, moved))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-12)
    assert any((p < 0).any() for p in permutation.signs.values())


def test_the_number_of_settings_of_a_tanh_network_is_the_product_of_h_factorial_and_2_to_the_h():
    expected = math.factorial(4) * 2**4 * math.factorial(5) * 2**5
    assert TANH.symmetry.log10_num_equivalent() == pytest.approx(math.log10(expected), abs=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "silu"])
def test_the_declared_signs_of_a_network_are_those_that_are_found(activation: str) -> None:
    network = mlp(3, (4, 5), 2, activation)
    params = jax.eval_shape(network.init, jax.random.key(0))
    found = find_symmetry(network.apply, params, np.zeros((2, 3), np.float32))
    by_places = lambda symmetry: sorted(
        (sign.group, sorted(sign.places)) for sign in symmetry.signs.values()
    )
    assert by_places(found) == by_places(network.symmetry)
    assert bool(found.signs) == (activation == "tanh")


@given(strategies.seeds)
@settings(max_examples=10)
def test_signs_of_nested_units_obey_the_group_laws(seed: int) -> None:
    one, other = (
        random_permutation(NESTED, key=key) for key in jax.random.split(jax.random.key(seed))
    )
    params = random_params(seed)
    once = permute(params, NESTED, one @ other)
    twice = permute(permute(params, NESTED, other), NESTED, one)
    undone = permute(permute(params, NESTED, one), NESTED, one.inverse())
    jax.tree.map(np.testing.assert_array_equal, (once, undone), (twice, params))


def test_transpositions_are_counted_of_units_alone_and_none_of_them_flips_where_asked_for() -> None:
    wanted = {"hidden_0": 2, "hidden_1": 3}
    drawn = random_permutation(TANH.symmetry, key=jax.random.key(0), num_transpositions=wanted)
    assert drawn.num_transpositions() == wanted
    assert all((p == 1).all() for p in drawn.signs.values())
    assert set(drawn.sign_groups.values()) == set(wanted)


def test_a_sign_of_axes_that_do_not_list_its_group_is_refused() -> None:
    wrong = Sign("hidden_0", (Place("hidden_0/kernel", 0),))
    with pytest.raises(ValueError, match=re.escape("Got 'hidden_0/kernel', axis 0")):
        TANH.symmetry.with_signs([wrong])


def test_signs_that_change_the_function_are_dropped_and_their_units_still_permuted() -> None:
    network = mlp(3, (4,), 2, "relu")
    places = (Place("hidden_0/kernel", 1), Place("hidden_0/bias", 0), Place("out/kernel", 0))
    wrong = network.symmetry.with_signs([Sign("hidden_0", places)])
    case = strategies.make_case(network, 0)
    with pytest.warns(UserWarning, match=r"Flipping 'hidden_0' .* these signs are dropped"):
        verified = verify(wrong, network.apply, case.params, case.inputs)
    assert verified.symmetry == network.symmetry
    assert verified.changes["signs of hidden_0"] > 1e-3
    assert verified.changes["all"] < 1e-12


def test_the_table_says_how_many_signs_each_unit_has() -> None:
    row = next(line for line in str(TANH.symmetry).splitlines() if line.startswith("hidden_0"))
    assert "1 each" in row
    assert "1 each" not in str(mlp(3, (4,), 2).symmetry)
