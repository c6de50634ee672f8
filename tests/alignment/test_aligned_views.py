"""Alignments applied to samples that are on the disk: what is read, and that values stay."""

import dataclasses
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given, settings, strategies as st

import onebasin as ob
from onebasin.store import StoredArray
from onebasin.symmetry import Blocks, Place, Sign, Symmetry, random_permutation

pytestmark = pytest.mark.slow

Axes = ob.Axes
NUM_CHAINS, NUM_DRAWS = 2, 7
BLOCK = 4 * 2**20
"""How many bytes of draws a store has in the chunks of one block."""

SHAPES = {
    "in": (3, 6),
    "heads": (6, 3),
    "packed": (3, 10),
    "twice": (4, 4),
    "bias": (4,),
    "out": (3, 2),
    "scale": (),
}
AXES = {
    "in": Axes(None, ("heads", "dims")),
    "heads": Axes(("heads", "dims"), None),
    "packed": Blocks([[3], [6, 4]], [Axes(None, ("heads", "dims")), Axes(None, "odd")]),
    "twice": Axes("odd", "odd"),
    "bias": Axes("odd"),
    "out": Axes(None, None),
    "scale": Axes(),
}
SYMMETRY = Symmetry.of(
    AXES,
    {name: np.zeros(shape) for name, shape in SHAPES.items()},
    sizes={"heads": 2},
    nested={"dims": ["heads"]},
    signs=[Sign("odd", (Place("twice", 0), Place("bias", 0), Place("packed[0:3, 6:10]", 1)))],
)
"""Heads with dimensions inside, a leaf in segments, a group twice in a leaf, signs, free leaves."""


def in_memory(seed: int = 0) -> ob.Samples:
    rng = np.random.default_rng(seed)
    draw = lambda shape: rng.standard_normal((NUM_CHAINS, NUM_DRAWS, *shape), np.float32)
    return ob.Samples({name: draw(shape) for name, shape in SHAPES.items()}, {"lp": draw(())})


def on_disk(samples: ob.Samples, sizes: list[int], read: list[tuple[str, int]]) -> ob.Samples:
    """The samples in chunks whose lengths follow `sizes`; each that is read enters the list."""

    def stored(path: str, leaf: np.ndarray) -> StoredArray:
        lengths = [sizes[axis % len(sizes)] for axis in range(leaf.ndim)]
        chunk = tuple(min(n, size) for n, size in zip(lengths, leaf.shape, strict=True))

        def read_chunk(places):
            read.append((path, places[1]))
            at = zip(places, chunk, strict=True)
            return leaf[tuple(slice(n * size, (n + 1) * size) for n, size in at)]

        return StoredArray(leaf.shape, leaf.dtype, chunk, read_chunk)

    return ob.Samples({path: stored(path, leaf) for path, leaf in samples.params.items()})


def alignment_of(symmetry: Symmetry, reference: Any, *lead: int, seed: int = 0) -> ob.Alignment:
    """Random permutations in place of those that matching finds."""
    permutation = random_permutation(symmetry, *lead, key=jax.random.key(seed))
    shape = np.zeros(lead, np.float32)
    return ob.Alignment(permutation, shape, shape == 0, reference, symmetry)


ALIGNMENT = alignment_of(SYMMETRY, in_memory().draw(0, 0), NUM_CHAINS, NUM_DRAWS)


SAMPLES = in_memory()


@given(st.lists(st.integers(2, 7), min_size=2, max_size=4), st.data())
@settings(max_examples=10)
def test_draws_on_the_disk_are_aligned_bit_by_bit_as_in_memory(sizes, data) -> None:
    read: list[tuple[str, int]] = []
    with strategies.unchecked():
        assert_aligned_as_in_memory(ALIGNMENT.apply(on_disk(SAMPLES, sizes, read)), read, data)


def assert_aligned_as_in_memory(found, read, data) -> None:
    assert read == []
    wanted = ob.permute(SAMPLES.params, SYMMETRY, ALIGNMENT.permutation)
    jax.tree.map(np.testing.assert_array_equal, found.params, wanted)
    draws = st.one_of(st.integers(0, 6), st.slices(7), st.lists(st.integers(-7, 6), max_size=4))
    index = (slice(None), data.draw(draws))
    for path, leaf in found.params.items():
        assert isinstance(leaf, StoredArray)
        assert leaf.dtype == wanted[path].dtype
        np.testing.assert_array_equal(leaf[index], wanted[path][index])
        np.testing.assert_array_equal(leaf[..., -1:], wanted[path][..., -1:])


def test_of_aligned_draws_an_index_reads_the_chunks_that_hold_them() -> None:
    read: list[tuple[str, int]] = []
    aligned = ALIGNMENT.apply(on_disk(in_memory(), [2, 3, 2], read))
    aligned.draw(1, 4)
    assert {chunk for _, chunk in read} == {1}
    read.clear()
    aligned.params["in"][:, :, 0]  # of 3 rows, of which none moves, in two chunks
    assert read == [("in", 0)] * 3 + [("in", 1)] * 3 + [("in", 2)] * 3


