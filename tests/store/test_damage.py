"""Damaged stores: every flipped, lost or missing byte is named by an error, and never read."""

import random
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from damage import damaged

from onebasin.samples import Samples
from onebasin.store import SampleWriter, StoreError, check_samples, load_samples

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """A whole store of two chunks, with a state of its sampler."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("stores") / "hmc.zarr"
    writer = SampleWriter(path)
    for _ in range(2):
        params = {"bias": rng.standard_normal((2, 3, 4)), "scale": np.zeros((2, 3), np.float32)}
        samples = Samples(params, {"diverging": np.zeros((2, 3), bool)})
        writer.commit(samples, {"position": rng.standard_normal(5)}, {"key": "a"})
    writer.finish()
    return path


def files_that_count(path: Path) -> list[Path]:
    """All files of a store that are read; the state before the last one is not."""
    files = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in files if file.relative_to(path) != Path("sampler/state/c.0.0"))


def assert_named(path: Path, file: Path, read=check_samples) -> None:
    """That reading the store raises one line, which names the file."""
    with pytest.raises(StoreError, match=rf"must be.*{re.escape(str(file))}") as raised:
        read(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("seed", "count"), [(0, 20), pytest.param(1, 500, marks=pytest.mark.long)])
def test_damage_to_any_file_is_named_and_never_read(stored: Path, seed: int, count: int) -> None:
    rng = random.Random(seed)
    files = files_that_count(stored)
    kinds = [[f for f in files if f.name == "zarr.json"], [f for f in files if "c." in f.name]]
    for trial in range(count):
        file = rng.choice(kinds[trial % 2])
        content = file.read_bytes()
        file.write_bytes(damaged(content, rng))
        try:
            assert_named(stored, file)
            if file.name == "zarr.json":
                assert_named(stored, file, load_samples)
        finally:
            file.write_bytes(content)
    check_samples(stored)


def test_a_damaged_chunk_is_named_by_whatever_reads_it_and_by_nothing_else(stored: Path) -> None:
    file = stored / "posterior" / "bias" / "c.0.1.0"
    content = file.read_bytes()
    file.write_bytes(content[:9] + bytes([content[9] ^ 4]) + content[10:])
    try:
        samples = load_samples(stored)
        assert samples.draw(1, 2)["bias"].shape == (4,)  # of the other chunk
        for read in (lambda: samples.draw(1, 3), samples.mean, samples.load, samples.flatten):
            assert_named(stored, file, lambda _, read=read: read())
    finally:
        file.write_bytes(content)


def test_every_file_that_is_lost_is_named(stored: Path, tmp_path: Path) -> None:
    for number, file in enumerate(files_that_count(stored)):
        if file == stored / "zarr.json":
            continue  # without it there is no store
        copy = tmp_path / str(number)
        shutil.copytree(stored, copy)
        lost = copy / file.relative_to(stored)
        lost.unlink()
        assert_named(copy, lost)
        assert_named(copy, lost, load_samples)


def test_a_store_without_its_record_is_not_read(stored: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(stored, copy)
    (copy / "zarr.json").unlink()
    with pytest.raises(StoreError, match="must be finished before it is read"):
        load_samples(copy)


def test_damage_is_named_when_a_store_is_resumed(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored, tmp_path / "copy")
    for name in ("posterior/bias/zarr.json", "sampler/state/c.1.0"):
        file = tmp_path / "copy" / name
        content = file.read_bytes()
        file.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
        with pytest.raises(StoreError, match=f"must be as it was written.*{re.escape(name)}"):
            SampleWriter.resume(tmp_path / "copy").state()
        file.write_bytes(content)
    assert jax.tree.leaves(SampleWriter.resume(tmp_path / "copy").state())
