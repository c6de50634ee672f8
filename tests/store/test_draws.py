"""Samples on disk: what is written comes back, whole or not at all."""

from itertools import pairwise
from pathlib import Path

import arviz_base
import arviz_stats
import jax
import numpy as np
import pytest
import xarray as xr
from arviz_stats.base.array import array_stats
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


def test_arviz_opens_and_summarizes_a_store(tmp_path: Path) -> None:
    samples = make_samples(num_draws=50)
    save_samples(tmp_path / "hmc.zarr", samples)
    store = str(tmp_path / "hmc.zarr")
    tree = arviz_base.convert_to_datatree(store, engine="zarr", consolidated=False)
    table = arviz_stats.summary(tree, round_to="none")
    assert len(table) == 1 + 3 + 6  # a scalar, a bias and a kernel
    kernel = samples.params["network"]["kernel"][:, :, 1, 2]
    row = table.loc["network.kernel[1, 2]"]
    assert row["mean"] == pytest.approx(kernel.mean())
    assert row["sd"] == pytest.approx(kernel.std(), rel=0.01)  # versions differ in ddof
    assert row["r_hat"] == pytest.approx(array_stats.rhat(kernel, chain_axis=0, draw_axis=1))
    assert row["ess_bulk"] == pytest.approx(array_stats.ess(kernel, chain_axis=0, draw_axis=1))
    tree.close()


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


def test_only_unfinished_stores_that_no_sampling_goes_on_with_are_deleted(
    stored: Path, tmp_path: Path
) -> None:
    unfinished = SampleWriter(tmp_path / "vi.zarr").path
    sampled = SampleWriter(tmp_path / "sampled.zarr")
    sampled.commit(sampling={"key": "one"})
    for path in (stored, unfinished, sampled.path, tmp_path / "none.zarr"):
        delete_unfinished(path)
    assert stored.exists()
    assert sampled.path.exists()
    assert not unfinished.exists()


def test_an_empty_folder_counts_as_unfinished(tmp_path: Path) -> None:
    folder = tmp_path / "hmc.zarr"
    folder.mkdir()
    assert not is_whole(folder)
    delete_unfinished(folder)
    assert not folder.exists()


def test_a_store_whose_record_is_damaged_is_not_deleted(stored: Path) -> None:
    record = stored / "zarr.json"
    record.write_text(record.read_text()[:10])
    for use in (is_whole, delete_unfinished, load_samples, SampleWriter.resume):
        with pytest.raises(StoreError, match=r"record of a sample store must be.*hmc\.zarr"):
            use(stored)
    assert stored.exists()


def parts_of(samples: Samples, *ends: int) -> list[Samples]:
    """The draws up to each end, without those before."""
    tree = samples.params, samples.stats
    return [
        Samples(*jax.tree.map(lambda leaf, rows=slice(first, end): leaf[:, rows], tree))
        for first, end in pairwise((0, *ends))
    ]


def test_a_store_is_resumed_after_any_append_even_within_a_chunk(tmp_path: Path) -> None:
    whole = make_samples(num_draws=9)
    path = tmp_path / "hmc.zarr"
    writer = SampleWriter(path)
    for part in parts_of(whole, 4, 5, 9):
        writer.append(part)
        writer = SampleWriter.resume(path)
    assert writer.num_draws == 9
    writer.finish()
    assert_equal(load_samples(path), whole)


def test_a_whole_store_is_resumed_and_is_unfinished_until_it_is_finished_again(
    tmp_path: Path,
) -> None:
    first, second = parts_of(make_samples(num_draws=9), 5, 9)
    path = tmp_path / "hmc.zarr"
    save_samples(path, first)
    writer = SampleWriter.resume(path)
    assert_equal(load_samples(path), first)
    writer.append(second)
    assert not is_whole(path)
    writer.finish()
    assert_equal(load_samples(path), make_samples(num_draws=9))


