"""Projections packed head by head: an axis split into heads, each cut into its own segments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from architecture import found_groups
from jax.nn import softmax

from onebasin import Axes, Samples, Symmetry, align, find_symmetry, permute
from onebasin.alignment import to
from onebasin.symmetry import Blocks, random_permutation

pytestmark = [pytest.mark.usefixtures("ranks_promote", "float64"), pytest.mark.slow]
HEADS, KEYS, VALUES = 3, 4, 2
RNG = np.random.default_rng(0)
PARAMS = {
    "qkv": RNG.standard_normal((5, HEADS * (2 * KEYS + VALUES))),
    "bias": RNG.standard_normal(HEADS * (2 * KEYS + VALUES)),
    "out": RNG.standard_normal((HEADS * VALUES, 2)),
}
TOKENS = RNG.standard_normal((6, 5))


def attention(params, x):
    packed = (x @ params["qkv"] + params["bias"]).reshape(len(x), HEADS, -1)
    q, k, v = jnp.split(packed, (KEYS, 2 * KEYS), axis=-1)
    scores = softmax(jnp.einsum("thd,shd->hts", q, k))
    return jnp.einsum("hts,shd->thd", scores, v).reshape(len(x), -1) @ params["out"]


def test_heads_and_the_units_of_each_are_found() -> None:
    symmetry = find_symmetry(attention, PARAMS, TOKENS)
    assert found_groups(symmetry) == {
        (HEADS, ()): 1, (KEYS, (HEADS,)): 1, (VALUES, (HEADS,)): 1,
    }  # fmt: skip
    assert symmetry.axes["qkv"].cuts == ((5,), (HEADS,), (KEYS, KEYS, VALUES))


def test_permutations_of_a_batch_keep_the_function_and_can_be_undone() -> None:
    symmetry = find_symmetry(attention, PARAMS, TOKENS)
    moves = random_permutation(symmetry, 4, key=jax.random.key(0))
    batch = {name: np.stack([leaf] * 4) for name, leaf in PARAMS.items()}
    for draws in (batch, jax.tree.map(jnp.asarray, batch)):
        moved = permute(draws, symmetry, moves)
        outputs = jax.vmap(attention, (0, None))(moved, TOKENS)
        np.testing.assert_allclose(outputs, [attention(PARAMS, TOKENS)] * 4, rtol=1e-10)
        back = permute(moved, symmetry, moves.inverse())
        jax.tree.map(np.testing.assert_array_equal, back, draws)
    twice = moves @ moves
    jax.tree.map(
        np.testing.assert_array_equal,
        permute(batch, symmetry, twice),
        permute(permute(batch, symmetry, moves), symmetry, moves),
    )


def test_planted_copies_come_back() -> None:
    symmetry = find_symmetry(attention, PARAMS, TOKENS)
    moves = random_permutation(symmetry, 10, key=jax.random.key(1))
    moved = permute({n: np.stack([leaf] * 10) for n, leaf in PARAMS.items()}, symmetry, moves)
    samples = Samples({name: leaf[None] for name, leaf in moved.items()})
    aligned = align(samples, symmetry, reference=to(PARAMS)).apply(samples)
    for name, leaf in PARAMS.items():
        np.testing.assert_array_equal(
            aligned.params[name], np.broadcast_to(leaf, (1, 10, *leaf.shape))
        )


def test_blocks_must_split_the_axes_of_their_array() -> None:
    axes = [Axes(None, "head", name) for name in ("key", "key", "value")]
    params = {"qkv": np.zeros((5, 30)), "out": np.zeros((6, 2))}
    out = Axes(("head", "value"), None)
    symmetry = Symmetry.of(
        {"qkv": Blocks([[5], [3], [4, 4, 2]], axes), "out": out},
        params,
        nested={"key": ["head"], "value": ["head"]},
    )
    assert symmetry.sizes == {"head": 3, "key": 4, "value": 2}
    with pytest.raises(ValueError, match="cut where their array ends"):
        Symmetry.of({"qkv": Blocks([[5], [4], [4, 4, 2]], axes), "out": out}, params)
