"""Sampling that is killed at random instants, or runs out of disk, loses no committed draw."""

import random
import subprocess
import sys
import time
from pathlib import Path

import jax
import killed_sampling
import numpy as np
import pytest

import onebasin as ob
from onebasin.store import StoreError
from onebasin.store.commits import read_commit

pytestmark = pytest.mark.slow


def sample_for(*stores: Path, num_commits: int | None = None, seconds: float = 0.0) -> int:
    """Sample in a process of its own, which is killed some seconds after so many commits.

    None: it is not killed. Returns how many draws of each chain it said were committed.
    """
    command = [sys.executable, killed_sampling.__file__, *map(str, stores)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = ""
        if num_commits is not None:
            told = [process.stdout.readline() for _ in range(num_commits)][-1]
            time.sleep(seconds)
            process.kill()
        told += process.stdout.read()
    return int(told.split()[-1])


@pytest.mark.parametrize(
    ("num_kills", "most_commits"), [(1, 30), pytest.param(30, 3, marks=pytest.mark.long)]
)
def test_a_process_killed_at_random_instants_loses_no_committed_draw(
    tmp_path: Path, num_kills: int, most_commits: int
) -> None:
    rng = random.Random(0)
    store = tmp_path / "hmc.zarr"
    known = 0
    for _ in range(num_kills):
        num_commits = rng.randint(most_commits // 2, most_commits)
        told = sample_for(store, num_commits=num_commits, seconds=rng.uniform(0, 0.05))
        commit = read_commit(store)
        assert commit is not None
        assert known <= told <= commit.num_draws
        known = commit.num_draws
    assert 0 < known < killed_sampling.NUM_DRAWS, "the last kill came too early or too late"
    # The process of this test compiles with other options.
    sample_for(store, tmp_path / "whole.zarr")
    assert_same(ob.load_samples(store), ob.load_samples(tmp_path / "whole.zarr"))


def assert_same(found: ob.Samples, wanted: ob.Samples) -> None:
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


@pytest.mark.long
def test_a_full_disk_is_one_line_and_sampling_goes_on_once_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system of 20 MB needs root")
    try:
        filler = disk / "filler"
        filler.write_bytes(bytes(20 * 2**20 - 600 * 2**10))
        with pytest.raises(StoreError, match=r"has room.*No space left on device"):
            killed_sampling.sample(disk / "hmc.zarr")
        commit = read_commit(disk / "hmc.zarr")
        assert commit is not None
        assert 0 < commit.num_draws < killed_sampling.NUM_DRAWS
        filler.unlink()
        found = killed_sampling.sample(disk / "hmc.zarr")
        assert ob.load_samples(disk / "hmc.zarr").num_draws == killed_sampling.NUM_DRAWS
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert_same(found, killed_sampling.sample())
