"""Arrays that are read or written at indices: what is found, and that nothing is invented."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from onebasin import Axes, find_symmetry, permute
from onebasin.symmetry import random_permutation

pytestmark = [pytest.mark.usefixtures("ranks_promote", "float64"), pytest.mark.slow]
NUM_ELEMENTS = 10


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def is_kept(apply: Callable, params: Any, *inputs: Any) -> bool:
    """Whether random elements of the symmetry that is found leave the outputs as they are."""
    symmetry = find_symmetry(apply, params, *inputs)
    expected = apply(params, *inputs)
    for key in jax.random.split(jax.random.key(0), NUM_ELEMENTS):
        moved = permute(params, symmetry, random_permutation(symmetry, key=key))
        if not np.allclose(apply(moved, *inputs), expected, rtol=1e-10, atol=1e-10):
            return False
    return True


ROWS = {"e": normal(0, 8), "w": normal(1, 3, 8)}
WRITES = {
    "set": lambda p: jnp.zeros((2, 8)).at[0].set(p["e"]),
    "add": lambda p: jnp.ones((2, 8)).at[1].add(p["e"]),
    "multiply": lambda p: jnp.ones((2, 8)).at[1].multiply(p["e"]),
    "max": lambda p: jnp.ones((2, 8)).at[1].max(p["e"]),
    "an index that is an array": lambda p: jnp.zeros((2, 8)).at[jnp.asarray([1])].set(p["e"]),
    "the same place twice": lambda p: jnp.zeros((2, 8)).at[jnp.asarray([1, 1])].add(p["e"]),
    "a segment sum": lambda p: jax.ops.segment_sum(jnp.stack([p["e"], 2 * p["e"]]),
                                                   jnp.asarray([1, 0]), 2),
    "a slice": lambda p: lax.dynamic_update_slice(jnp.ones((2, 8)), p["e"][None], (1, 0)),
    "a broadcast input": lambda p: jnp.broadcast_to(jnp.ones(8), (2, 8)).at[:1].set(p["e"]),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_is_written_keeps_the_labels_of_its_units(write: Callable) -> None:
    apply = lambda p, x: (write(p) * x[:, None]) @ p["w"].T
    symmetry = find_symmetry(apply, ROWS, normal(2, 2))
    assert symmetry.axes == {"e": Axes("e"), "w": Axes(None, "e")}
    assert is_kept(apply, ROWS, normal(2, 2))


def test_a_place_that_the_input_chooses_keeps_the_labels_of_what_is_written() -> None:
    apply = lambda p, k: jnp.tanh(jnp.zeros((2, 8)).at[k].set(p["e"])) @ p["w"].T
    for k in (np.int32(1), np.array([0, 1], np.int32)):
        assert find_symmetry(apply, ROWS, k).sizes == {"e": 8}
        assert is_kept(apply, ROWS, k)


STACK = {"e": normal(0, 4, 6), "w": normal(1, 3, 6, 6), "v": normal(2, 6, 2)}


def layers(read: Callable[[Any, int], Any]) -> Callable:
    def apply(p, x):
        h = jnp.tanh(x @ p["e"])
        for i in jnp.arange(3):
            h = jnp.tanh(h @ read(p["w"], i))
        return h @ p["v"]

    return apply


READS = {
    "indexing": lambda w, i: w[i],
    "take": lambda w, i: jnp.take(w, i, axis=0),
    "dynamic index": lambda w, i: lax.dynamic_index_in_dim(w, i, keepdims=False),
    "arithmetic of whole numbers": lambda w, i: w[(i * 2 + 7) % 3],
    "bits": lambda w, i: w[(i | 4) & 3],
    "a table of places": lambda w, i: w[jnp.asarray([2, 0, 1])[i]],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_layers_read_by_known_indices_have_groups_and_signs_of_their_own(read: Callable) -> None:
    symmetry = find_symmetry(layers(read), STACK, normal(3, 5, 4))
    assert sorted(symmetry.sizes.values()) == [6, 6, 6, 6]
    assert len(symmetry.signs) == 4
    assert is_kept(layers(read), STACK, normal(3, 5, 4))


def test_whole_numbers_are_combined_by_bits() -> None:
    apply = lambda p, x: jnp.tanh(jnp.tanh(x @ p["e"]) @ p["w"][jnp.asarray(6) & 1]) @ p["v"]
    symmetry = find_symmetry(apply, STACK, normal(3, 5, 4))
    assert symmetry.axes["w"].cuts[0] == (1, 2)
    assert sorted(symmetry.sizes.values()) == [6, 6]


def test_rows_that_are_never_read_make_no_groups() -> None:
    apply = lambda p, x: jnp.tanh(x @ jnp.take(p["w"], 1, axis=0)) @ p["v"]
    symmetry = find_symmetry(apply, STACK, normal(3, 5, 6))
    assert symmetry.sizes == {"w": 6}
    # The sign of an output weight alone would change the function.
    assert [len(sign.places) for sign in symmetry.signs.values()] == [2]
    assert is_kept(apply, STACK, normal(3, 5, 6))


def test_what_is_overwritten_makes_no_groups() -> None:
    apply = lambda p, x: jnp.tanh(x @ jnp.asarray(p["w"][0]).at[2].set(1.0)) @ p["v"]
    assert find_symmetry(apply, STACK, normal(3, 5, 6)).sizes == {"w": 6}
    assert is_kept(apply, STACK, normal(3, 5, 6))


def test_a_column_written_in_a_loop_keeps_the_channels() -> None:
    def apply(p, x):
        h = jnp.tanh(x @ p["e"])
        out = jnp.zeros((5, 3, 6))
        for t in range(3):
            out = out.at[:, t].set(h * (t + 1.0))
        return jnp.tanh(out) @ p["v"]

    symmetry = find_symmetry(apply, STACK, normal(3, 5, 4))
    assert sorted(symmetry.sizes.values()) == [6]
    assert len(symmetry.signs) == 1
    assert is_kept(apply, STACK, normal(3, 5, 4))


def test_an_index_outside_of_an_array_reads_what_the_mode_says() -> None:
    for mode in ("clip", "fill"):
        apply = lambda p, x, mode=mode: jnp.nan_to_num(
            jnp.tanh(x @ jnp.take(p["w"], 7, axis=0, mode=mode)) @ p["v"]
        )
        assert is_kept(apply, STACK, normal(3, 5, 6))
