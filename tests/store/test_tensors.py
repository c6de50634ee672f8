"""Named arrays in safetensors files: exact, whole or not at all, and known for what they are."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file

from onebasin.store import StoreError
from onebasin.store.tensors import load_tensors, save_tensors

arrays = st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.bool_]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))
)


@given(st.dictionaries(st.text("ab/_0", min_size=1, max_size=5), arrays, max_size=4))
def test_arrays_come_back_with_their_shapes_and_dtypes(tmp_path_factory, tensors) -> None:
    path = tmp_path_factory.mktemp("tensors") / "t.safetensors"
    save_tensors(path, tensors, {})
    found, metadata = load_tensors(path)
    assert metadata == {}
    assert set(found) == set(tensors)
    for name, leaf in tensors.items():
        assert found[name].dtype == leaf.dtype
        assert found[name].shape == leaf.shape
        np.testing.assert_array_equal(found[name], leaf)


def test_arrays_in_any_memory_order_and_from_jax_come_back(tmp_path: Path) -> None:
    rows = np.arange(6.0).reshape(2, 3)
    tensors = {"transposed": rows.T, "strided": rows[:, ::2], "jax": jnp.arange(3)}
    save_tensors(tmp_path / "t.safetensors", tensors, {})
    found, _ = load_tensors(tmp_path / "t.safetensors")
    for name, leaf in tensors.items():
        np.testing.assert_array_equal(found[name], leaf)


def test_metadata_comes_back_as_json_has_it(tmp_path: Path) -> None:
    metadata = {"kind": "diagonal", "seed": 3, "nested": {"list": [1.5, None, True]}}
    save_tensors(tmp_path / "t.safetensors", {"a": np.ones(1)}, metadata)
    assert load_tensors(str(tmp_path / "t.safetensors"))[1] == metadata


def test_folders_are_made_and_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "t.safetensors"
    save_tensors(path, {"a": np.ones(1)}, {})
    save_tensors(path, {"a": np.zeros(1)}, {})
    assert [p.name for p in path.parent.iterdir()] == ["t.safetensors"]
    assert load_tensors(path)[0]["a"].tolist() == [0]


def test_others_may_read_what_they_may_read_of_any_new_file(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t.safetensors", {"a": np.ones(1)}, {})
    (tmp_path / "plain").touch()
    modes = [(tmp_path / name).stat().st_mode for name in ("t.safetensors", "plain")]
    assert modes[0] == modes[1]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"a": np.ones(1)}, {})
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_tensors(path, {"a": np.zeros(1)}, {"bad": object()})
    assert load_tensors(path)[0]["a"].tolist() == [1]


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"must exist\. Got none at .*none\.safetensors\. Save"):
        load_tensors(tmp_path / "none.safetensors")


@pytest.mark.parametrize("num_bytes", [0, 5, -3])
def test_a_cut_off_file_is_refused(tmp_path: Path, num_bytes: int) -> None:
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"a": np.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(StoreError, match=r"must be a whole safetensors file\. Got: .*Delete it"):
        load_tensors(path)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    save_file({"a": np.ones(1)}, tmp_path / "t.safetensors")
    with pytest.raises(StoreError, match="must carry onebasin's metadata.*by something else"):
        load_tensors(tmp_path / "t.safetensors")
