"""verify: what holds is kept however coarsely a function computes, what does not is dropped."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nested_networks import INPUTS, PARAMS, attention, random_params

from onebasin.symmetry import Symmetry, find_symmetry, verify
from onebasin.symmetry.axes import Axes, Part, Place, Sign

pytestmark = pytest.mark.slow

FOUND = find_symmetry(attention, PARAMS, INPUTS)


def running_sum(params: dict, x: jax.Array) -> jax.Array:
    return jax.numpy.cumsum(x @ params["first"], axis=-1) @ params["last"]


WRONG = Symmetry.of(
    {"first": Axes(None, "units"), "last": Axes("units", None)},
    {"first": np.zeros((4, 3)), "last": np.zeros((3, 2))},
)


def make_params(*shapes: tuple[int, ...], seed: int = 0, dtype="float32") -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal(s) / np.sqrt(s[0])).astype(dtype) for s in shapes]


def test_a_found_symmetry_passes_group_by_group_and_jointly() -> None:
    verified = verify(FOUND, attention, random_params(0), INPUTS, num_trials=5)
    assert verified.symmetry == FOUND
    assert set(verified.changes) == {*map(str, FOUND.parts), "all"}
    assert max(verified.changes.values()) < 1e-12


def test_a_group_that_changes_the_function_is_dropped_and_named() -> None:
    first, last = make_params((4, 3), (3, 2), seed=1)
    with pytest.warns(UserWarning, match="'units' .first axis 1, last axis 0. changes"):
        verified = verify(WRONG, running_sum, {"first": first, "last": last}, INPUTS[0])
    assert verified.symmetry.sizes == {}
    assert verified.symmetry.fixed == {"units": 3}
    assert verified.symmetry.dropped == (Part("units", "units"),)
    assert verified.symmetry.frozen["last, axis 0"] == "changed the function in a trial"
    assert verified.changes["units"] > 0.01
    assert verified.changes["all"] == 0


@pytest.mark.parametrize("seed", range(20))
def test_two_units_are_never_tried_without_being_moved(seed: int) -> None:
    # Of random permutations of two units half move nothing.
    first, last = make_params((4, 2), (2, 2))
    wrong = Symmetry.of(WRONG.axes, {"first": first, "last": last})
    with pytest.warns(UserWarning, match="the group is dropped"):
        verified = verify(
            wrong,
            running_sum,
            {"first": first, "last": last},
            INPUTS[0],
            key=jax.random.key(seed),
            num_trials=1,
        )
    assert verified.changes["units"] > 0.01


def test_a_function_that_is_not_finite_is_refused() -> None:
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, np.nan), PARAMS)
    with pytest.raises(ValueError, match="must be finite"):
        verify(FOUND, attention, params, INPUTS)


# ---- functions that compute more coarsely than in float64


def mixed(dtype):
    """Two layers that compute in a dtype, and a last one that does not."""

    def apply(params, x):
        for weights in params[:-1]:
            x = jnp.tanh(x.astype(dtype) @ weights.astype(dtype))
        return x.astype(params[-1].dtype) @ params[-1]

    return apply


def normed(params, x):
    """Root mean squares in float32, as in Llama."""
    embed, scale, up, down, out = params

    def norm(h):
        wide = h.astype(jnp.float32)
        wide = wide * jax.lax.rsqrt((wide**2).mean(-1, keepdims=True) + 1e-6)
        return scale[None, None] * wide.astype(h.dtype)

    stream = x @ embed
    return norm(stream + jax.nn.silu(norm(stream) @ up) @ down) @ out


def recurrent(params, x):
    """A layer that carries float32 whatever its params are, as those of Flax do."""
    kernel, mix, out = params
    step = lambda h, one: (jnp.tanh(one @ kernel + h @ mix), None)
    last, _ = jax.lax.scan(step, jnp.zeros((x.shape[1], 7), jnp.float32), x)
    return last @ out


COARSE = {
    **{
        f"mixed in {dtype}": (mixed(dtype), [(4, 9), (9, 8), (8, 3)], [9, 8], 2)
        for dtype in ("float32", "bfloat16", "float16")
    },
    "normed": (normed, [(4, 8), (8,), (8, 12), (12, 8), (8, 3)], [8, 12], 2),
    "recurrent": (recurrent, [(4, 7), (7, 7), (7, 3)], [7], 1),
}


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", COARSE)
def test_rounding_is_no_change_however_coarsely_a_function_computes(name, stored) -> None:
    apply, shapes, sizes, num_signs = COARSE[name]
    if name == "recurrent" and stored == "bfloat16":
        pytest.skip("it runs in float32 alone")
    params = make_params(*shapes, dtype=stored)
    inputs = INPUTS.astype(stored)
    symmetry = find_symmetry(apply, params, inputs)
    assert sorted(symmetry.sizes.values()) == sorted(sizes)
    assert len(symmetry.signs) == num_signs
    assert verify(symmetry, apply, params, inputs).symmetry == symmetry


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_is_wrong_is_dropped_in_coarse_functions_too(dtype) -> None:
    first, last = make_params((4, 3), (3, 2))
    coarse = lambda params, x: running_sum(
        jax.tree.map(lambda leaf: leaf.astype(dtype), params), x.astype(dtype)
    )
    with pytest.warns(UserWarning, match="the group is dropped"):
        verified = verify(WRONG, coarse, {"first": first, "last": last}, INPUTS[0])
    assert verified.symmetry.sizes == {}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_function_that_rounding_decides_drops_nothing(dtype) -> None:
    def chaotic(params, x):
        kernel, mix, out = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        h = x.astype(dtype) @ kernel
        for _ in range(80):
            h = jnp.sin(8 * h @ mix)
        return h @ out

    params = make_params((4, 16), (16, 16), (16, 2), dtype="float64")
    axes = [Axes(None, "h"), Axes("h", "h"), Axes("h", None)]
    symmetry = Symmetry.of(axes, params)
    verified = verify(symmetry, chaotic, params, INPUTS[0])
    assert verified.symmetry == symmetry
    assert verified.changes["h"] > 0.01


def test_a_tolerance_that_is_given_is_taken_as_it_is() -> None:
    apply, shapes, _, _ = COARSE["mixed in float32"]
    params = make_params(*shapes)
    symmetry = find_symmetry(apply, params, INPUTS[0]).with_signs([])
    with pytest.warns(UserWarning, match="more than 1e-12: the group is dropped"):
        strict = verify(symmetry, apply, params, INPUTS[0], tolerance=1e-12)
    assert len(strict.symmetry.sizes) < 2
    first, last = make_params((4, 3), (3, 2))
    lenient = verify(WRONG, running_sum, {"first": first, "last": last}, INPUTS[0], tolerance=1e3)
    assert lenient.symmetry == WRONG


# ---- outputs and params of any kind


def outputs_of_any_kind(function):
    def apply(params, x):
        out = function(params, x)
        return {
            "classes": out.argmax(-1),
            "signs": (out > 0, None, (out > 0).sum(-1).astype("uint8")),
            "masked": jnp.where(out > 0, out, -jnp.inf),
            "key": jax.random.fold_in(jax.random.key(0), (out > 0).sum()),
        }

    return apply


def test_outputs_may_be_integers_truths_keys_and_infinite_in_any_structure() -> None:
    first, last = make_params((4, 3), (3, 5))
    params = {"first": first, "last": last}
    dense = outputs_of_any_kind(lambda p, x: jax.nn.relu(x @ p["first"]) @ p["last"])
    assert verify(WRONG, dense, params, INPUTS[0]).symmetry == WRONG
    for kind in ("classes", "signs", "key"):
        alone = lambda p, x, kind=kind: outputs_of_any_kind(running_sum)(p, x)[kind]
        with pytest.warns(UserWarning, match="the group is dropped"):
            assert verify(WRONG, alone, params, INPUTS).symmetry.sizes == {}


def test_an_output_is_compared_whatever_the_size_of_others() -> None:
    first, last = make_params((4, 3), (3, 2))
    apply = lambda p, x: (jnp.full(3, 1e15), running_sum(p, x))
    with pytest.warns(UserWarning, match="the group is dropped"):
        verified = verify(WRONG, apply, {"first": first, "last": last}, INPUTS[0])
    assert verified.symmetry.sizes == {}


def test_complex_params_are_permuted_flipped_and_compared() -> None:
    kernel, out = (
        real + 1j * imaginary
        for real, imaginary in zip(
            make_params((4, 6), (6, 2)), make_params((4, 6), (6, 2), seed=1), strict=True
        )
    )
    symmetry = Symmetry.of(
        {"kernel": Axes(None, "h"), "out": Axes("h", None)},
        {"kernel": kernel, "out": out},
        signs=[Sign("h", (Place("kernel", 1), Place("out", 0)))],
    )
    params, x = {"kernel": kernel, "out": out}, INPUTS[0].astype("complex64")
    odd = lambda p, x: jnp.tanh(x @ p["kernel"]) @ p["out"]
    verified = verify(symmetry, odd, params, x)
    assert verified.symmetry == symmetry
    assert verified.changes["signs of h"] < 1e-12
    even = lambda p, x: (jnp.abs(x @ p["kernel"]) + 0j) @ p["out"]
    with pytest.warns(UserWarning, match="these signs are dropped"):
        assert verify(symmetry, even, params, x).symmetry == symmetry.with_signs([])
