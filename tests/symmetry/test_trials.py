"""A symmetry is tried on its own function once: when it is found, or when it is aligned."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nested_networks import INPUTS

from onebasin import find_symmetry, verify
from onebasin.alignment import align
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry
from onebasin.symmetry.axes import Axes, Function, Part, Place, Sign
from onebasin.symmetry.claims import MOST_DRAWN
from onebasin.symmetry.discovery import find

pytestmark = pytest.mark.slow

SHAPES = {"first": (4, 3), "last": (3, 2)}
X = INPUTS[0].astype("float32")
WRONG = Symmetry.of(
    {"first": Axes(None, "units"), "last": Axes("units", None)},
    {name: np.zeros(shape) for name, shape in SHAPES.items()},
)


def running_sum(params: dict, x: jax.Array) -> jax.Array:
    return jnp.cumsum(x @ params["first"], axis=-1) @ params["last"]


def dense(params: dict, x: jax.Array) -> jax.Array:
    return jax.nn.relu(x @ params["first"]) @ params["last"]


def bare(shapes: dict = SHAPES, dtype="float32") -> dict:
    return {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape in shapes.items()}


def drawn(*batch: int, seed: int = 1) -> dict:
    rng = np.random.default_rng(seed)
    normal = lambda shape: rng.standard_normal((*batch, *shape)).astype("float32")
    return {name: normal(shape) for name, shape in SHAPES.items()}


def counted(function):
    """A function, and how often it has been called."""
    calls = []

    def apply(*arguments):
        calls.append(None)
        return function(*arguments)

    return apply, calls


def claimed(symmetry: Symmetry, apply) -> Symmetry:
    shapes = (jax.ShapeDtypeStruct(X.shape, "float32"),)
    return dataclasses.replace(symmetry, function=Function(apply, shapes))


@pytest.fixture
def too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read off functions is wrong."""
    monkeypatch.setattr(find, "symmetry_of", lambda walked, params: WRONG)


# ---- when it is found


@pytest.mark.parametrize(
    "params",
    [
        drawn(),
        jax.tree.map(jnp.asarray, drawn()),
        {name: np.zeros(shape, "float32") for name, shape in SHAPES.items()},
        {name: jnp.ones(shape) for name, shape in SHAPES.items()},
        bare(),
        {**drawn(), "last": bare()["last"]},
    ],
    ids=["random", "on the device", "zeros", "ones", "shapes", "a shape among them"],
)
@pytest.mark.parametrize(
    "x",
    [X, np.ones((5, 4), "float32"), jax.ShapeDtypeStruct((5, 4), "float32")],
    ids=["random", "ones", "a shape"],
)
def test_what_is_found_and_wrong_is_dropped_with_a_warning(params, x, too_much_is_found) -> None:
    with pytest.warns(UserWarning, match="Permuting 'units' .* the group is dropped"):
        found = find_symmetry(running_sum, params, x)
    assert found.sizes == {}
    assert found.dropped == (Part("units", "units"),)
    # It is known by then: no second trial, and no second warning.
    assert align(Samples(drawn(2, 3)), found).symmetry.sizes == {}


@pytest.mark.parametrize("params", [drawn(), bare()], ids=["values", "shapes"])
def test_what_is_found_and_right_is_kept_and_never_tried_again(params) -> None:
    apply, calls = counted(dense)
    found = find_symmetry(apply, params, X)
    assert found.sizes == {"first": 3}
    assert len(calls) == 2  # to read it, and to try it
    assert found.function is not None
    assert all(found.function.passed.values())
    assert align(Samples(drawn(2, 3)), found).symmetry == found
    assert len(calls) == 2


def test_of_large_shapes_nothing_is_computed(too_much_is_found) -> None:
    apply, calls = counted(running_sum)
    params = bare({"first": (4, 3), "last": (3, MOST_DRAWN)})
    assert find_symmetry(apply, params, X).sizes == {"units": 3}
    batch = jax.ShapeDtypeStruct((MOST_DRAWN, 4), "float32")
    assert find_symmetry(apply, bare(), batch).sizes == {"units": 3}
    assert len(calls) == 2


def test_large_arrays_are_tried(too_much_is_found) -> None:
    params = {"first": drawn()["first"], "last": np.ones((3, MOST_DRAWN), "float32")}
    with pytest.warns(UserWarning, match="the group is dropped"):
        assert find_symmetry(running_sum, params, X).sizes == {}


def test_shapes_of_variances_are_tried_at_positive_numbers(too_much_is_found) -> None:
    apply = lambda params, x: running_sum(params, x) / jnp.sqrt(params["last"]).sum()
    with pytest.warns(UserWarning, match="the group is dropped"):
        assert find_symmetry(apply, bare(), X).sizes == {}


def test_inputs_that_only_stand_for_a_shape_are_replaced_unless_they_must_be_as_they_are() -> None:
    # The logarithm is finite at ones, and at few random numbers.
    apply = lambda params, x: dense(params, jnp.log(x))
    found = find_symmetry(apply, drawn(), np.ones((5, 4), "float32"))
    assert found.function is not None
    assert all(found.function.passed.values())


def never_finite(params, x):
    return running_sum(params, x) / (params["last"] * 0).sum()


