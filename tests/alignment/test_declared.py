"""Symmetries that somebody wrote down: refused if wrong, and told what they leave out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob
from onebasin import Alignment, Axes, Network, Samples, Symmetry, align, posterior
from onebasin.symmetry import Place, Sign
from onebasin.symmetry.axes import Function

pytestmark = pytest.mark.slow

SHAPES = {"w": (6, 6), "b": (6,), "v": (6, 3)}
X = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
RIGHT = {"w": Axes(None, "hidden"), "b": Axes("hidden"), "v": Axes("hidden", None)}
WRONG = {**RIGHT, "w": Axes("hidden", None)}
SIGN = Sign("hidden", (Place("w", 1), Place("b", 0), Place("v", 0)))


def relu(params: dict, x: jax.Array) -> jax.Array:
    return jax.nn.relu(x @ params["w"] + params["b"][None]) @ params["v"]


def tanh(params: dict, x: jax.Array) -> jax.Array:
    return jnp.tanh(x @ params["w"] + params["b"][None]) @ params["v"]


def make_samples(shapes: dict = SHAPES) -> Samples:
    rng = np.random.default_rng(1)
    normal = lambda shape: rng.normal(size=(2, 4, *shape)).astype("float32")
    return Samples({name: normal(shape) for name, shape in shapes.items()})


def declared(axes: dict, signs=(), samples: Samples | None = None) -> Symmetry:
    samples = make_samples() if samples is None else samples
    return Symmetry.of(axes, samples.draw(0, 0), signs=signs)


def test_a_wrong_declaration_is_refused_by_its_group_its_places_and_the_change() -> None:
    words = r"permuting 'hidden' \(b axis 0, v axis 0, w axis 0\) changes the function by \d"
    for _ in range(2):
        with pytest.raises(ValueError, match=words) as refused:
            align(make_samples(), declared(WRONG), apply=relu, inputs=X)
    assert "\n" not in str(refused.value)


def test_wrong_signs_are_refused_too() -> None:
    symmetry = declared(RIGHT, [SIGN])
    with pytest.raises(ValueError, match=r"flipping 'hidden' \(w axis 1, b axis 0, v axis 0\)"):
        align(make_samples(), symmetry, apply=relu, inputs=X)
    assert align(make_samples(), symmetry, apply=tanh, inputs=X).symmetry == symmetry


def test_a_right_declaration_is_taken_as_it_is() -> None:
    symmetry = declared(RIGHT)
    found = align(make_samples(), symmetry, apply=relu, inputs=X)
    assert found.symmetry == symmetry
    without = align(make_samples(), symmetry)
    jax.tree.map(np.testing.assert_array_equal, found.permutation, without.permutation)


def test_a_declaration_that_forgets_signs_gets_a_warning_that_names_them() -> None:
    with pytest.warns(UserWarning, match="leaves out signs of 'hidden': it has 10") as told:
        found = align(make_samples(), declared(RIGHT), apply=tanh, inputs=X)
    assert found.symmetry == declared(RIGHT)
    (one,) = told
    assert "\n" not in str(one.message)


def test_a_declaration_that_forgets_a_group_gets_a_warning_that_says_where_it_is() -> None:
    samples = make_samples({"w": (6, 6), "u": (6, 4), "v": (4, 3)})
    axes = {"w": Axes(None, "hidden"), "u": Axes("hidden", None), "v": Axes(None, None)}
    deep = lambda p, x: jax.nn.relu(jax.nn.relu(x @ p["w"]) @ p["u"]) @ p["v"]
    with pytest.warns(UserWarning, match="leaves out the units of u axis 1, v axis 0: it has"):
        align(samples, declared(axes, samples=samples), apply=deep, inputs=(X,))


def test_several_inputs_are_a_tuple_and_none_an_empty_one() -> None:
    both = lambda params, x, scale: relu(params, x) * scale
    symmetry = declared(RIGHT)
    assert align(make_samples(), symmetry, apply=both, inputs=(X, 2.0)).symmetry == symmetry
    alone = lambda params: relu(params, X)
    assert align(make_samples(), symmetry, apply=alone, inputs=()).symmetry == symmetry
    with pytest.raises(ValueError, match="apply and inputs go together.*Got apply alone"):
        align(make_samples(), symmetry, apply=relu)
    with pytest.raises(ValueError, match="Got inputs alone"):
        align(make_samples(), symmetry, inputs=X)


def test_what_the_function_raises_is_raised() -> None:
    with pytest.raises(TypeError, match="dot_general"):
        align(make_samples(), declared(RIGHT), apply=relu, inputs=X[:, :2])


# ---- networks and posteriors


class Train:
    inputs = X
    targets = np.arange(5.0)


def network(axes: dict, apply=relu) -> Network:
    """A network of one output, for a regression."""
    init = lambda key: {n: jax.random.normal(key, shape) for n, shape in SHAPES.items()}
    one_output = lambda params, x: apply(params, x) @ jnp.array([[1.0], [2.0], [3.0]])
    return Network(init, one_output, None, declared(axes))


def noisy_samples() -> Samples:
    noise = {"log_noise_std": np.zeros((2, 4), "f")}
    return Samples({"weights": make_samples().params, "likelihood": noise})


def samples_of(noise_std) -> Samples:
    return noisy_samples() if noise_std == "inferred" else make_samples()


@pytest.mark.parametrize("noise_std", ["inferred", 0.5])
def test_a_network_that_was_declared_wrong_is_refused_by_its_posterior(noise_std) -> None:
    found = posterior(network(WRONG), Train, likelihood="gaussian", noise_std=noise_std)
    for _ in range(2):
        with pytest.raises(ValueError, match="permuting 'hidden' .*w axis 0. changes the function"):
            align(samples_of(noise_std), found.symmetry)


@pytest.mark.parametrize("noise_std", ["inferred", 0.5])
def test_a_network_that_forgets_its_signs_is_told_so_once(noise_std) -> None:
    found = posterior(network(RIGHT, tanh), Train, likelihood="gaussian", noise_std=noise_std)
    with pytest.warns(UserWarning, match="leaves out signs of 'hidden'"):
        align(samples_of(noise_std), found.symmetry)
    assert align(samples_of(noise_std), found.symmetry).symmetry == found.symmetry


@pytest.mark.parametrize("noise_std", ["inferred", 0.5])
def test_a_symmetry_that_was_found_and_cut_down_on_purpose_is_left_alone(noise_std) -> None:
    symmetry = ob.find_symmetry(tanh, make_samples().draw(0, 0), X).with_signs([])
    one = network(RIGHT, tanh)._replace(symmetry=symmetry)
    found = posterior(one, Train, likelihood="gaussian", noise_std=noise_std)
    assert align(samples_of(noise_std), found.symmetry).symmetry.signs == {}


# ---- files


def test_an_alignment_whose_symmetry_was_reduced_comes_back_reduced(tmp_path) -> None:
    # Two groups, of which the second is wrong, and signs that are wrong as well.
    samples = make_samples({"w": (6, 6), "u": (6, 4), "v": (4, 3)})
    axes = {"w": Axes(None, "first"), "u": Axes("first", "second"), "v": Axes("second", None)}
    signs = [Sign("first", (Place("w", 1), Place("u", 0)))]
    function = Function(
        lambda p, x: jnp.cumsum(jax.nn.relu(x @ p["w"]) @ p["u"], axis=-1) @ p["v"], (X,)
    )
    whole = declared(axes, signs, samples)
    symmetry = Symmetry(axes, whole.sizes, signs=whole.signs, function=function)
    with pytest.warns(UserWarning, match="dropped"):
        found = align(samples, symmetry)
    assert found.symmetry.sizes == {"first": 6}
    assert found.symmetry.signs == {}

    found.save(tmp_path / "alignment")
    for given in (whole, found.symmetry):
        again = Alignment.load(tmp_path / "alignment", given)
        assert again.symmetry == found.symmetry
        jax.tree.map(
            np.testing.assert_array_equal, again.apply(samples).params, found.apply(samples).params
        )
        assert jax.tree.structure(again) == jax.tree.structure(found)


def test_a_file_of_another_network_is_no_reduced_alignment(tmp_path) -> None:
    align(make_samples(), declared(RIGHT)).save(tmp_path / "alignment")
    with pytest.raises(ValueError, match="must permute the groups of the symmetry"):
        Alignment.load(tmp_path / "alignment", declared(RIGHT, [SIGN]))
    more = {**RIGHT, "w": Axes("inputs", "hidden")}
    with pytest.raises(ValueError, match="must permute the groups of the symmetry"):
        Alignment.load(tmp_path / "alignment", declared(more))