def test_a_leaf_without_units_is_the_stored_array_itself() -> None:
    opened = on_disk(in_memory(), [2, 3], [])
    aligned = ALIGNMENT.apply(opened)
    assert aligned.params["out"] is opened.params["out"]
    assert aligned.params["scale"] is opened.params["scale"]


def test_samples_in_memory_are_aligned_at_once() -> None:
    samples = in_memory()
    on_device = ob.Samples(jax.tree.map(jax.numpy.asarray, samples.params))
    for given_samples in (samples, on_device):
        aligned = ALIGNMENT.apply(given_samples)
        assert {type(leaf) for leaf in jax.tree.leaves(aligned.params)} == {np.ndarray}


def test_a_part_of_the_leaves_may_be_in_memory() -> None:
    samples = in_memory()
    opened = on_disk(samples, [2, 3], [])
    mixed = ob.Samples({**opened.params, "twice": samples.params["twice"]})
    jax.tree.map(
        np.testing.assert_array_equal,
        ALIGNMENT.apply(mixed).params,
        ALIGNMENT.apply(samples).params,
    )


def test_draws_of_another_network_are_refused_before_any_is_read() -> None:
    read: list[tuple[str, int]] = []
    opened = on_disk(in_memory(), [2, 3], read)
    other = ob.Samples({**opened.params, "twice": opened.params["packed"]})
    with pytest.raises(ValueError, match="one length"):
        ALIGNMENT.apply(other)
    assert read == []


WIDE = ob.mlp(40, (60, 60), 10).symmetry
"""6,700 weights, in two leaves of which both axes may list units."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[ob.Samples, ob.Alignment]:
    """1,200 draws, 32 MB, in a store, and an alignment of them."""
    sizes = {"hidden_0": (40, 60), "hidden_1": (60, 60), "out": (60, 10)}
    rng = np.random.default_rng(0)
    normal = lambda *shape: rng.standard_normal((2, 600, *shape), np.float32)
    params = {
        name: {"bias": normal(shape[1]), "kernel": normal(*shape)} for name, shape in sizes.items()
    }
    path = tmp_path_factory.mktemp("stores") / "s.zarr"
    ob.save_samples(path, ob.Samples(params), ob.store.dims_of(WIDE))
    samples = ob.load_samples(path)
    return samples, alignment_of(WIDE, samples.draw(0, 0), 2, 600)


def test_aligned_views_can_be_sent_to_another_process(stored) -> None:
    samples, alignment = stored
    function = ob.symmetry.Function(lambda params: params, ())  # no pickle takes it
    symmetry = dataclasses.replace(WIDE, function=function)
    alignment = alignment_of(symmetry, alignment.reference, 2, 600)
    leaf = alignment.apply(samples).params["hidden_1"]["kernel"]
    again = pickle.loads(pickle.dumps(leaf))
    np.testing.assert_array_equal(again[1, 7], leaf[1, 7])


def test_aligned_draws_are_read_by_blocks_in_a_fraction_of_their_memory(stored) -> None:
    samples, alignment = stored
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(samples.load().params))
    tracemalloc.start()
    try:
        aligned = alignment.apply(samples)
        for first in range(0, 600, 60):
            jax.tree.map(lambda leaf, at=first: leaf[:, at : at + 60].mean((0, 1)), aligned.params)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * BLOCK < size


def test_aligned_draws_are_stored_and_averaged_as_in_memory(stored, tmp_path: Path) -> None:
    samples, alignment = stored
    aligned, wanted = alignment.apply(samples), alignment.apply(samples.load())
    ob.save_samples(tmp_path / "aligned.zarr", aligned)
    found = ob.load_samples(tmp_path / "aligned.zarr")
    same = lambda one, other: jax.tree.map(np.testing.assert_array_equal, one, other)
    same(found.params, wanted.params)
    same((aligned.mean(), aligned.std()), (wanted.mean(), wanted.std()))


def test_to_store_aligned_draws_each_chunk_is_read_once(tmp_path: Path) -> None:
    read: list[tuple[str, int]] = []
    large = {"twice": np.zeros((2, 3, 700, 700), np.float32)}  # a draw takes 4 MB, or 4 chunks
    symmetry = Symmetry.of({"twice": Axes("units", "units")}, {"twice": large["twice"][0, 0]})
    samples = on_disk(ob.Samples(large), [2, 1, 350, 350], read)
    alignment = alignment_of(symmetry, samples.draw(0, 0), 2, 3)
    read.clear()
    ob.save_samples(tmp_path / "s.zarr", alignment.apply(samples))
    assert read == [("twice", draw) for draw in range(3) for _ in range(4)]