def test_a_state_is_kept_with_the_draws_until_the_next_commit(tmp_path: Path) -> None:
    writer = SampleWriter(tmp_path / "hmc.zarr")
    assert writer.state() is None
    for draw, part in enumerate(parts_of(make_samples(num_draws=3), 1, 2, 3)):
        state = {"position": np.full((2, 3), draw, np.float32), "num_steps": np.int32(draw)}
        writer.commit(part, state, {"key": "one"})
        writer = SampleWriter.resume(writer.path)
        assert writer.sampling == {"key": "one"}
        assert writer.state().keys() == state.keys()
        for name, leaf in state.items():
            np.testing.assert_array_equal(writer.state()[name], leaf)
    writer.finish()
    with xr.open_datatree(writer.path, engine="zarr", consolidated=False) as tree:
        assert tree["posterior"].sizes["draw"] == 3


def test_what_was_not_committed_is_dropped_when_a_store_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "hmc.zarr"
    whole = make_samples(num_draws=6)
    first, second, third = parts_of(whole, 2, 4, 6)
    writer = SampleWriter(path)
    writer.append(first)
    record = (path / "zarr.json").read_bytes()
    writer.append(make_samples(num_draws=2, seed=5))
    writer.finish()
    (path / "zarr.json").write_bytes(record)  # as if the power had gone before the second commit
    (path / "zarr.json.partial").write_bytes(record[:20])
    writer = SampleWriter.resume(path)
    assert writer.num_draws == 2
    for part in (second, third):
        writer.append(part)
    writer.finish()
    assert_equal(load_samples(path), whole)
    assert not list(path.rglob("*.partial"))


@pytest.mark.parametrize(
    ("other", "got"),
    [
        (make_samples(num_chains=3), r"\(3, 0"),
        (Samples(make_samples().params), "none"),
        (Samples(make_samples().params | {"more": np.ones((2, 7))}), "none"),
        (jax.tree.map(lambda leaf: leaf.astype(np.float16), make_samples()), "float16"),
    ],
    ids=["chains", "statistics", "leaves", "dtypes"],
)
def test_other_samples_are_not_appended(tmp_path: Path, other: Samples, got: str) -> None:
    writer = SampleWriter(tmp_path / "hmc.zarr")
    writer.append(make_samples())
    with pytest.raises(StoreError, match=rf"must have the arrays of those before.*{got}"):
        writer.append(other)
    writer.finish()
    assert_equal(load_samples(writer.path), make_samples())


def test_only_a_store_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"must exist before it is resumed\. Got none at .*none"):
        SampleWriter.resume(tmp_path / "none.zarr")


def test_axes_have_the_names_that_are_given(tmp_path: Path) -> None:
    dims = {"network/kernel": ("input", "unit"), "network/bias": ("unit",)}
    save_samples(tmp_path / "s.zarr", make_samples(), dims)
    with xr.open_datatree(tmp_path / "s.zarr", engine="zarr", consolidated=False) as tree:
        assert tree["posterior"]["network.kernel"].dims == ("chain", "draw", "input", "unit")
        assert tree["posterior"]["network.bias"].dims == ("chain", "draw", "unit")
    assert_equal(load_samples(tmp_path / "s.zarr"), make_samples())


@pytest.mark.parametrize(
    ("dims", "match"),
    [
        ({"network/bias": ("a", "b")}, r"each of the 1 axes of 'network/bias'.*\('a', 'b'\)"),
        ({"network/kernel": ("a", "a")}, r"word of its own\. Got \('a', 'a'\)"),
        ({"network/kernel": ("draw", "a")}, r"word of its own"),
        ({"kernel": ("a", "b")}, r"must name leaves of the params\. Got 'kernel'"),
    ],
)
def test_names_that_do_not_fit_the_axes_are_refused(tmp_path: Path, dims, match) -> None:
    with pytest.raises(ValueError, match=match):
        save_samples(tmp_path / "s.zarr", make_samples(), dims)