def printing(params, x):
    jax.debug.print("a side effect")
    return running_sum(params, x)


def failing(params, x):
    raises = lambda: pytest.fail("it runs")
    shape = jax.ShapeDtypeStruct((), "float32")
    return running_sum(params, x) + jax.pure_callback(raises, shape)


@pytest.mark.filterwarnings("ignore:Only primitives with a rule can be followed")
@pytest.mark.parametrize("apply", [never_finite, printing, failing])
def test_what_cannot_be_run_or_should_not_be_tells_nothing(
    apply, too_much_is_found, capfd: pytest.CaptureFixture
) -> None:
    found = find_symmetry(apply, drawn(), X)
    assert found.sizes == {"units": 3}
    assert found.function is not None
    assert not found.function.passed
    assert "a side effect" not in capfd.readouterr().out


def until_small(params, x):
    """Ends at the params that it is made for, and at others never."""
    shrink = lambda h: running_sum(params, h) @ jnp.ones((2, 4))
    return jax.lax.while_loop(lambda h: jnp.abs(h).max() > 1e-3, shrink, x)


def test_loops_that_values_end_run_at_given_values_alone(too_much_is_found) -> None:
    small = jax.tree.map(lambda leaf: leaf * np.float32(0.01), drawn())
    for params, x in ((bare(), X), (small, jax.ShapeDtypeStruct(X.shape, "float32"))):
        assert find_symmetry(until_small, params, x).sizes == {"units": 3}
    once = lambda params, x: running_sum(params, until_small(params, x) * 0 + x)
    with pytest.warns(UserWarning, match="the group is dropped"):
        assert find_symmetry(once, small, X).sizes == {}


def test_finding_inside_of_a_compiled_function_computes_nothing() -> None:
    found = []
    params = drawn()
    jax.jit(lambda p: found.append(find_symmetry(dense, p, X)))(params)
    jax.jit(lambda x: found.append(find_symmetry(dense, params, x)))(X)
    assert [one.sizes for one in found] == [{"first": 3}] * 2


def test_inputs_may_be_numbers_tokens_and_keys_in_any_structure() -> None:
    def apply(params, x, options):
        tokens, scale = options["tokens"]
        logits = jax.nn.relu(params["first"][tokens] * scale) @ params["last"]
        return {"logits": logits, "classes": logits.argmax(-1), "same": (x, None)}

    tokens = np.array([0, 3, 1], np.int32)
    found = find_symmetry(apply, drawn(), True, {"tokens": (tokens, 0.5)})
    assert found.sizes == {"first": 3}
    assert verify(found, apply, drawn(), True, {"tokens": (tokens, 0.5)}).symmetry == found


# ---- when it is aligned


def test_align_leaves_out_what_changes_the_function_it_is_claimed_of() -> None:
    symmetry, samples = claimed(WRONG, running_sum), Samples(drawn(2, 3))
    with pytest.warns(UserWarning, match="Permuting 'units' .* the group is dropped"):
        found = align(samples, symmetry)
    assert found.symmetry.sizes == {}
    jax.tree.map(np.testing.assert_array_equal, found.apply(samples).params, samples.params)
    # It is known by then: no second trial, and no second warning.
    assert align(samples, symmetry).symmetry.sizes == {}


def test_a_claim_is_tried_once_whatever_is_aligned_later() -> None:
    apply, calls = counted(dense)
    symmetry = claimed(WRONG, apply)
    for seed in range(3):
        assert align(Samples(drawn(2, 3, seed=seed)), symmetry).symmetry == symmetry
        assert len(calls) == 1
    # Signs that were not tried before are a claim of their own.
    flipped = symmetry.with_signs([Sign("units", (Place("first", 1), Place("last", 0)))])
    with pytest.warns(UserWarning, match="these signs are dropped"):
        assert align(Samples(drawn(2, 3)), flipped).symmetry.signs == {}
    assert align(Samples(drawn(2, 3)), symmetry).symmetry.sizes == WRONG.sizes


def test_a_symmetry_without_a_function_is_taken_as_it_is() -> None:
    assert align(Samples(drawn(2, 3)), WRONG).symmetry.sizes == WRONG.sizes


def test_a_found_symmetry_knows_its_function_whatever_its_inputs_are() -> None:
    def apply(params, tokens, key):
        noise = jax.random.normal(key, tokens.shape)
        return jax.nn.relu(params["first"][tokens] + noise[:, None]) @ params["last"]

    inputs = (np.zeros(5, np.int32), jax.random.key(0))
    with pytest.warns(UserWarning, match="random"):
        found = find_symmetry(apply, bare(), *inputs)
    assert found.sizes == {"first": 3}
    assert align(Samples(drawn(2, 3)), found).symmetry == found
    assert found.function is not None
    assert all(found.function.passed.values())


def test_a_draw_at_which_the_function_is_not_finite_tells_nothing() -> None:
    symmetry = claimed(WRONG, lambda params, x: running_sum(params, x) / params["last"].sum())
    samples = Samples(drawn(2, 3))
    samples.params["last"][0, 0] = 0  # of the first draw, which is the one that is tried
    found = align(samples, symmetry)
    assert found.symmetry.sizes == WRONG.sizes
    assert symmetry.function is not None
    assert not symmetry.function.passed
