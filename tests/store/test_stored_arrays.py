"""Samples that are opened lazily: what is read, how large chunks are, and that values stay."""

import math
import pickle
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import onebasin as ob
from onebasin.samples import Samples
from onebasin.store import StoredArray, load_samples, save_samples
from onebasin.store.errors import StoreError

SHAPE, CHUNK = (2, 7, 3), (2, 3, 2)
VALUES = np.arange(math.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
MIB = 2**20


def stored(read: list[tuple[int, ...]] | None = None) -> StoredArray:
    """VALUES in chunks; the places of those that are read enter the list."""
    whole = np.full([math.ceil(n / c) * c for n, c in zip(SHAPE, CHUNK, strict=True)], np.nan)

    def read_chunk(places):
        if read is not None:
            read.append(places)
        at = zip(places, CHUNK, strict=True)
        return whole[tuple(slice(n * size, (n + 1) * size) for n, size in at)]

    whole[tuple(map(slice, SHAPE))] = VALUES
    return StoredArray(SHAPE, VALUES.dtype, CHUNK, read_chunk)


advanced = st.sampled_from(
    [
        ([0, 1], [6, 2]),
        (slice(None), [6, 2, 2]),
        (0, slice(None), [2, 0]),
        (slice(None), np.arange(7) % 2 == 0),
        (..., [[0, 1], [2, 2]]),
        ([-1], None, slice(1, 5)),
        VALUES > 5,
        [],
    ]
)


@given(hnp.basic_indices(SHAPE, allow_newaxis=True) | advanced)
def test_an_index_gives_what_it_gives_of_an_array_in_memory(index) -> None:
    found, wanted = stored()[index], VALUES[index]
    assert type(found) is type(wanted)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("index", [7, -8, (0, 0, 3), (0, 0, 0, 0), (..., ...)])
def test_an_index_that_is_out_of_bounds_is_refused(index) -> None:
    with pytest.raises(IndexError):
        stored()[:, index] if isinstance(index, int) else stored()[index]


@pytest.mark.parametrize(
    ("index", "chunks"),
    [
        ((0, 4), {(0, 1, 0), (0, 1, 1)}),
        ((slice(None), slice(None, None, 6)), {(0, n, k) for n in (0, 2) for k in (0, 1)}),
        ((..., 2), {(0, n, 1) for n in range(3)}),
        ((slice(None), [0, 6], 0), {(0, 0, 0), (0, 2, 0)}),
        ((slice(0, 0),), set()),
    ],
)
def test_an_index_reads_the_chunks_that_it_needs_once_and_no_others(index, chunks) -> None:
    read: list[tuple[int, ...]] = []
    stored(read)[index]
    assert set(read) == chunks
    assert len(read) == len(chunks)


def test_a_stored_array_computes_as_an_array_of_numpy() -> None:
    array = stored()
    assert (array.shape, array.dtype, array.ndim, array.size) == (SHAPE, VALUES.dtype, 3, 42)
    assert len(array) == 2
    np.testing.assert_array_equal(2 * array - array, VALUES)
    np.testing.assert_array_equal(array == array, np.ones(SHAPE, bool))
    assert array.sum() == np.sum(array) == VALUES.sum()
    assert np.asarray(array, np.float64).dtype == np.float64
    assert not hasattr(array, "no_such_thing")
    with pytest.raises(TypeError):
        array[0] = 1
    with pytest.raises(ValueError, match="copied"):
        np.asarray(array, copy=False)


def test_opened_samples_can_be_sent_to_another_process(tmp_path: Path) -> None:
    save_samples(tmp_path / "s.zarr", Samples({"w": VALUES}))
    again = pickle.loads(pickle.dumps(load_samples(tmp_path / "s.zarr")))
    np.testing.assert_array_equal(again.params["w"], VALUES)


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> tuple[Samples, Path]:
    """About 13 MB of draws, in memory and in a store: four blocks of draws, cut along weights."""
    rng = np.random.default_rng(0)
    normal = lambda *shape: rng.standard_normal((2, 61, *shape), np.float32) + 3
    params = {"kernel": normal(130, 200), "bias": normal(200), "scale": normal()}
    samples = Samples(params, {"lp": normal(), "diverging": normal() > 3})
    path = tmp_path_factory.mktemp("stores") / "large.zarr"
    save_samples(path, samples)
    return samples, path


def counting(samples: Samples) -> tuple[Samples, list[int]]:
    """The same samples, which add the bytes of every chunk that they read to a list."""
    read: list[int] = []

    def counted(leaf: StoredArray) -> StoredArray:
        def read_chunk(places):
            chunk = leaf.read_chunk(places)
            read.append(chunk.nbytes)
            return chunk

        return StoredArray(leaf.shape, leaf.dtype, leaf.chunk_shape, read_chunk)

    params, stats = jax.tree.map(counted, (samples.params, samples.stats))
    return Samples(params, stats), read


def test_opening_reads_no_chunk(large) -> None:
    samples, path = large
    for file in path.rglob("c.*"):
        file.rename(file.with_name(file.name + ".away"))
        file.touch()
    try:
        opened = load_samples(path)
        assert (opened.num_chains, opened.num_draws) == (2, 61)
        shape = opened.params["kernel"].shape
    finally:
        for file in path.rglob("*.away"):
            file.rename(file.with_name(file.name.removesuffix(".away")))
    assert shape == samples.params["kernel"].shape


def test_a_draw_and_some_weights_are_read_without_the_rest(large) -> None:
    samples, path = large
    opened, read = counting(load_samples(path))
    jax.tree.map(np.testing.assert_array_equal, opened.draw(1, 60), samples.draw(1, 60))
    assert sum(read) < 4 * MIB
    read.clear()
    rows = opened.params["kernel"][:, :, 3:9]
    np.testing.assert_array_equal(rows, samples.params["kernel"][:, :, 3:9])
    assert sum(read) <= 4 * MIB  # one chunk for each of four blocks of draws
    read.clear()
    opened.thin(61)
    assert sum(read) < 4 * MIB


def test_chunks_have_at_most_a_mebibyte_and_small_arrays_one_file_a_block(large) -> None:
    _, path = large
    assert max(file.stat().st_size for file in path.rglob("c.*")) <= MIB + 4
    count = lambda name: len(list((path / name).glob("c.*")))
    assert [count(f"posterior/{name}") for name in ("kernel", "bias", "scale")] == [16, 4, 4]
    assert count("sample_stats/lp") == 4


def test_mean_and_std_are_the_same_from_memory_and_from_a_store(large) -> None:
    samples, path = large
    opened, read = counting(load_samples(path))
    for moment, oracle in (
        (Samples.mean, np.mean),
        (Samples.std, lambda x, a: np.std(x, a, ddof=1)),
    ):
        read.clear()
        found, in_memory = moment(opened), moment(samples)
        assert sum(read) < 2.5 * sum(leaf.nbytes for leaf in samples.params.values())
        for name, leaf in samples.params.items():
            np.testing.assert_array_equal(found[name], in_memory[name])
            wanted = oracle(leaf.astype(np.float64), (0, 1))
            np.testing.assert_array_equal(found[name], wanted.astype(np.float32))


def test_blocks_of_draws_give_the_moments_of_all_to_the_precision_of_float64() -> None:
    values = np.random.default_rng(0).standard_normal((2, 50, 30_000)) + 1e4
    samples = Samples({"w": values})  # 3 million entries, more than a block
    np.testing.assert_allclose(samples.mean()["w"], values.mean((0, 1)), rtol=1e-14)
    np.testing.assert_allclose(samples.std()["w"], values.std((0, 1), ddof=1), rtol=1e-10)


def test_chains_are_selected_and_all_is_loaded(large) -> None:
    samples, path = large
    opened = load_samples(path)
    same = lambda found, wanted: jax.tree.map(np.testing.assert_array_equal, found, wanted)
    same(opened.select_chains(1, 0), samples.select_chains(1, 0))
    same(opened.flatten(), samples.flatten())
    same(opened.load(), samples)
    assert {type(leaf) for leaf in jax.tree.leaves(opened.load())} == {np.ndarray}
    assert {type(leaf) for leaf in jax.tree.leaves(opened)} == {StoredArray}


def test_stored_samples_are_stored_again(large, tmp_path: Path) -> None:
    samples, path = large
    opened = load_samples(path)
    writer = ob.store.SampleWriter(tmp_path / "s.zarr")
    for _ in range(2):
        writer.append(opened)
    writer.finish()
    half = lambda leaf: leaf[:, 61:]
    found = load_samples(tmp_path / "s.zarr")
    jax.tree.map(np.testing.assert_array_equal, jax.tree.map(half, found), samples)


def test_half_precision_comes_back(tmp_path: Path) -> None:
    save_samples(tmp_path / "s.zarr", Samples({"w": VALUES.astype(np.float16)}))
    found = load_samples(tmp_path / "s.zarr").params["w"]
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, VALUES.astype(np.float16))


def test_a_dtype_that_a_store_cannot_hold_is_refused_in_one_line(tmp_path: Path) -> None:
    brain = VALUES.astype(jax.numpy.bfloat16)
    with pytest.raises(StoreError, match=r"floats of 16, 32 and 64 bits\. Got bfloat16 at 'w'\."):
        save_samples(tmp_path / "s.zarr", Samples({"w": brain}))


def test_a_file_in_the_place_of_a_store_is_said_to_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    path.touch()
    samples = Samples({"w": VALUES})
    for use in (load_samples, lambda p: save_samples(p, samples), ob.store.SampleWriter.resume):
        with pytest.raises(StoreError, match=r"is a folder\. Got .*s\.zarr, which is a file"):
            use(path)
