"""Samples on disk: what is written comes back, whole or not at all."""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st

from onebasin.samples import Samples
from onebasin.store import SampleWriter, StoreError, load_samples, save_samples
from onebasin.store.draws import delete_unfinished, is_whole

pytestmark = pytest.mark.slow


def make_samples(num_chains: int = 2, num_draws: int = 7, seed: int = 0) -> Samples:
    """A kernel, a bias and a scalar; floats, booleans and integers as statistics."""
    rng = np.random.default_rng(seed)
    lead = (num_chains, num_draws)
    params = {
        "log_noise_std": rng.standard_normal(lead).astype(np.float32),
        "network": {
            "bias": rng.standard_normal((*lead, 3)).astype(np.float32),
            "kernel": rng.standard_normal((*lead, 2, 3)),
        },
    }
    stats = {
        "lp": rng.standard_normal(lead).astype(np.float32),
        "diverging": rng.random(lead) < 0.5,
        "num_steps": rng.integers(0, 9, lead),
    }
    return Samples(params, stats)


def assert_equal(found: Samples, expected: Samples) -> None:
    for tree, other in ((found.params, expected.params), (found.stats, expected.stats)):
        assert jax.tree.structure(tree) == jax.tree.structure(other)
        jax.tree.map(np.testing.assert_array_equal, tree, other)
        assert [leaf.dtype for leaf in jax.tree.leaves(tree)] == (
            [leaf.dtype for leaf in jax.tree.leaves(other)]
        )


def one_draw(samples: Samples):
    return samples.draw(0, 0)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A whole store of `make_samples()`."""
    save_samples(tmp_path / "hmc.zarr", make_samples())
    return tmp_path / "hmc.zarr"


def test_samples_come_back_as_they_were_written(stored: Path) -> None:
    assert_equal(load_samples(stored), make_samples())
    assert_equal(load_samples(str(stored)), make_samples())


@settings(max_examples=8)  # files take their time
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_chunks_appended_one_by_one_are_the_samples_in_one_go(tmp_path_factory, sizes) -> None:
    path = tmp_path_factory.mktemp("store") / "hmc.zarr"
    whole = make_samples(num_draws=sum(sizes))
    writer = SampleWriter(path)
    ends = np.cumsum(sizes)
    for first, end in zip(ends - sizes, ends, strict=True):
        rows = slice(first, end)
        writer.append(
            Samples(
                *jax.tree.map(lambda leaf, rows=rows: leaf[:, rows], (whole.params, whole.stats))
            )
        )
        assert writer.num_draws == end
    writer.finish()
    assert_equal(load_samples(path), whole)


def test_samples_without_statistics_come_back_without(tmp_path: Path) -> None:
    samples = Samples(make_samples().params)
    save_samples(tmp_path / "s.zarr", samples)
    assert_equal(load_samples(tmp_path / "s.zarr"), samples)


@pytest.mark.parametrize(
    "params",
    [
        {"fc1.weight": np.ones((2, 3, 4)), "fc1.bias": np.zeros((2, 3, 4))},
        {"mlp/~/linear_0": {"w": np.ones((2, 3, 4))}},
        [np.ones((2, 3, 4)), (np.zeros((2, 3)),)],
        np.ones((2, 3, 4)),
    ],
    ids=["PyTorch's dots", "Haiku's slashes", "lists", "a bare array"],
)
def test_params_of_any_shape_come_back_when_one_draw_is_given(tmp_path: Path, params) -> None:
    samples = Samples(params)
    save_samples(tmp_path / "s.zarr", samples)
    assert_equal(load_samples(tmp_path / "s.zarr", like=one_draw(samples)), samples)


def test_only_shapes_are_needed_of_the_params_that_are_given(stored: Path) -> None:
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype), make_samples().params
    )
    assert_equal(load_samples(stored, like), make_samples())


def test_xarray_opens_a_store_as_arvizs_schema_has_it(stored: Path) -> None:
    with xr.open_datatree(stored, engine="zarr", consolidated=False) as tree:
        assert set(tree.children) == {"posterior", "sample_stats"}
        posterior, stats = tree["posterior"], tree["sample_stats"]
        assert set(posterior.data_vars) == {"log_noise_std", "network.bias", "network.kernel"}
        assert posterior["log_noise_std"].dims == ("chain", "draw")
        assert posterior["network.kernel"].dims[:2] == ("chain", "draw")
        assert posterior["network.kernel"].shape == (2, 7, 2, 3)
        assert posterior["draw"].values.tolist() == list(range(7))
        assert posterior["chain"].values.tolist() == [0, 1]
        assert {name: var.dims for name, var in stats.data_vars.items()} == dict.fromkeys(
            ("lp", "diverging", "num_steps"), ("chain", "draw")
        )


def test_an_existing_store_is_never_overwritten(stored: Path) -> None:
    with pytest.raises(StoreError, match=r"must be free.* Got .*hmc\.zarr, which exists"):
        save_samples(stored, make_samples())
    assert_equal(load_samples(stored), make_samples())


def test_an_unfinished_store_is_not_read(tmp_path: Path) -> None:
    writer = SampleWriter(tmp_path / "hmc.zarr")
    for _ in range(2):
        assert not is_whole(writer.path)
        with pytest.raises(StoreError, match=r"must be finished before it is read.*half-written"):
            load_samples(writer.path)
        writer.append(make_samples())
    writer.finish()
    assert is_whole(writer.path)
    assert load_samples(writer.path).num_draws == 14


def test_a_missing_store_is_said_to_be_missing(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "none.zarr")
    with pytest.raises(StoreError, match=r"must exist\. Got none at .*none\.zarr\. Write"):
        load_samples(tmp_path / "none.zarr")


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (
            lambda draw: draw | {"log_noise_std": np.zeros(2)},
            r"\(2,\) at 'log_noise_std'. Got \(\)",
        ),
        (lambda draw: {"network": draw["network"]}, "Unexpected: 'log_noise_std'"),
        (lambda draw: draw | {"more": np.zeros(1)}, "Missing: 'more'"),
    ],
    ids=["another shape", "an array less", "an array more"],
)
def test_a_store_of_another_network_is_refused(stored: Path, change, got) -> None:
    like = change(one_draw(make_samples()))
    with pytest.raises(
        StoreError, match=rf"must hold .*{got}.* Was .*hmc\.zarr drawn with another"
    ):
        load_samples(stored, like)


def test_only_unfinished_stores_are_deleted(stored: Path, tmp_path: Path) -> None:
    unfinished = SampleWriter(tmp_path / "vi.zarr").path
    for path in (stored, unfinished, tmp_path / "none.zarr"):
        delete_unfinished(path)
    assert stored.exists()
    assert not unfinished.exists()


@pytest.mark.parametrize("damage", ["empty folder", "half a header"])
def test_what_is_left_of_a_store_that_broke_early_counts_as_unfinished(
    stored: Path, damage: str
) -> None:
    if damage == "empty folder":
        shutil.rmtree(stored)
        stored.mkdir()
    else:
        header = stored / "zarr.json"
        header.write_text(header.read_text()[:10])
    assert not is_whole(stored)
    delete_unfinished(stored)
    assert not stored.exists()
