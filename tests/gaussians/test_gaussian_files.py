"""Gaussians on disk: whole or not at all, and nothing else is read."""

import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from onebasin.gaussians import DiagonalGaussian, LowRankGaussian, load_gaussian
from onebasin.store import StoreError
from onebasin.store.tensors import save_tensors


def random_tree(rng: np.random.Generator, *lead: int) -> dict:
    normal = lambda *shape: np.asarray(rng.standard_normal((*lead, *shape)), np.float32)
    return {"layer": {"bias": normal(3), "kernel": normal(2, 3)}, "scale": normal()}


def diagonal(seed: int = 0) -> DiagonalGaussian:
    rng = np.random.default_rng(seed)
    return DiagonalGaussian(random_tree(rng), random_tree(rng))


def with_errors() -> DiagonalGaussian:
    rng = np.random.default_rng(0)
    return DiagonalGaussian(*(random_tree(rng) for _ in range(4)))


def low_rank() -> LowRankGaussian:
    rng = np.random.default_rng(0)
    return LowRankGaussian(random_tree(rng), random_tree(rng, 3), random_tree(rng))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("as_jax", [False, True])
@pytest.mark.parametrize("make", [diagonal, with_errors, low_rank])
def test_a_saved_gaussian_loads_as_it_was_with_its_metadata(make, as_jax, tmp_path: Path) -> None:
    gaussian = make()
    if as_jax:
        gaussian = jax.tree.map(jnp.asarray, gaussian)
    metadata = {"rounds": 3, "source": "hmc", "nested": {"b": [1.5, None], "a": True}}
    gaussian.save(tmp_path / "deep" / "down" / "q.safetensors", **metadata)
    again, found = load_gaussian(tmp_path / "deep" / "down" / "q.safetensors")
    assert type(again) is type(gaussian)
    assert found == metadata
    assert jax.tree.structure(again) == jax.tree.structure(gaussian)
    jax.tree.map(np.testing.assert_array_equal, again, gaussian)
    assert names_in(tmp_path / "deep" / "down") == ["q.safetensors"]


@pytest.mark.parametrize("tree", [np.ones(3), [np.ones(2), (np.ones(1), np.zeros(()))]])
def test_params_of_any_structure_load_into_their_like(tree, tmp_path: Path) -> None:
    DiagonalGaussian(tree, tree).save(tmp_path / "q")
    again, _ = load_gaussian(tmp_path / "q", like=tree)
    assert jax.tree.structure(again.mean) == jax.tree.structure(tree)
    jax.tree.map(np.testing.assert_array_equal, again.std, tree)


def test_saving_again_replaces_the_file(tmp_path: Path) -> None:
    for seed in range(2):
        diagonal(seed).save(tmp_path / "q")
    jax.tree.map(np.testing.assert_array_equal, load_gaussian(tmp_path / "q")[0], diagonal(1))


@pytest.mark.parametrize("bad", [{1, 2}, np.ones(2), {"x": {1: 0, "a": 0}}])
def test_metadata_that_json_cannot_hold_leaves_nothing_behind(bad, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        diagonal().save(tmp_path / "new" / "q", note=bad)
    assert names_in(tmp_path) == []


def test_metadata_may_not_take_the_name_of_the_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"kind"):
        diagonal().save(tmp_path / "q", kind="mine")
    assert names_in(tmp_path) == []


def test_a_write_that_fails_half_way_keeps_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: int) -> None:
        raise OSError("disk full")

    diagonal(0).save(tmp_path / "q")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        diagonal(1).save(tmp_path / "q")
    assert names_in(tmp_path) == ["q"]
    jax.tree.map(np.testing.assert_array_equal, load_gaussian(tmp_path / "q")[0], diagonal(0))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"must exist\. Got none at .*nowhere\. Save"):
        load_gaussian(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_file_cut_short_is_refused(keep: int, tmp_path: Path) -> None:
    diagonal().save(tmp_path / "q")
    (tmp_path / "q").write_bytes((tmp_path / "q").read_bytes()[:keep])
    with pytest.raises(StoreError, match="must be a whole safetensors file"):
        load_gaussian(tmp_path / "q")


def test_a_damaged_header_is_refused(tmp_path: Path) -> None:
    diagonal().save(tmp_path / "q")
    whole = (tmp_path / "q").read_bytes()
    (tmp_path / "q").write_bytes(whole.replace(b"{", b"[", 1))
    with pytest.raises(StoreError, match="must be a whole safetensors file"):
        load_gaussian(tmp_path / "q")


def test_metadata_that_is_not_json_is_refused(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"a": np.ones(1)}, tmp_path / "q", {"onebasin": "{half"})
    with pytest.raises(StoreError, match="must be a whole safetensors file"):
        load_gaussian(tmp_path / "q")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="must be a whole safetensors file"):
        load_gaussian(tmp_path)


def test_arrays_of_another_program_are_refused(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"mean": np.ones(1)}, tmp_path / "q")
    with pytest.raises(StoreError, match="written by something else"):
        load_gaussian(tmp_path / "q")


@pytest.mark.parametrize("metadata", [{}, {"kind": "mixture"}])
def test_a_file_of_another_kind_is_refused(metadata, tmp_path: Path) -> None:
    save_tensors(tmp_path / "q", {"mean": np.ones(1)}, metadata)
    with pytest.raises(StoreError, match=rf"Gaussian\. Got kind {metadata.get('kind')!r}"):
        load_gaussian(tmp_path / "q")


def test_a_gaussian_of_another_network_does_not_load(tmp_path: Path) -> None:
    diagonal().save(tmp_path / "q")
    words = r"leaves must be those of the given tree\. Missing: 'other'"
    with pytest.raises(ValueError, match=words):
        load_gaussian(tmp_path / "q", like={"other": np.ones(3)})


def test_the_metadata_of_a_file_can_be_read_by_any_safetensors_reader(tmp_path: Path) -> None:
    diagonal().save(tmp_path / "q", source="vi")
    with safetensors.safe_open(tmp_path / "q", framework="numpy") as file:
        header = json.loads(file.metadata()["onebasin"])
        assert header["metadata"] == {"kind": "diagonal", "source": "vi"}
        assert set(file.keys()) >= {"mean/scale", "std/layer/kernel"}
