"""Sampling into a store: what interrupts it loses nothing, and the draws are those of one call."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import memory_of_sampling
import numpy as np
import pytest
import xarray as xr

import onebasin as ob
from onebasin.samples import Samples
from onebasin.store import SampleWriter, StoredArray, StoreError, files
from onebasin.store.draws import is_whole

pytestmark = pytest.mark.slow

KEY = jax.random.key(0)
POSITIONS = {"w": jnp.ones((3, 4)), "b": jnp.zeros(3)}
NUM_DRAWS = 23


def logdensity(params):
    return -0.5 * jnp.sum(params["w"] ** 2) - 0.5 * (params["b"] - 1) ** 2


METHOD = ob.hmc(logdensity, num_steps=3, step_size=0.3, num_warmup=11)


def draw(store: Path | None = None, num_draws: int = NUM_DRAWS, **changes) -> Samples:
    """HMC in five chunks of warm-up and five of draws, the last of which is not full."""
    arguments = {"method": METHOD, "positions": POSITIONS, "num_chunks": 5, "key": KEY} | changes
    return ob.sample(num_draws=num_draws, store=store, **arguments)


@pytest.fixture(scope="module")
def uninterrupted() -> Samples:
    return draw()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "hmc.zarr"


def assert_same(found: Samples, wanted: Samples) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


class Stopped(Exception):
    """Raised between two chunks, as if the process ended there."""


def stop(progress: ob.methods.Progress) -> None:
    if progress.phase != "compiling":
        raise Stopped


def test_stored_draws_are_those_in_memory(store: Path, uninterrupted: Samples) -> None:
    assert_same(draw(store), uninterrupted)
    found = ob.load_samples(store)
    assert_same(Samples(found.params, found.stats, uninterrupted.last_state), uninterrupted)


def test_a_sampling_that_stops_after_every_chunk_goes_on_bit_for_bit(
    store: Path, uninterrupted: Samples
) -> None:
    told = []

    def listen(progress):
        if progress.phase != "compiling":
            told.append(progress)
        stop(progress)

    num_stops = 0
    while not is_whole(store):
        try:
            found = draw(store, progress=listen)
        except Stopped:
            num_stops += 1
    assert_same(found, uninterrupted)
    assert num_stops == len(told) == 9  # four chunks of the warm-up, and five of draws
    ends = [progress.num_steps for progress in told]
    assert [progress.resumed_steps for progress in told] == [0, *ends[:-1]]
    assert ends[-1] == told[0].total_steps == 11 + NUM_DRAWS
    last = told[-1]
    rate = (last.num_steps - last.resumed_steps) / last.seconds
    assert last.steps_per_second == pytest.approx(rate)


def test_thinned_draws_go_on_bit_for_bit(store: Path) -> None:
    with pytest.raises(Stopped):
        draw(store, thin=3, progress=lambda progress: progress.num_steps > 30 and stop(progress))
    assert_same(draw(store, thin=3), draw(thin=3))


@pytest.mark.parametrize("num_draws", [24, 40])
def test_a_finished_sampling_goes_on_with_more_draws(store: Path, num_draws: int) -> None:
    draw(store)
    assert_same(draw(store, num_draws), draw(None, num_draws))


def test_a_finished_sampling_is_read_and_not_drawn_again(
    store: Path, uninterrupted: Samples
) -> None:
    draw(store)
    assert_same(draw(store, progress=stop), uninterrupted)


def test_the_result_of_the_transform_is_kept_in_place_of_the_draws(store: Path) -> None:
    double = lambda samples: Samples(
        jax.tree.map(lambda leaf: 2 * leaf, samples.params), samples.stats, samples.last_state
    )
    with pytest.raises(Stopped):
        draw(store, transform=double, progress=lambda p: p.num_steps > 20 and stop(p))
    plain = draw()
    for found in (draw(store, transform=double), draw(transform=double)):
        assert_same(found, double(plain))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"key": jax.random.key(1)}, "key"),
        ({"key": jax.random.PRNGKey(0)}, "key, method"),
        ({"thin": 2}, "thin"),
        ({"positions": POSITIONS | {"b": jnp.full(3, 1e-6)}}, "starts"),
        ({"method": ob.hmc(logdensity, num_steps=3, step_size=0.2, num_warmup=11)}, "method"),
        ({"method": ob.hmc(logdensity, num_steps=4, step_size=0.3, num_warmup=11)}, "method"),
        (
            {"method": ob.hmc(lambda p: 1.001 * logdensity(p), num_steps=3, num_warmup=11)},
            "method",
        ),
        ({"method": ob.hmc(logdensity, num_steps=3, step_size=0.3, num_warmup=12)}, "num_warmup"),
    ],
    ids=["key", "kind of key", "thin", "starts", "step size", "steps", "log density", "warm-up"],
)
def test_a_store_of_another_sampling_is_refused(
    store: Path, uninterrupted: Samples, change, name: str
) -> None:
    draw(store)
    with pytest.raises(StoreError, match=rf"Got another .*{name}.* than that of the draws"):
        draw(store, **change)
    assert_same(draw(store), uninterrupted)


def test_fewer_draws_than_are_stored_are_refused(store: Path) -> None:
    draw(store)
    with pytest.raises(StoreError, match=r"num_draws must be at least 23.* Got 22\."):
        draw(store, 22)


def test_a_store_that_something_else_wrote_is_refused(store: Path) -> None:
    SampleWriter(store).append(Samples({"w": np.ones((3, 2, 4))}))
    with pytest.raises(StoreError, match="stores that it began"):
        draw(store)


def test_the_data_of_a_log_density_belong_to_its_sampling(store: Path) -> None:
    def method(seed: int) -> ob.methods.Method:
        data = jax.random.normal(jax.random.key(seed), (50, 4))
        return ob.hmc(lambda params: -jnp.sum((data - params["w"][None]) ** 2), num_steps=2)

    draw(store, method=method(0))
    draw(store, method=method(0))
    with pytest.raises(StoreError, match="Got another method .or log density"):
        draw(store, method=method(1))


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """A process that was started in the background ignores Ctrl-C, unless it is told not to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupt_ends_the_chunk_and_says_how_to_go_on(
    store: Path, uninterrupted: Samples
) -> None:
    told = []

    def interrupt(progress):
        told.append(progress.num_steps)
        if progress.phase == "draws":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(
        KeyboardInterrupt, match=r"10 draws of each chain are in .*hmc\.zarr\. Call"
    ):
        draw(store, progress=interrupt)
    assert told[-1] == 11 + 5  # the chunk that the interrupt came after; one more was drawn
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same(draw(store), uninterrupted)


@pytest.mark.usefixtures("heeds_interrupts")
def test_a_second_interrupt_does_not_wait(store: Path, uninterrupted: Samples) -> None:
    def interrupt(progress):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as raised:
        draw(store, progress=interrupt)
    assert str(raised.value) == ""
    assert_same(draw(store), uninterrupted)


def test_a_second_process_is_refused_while_one_draws(store: Path, uninterrupted: Samples) -> None:
    def draw_too(progress):
        with pytest.raises(StoreError, match="One process at a time.*into which another process"):
            draw(store)

    assert_same(draw(store, progress=draw_too), uninterrupted)


def test_draws_stay_in_the_store_and_axes_have_the_names_that_are_given(store: Path) -> None:
    found = draw(store, dims={"w": ("hidden_0",)})
    assert {type(leaf) for leaf in jax.tree.leaves((found.params, found.stats))} == {StoredArray}
    with xr.open_datatree(store, engine="zarr", consolidated=False) as tree:
        assert tree["posterior"]["w"].dims == ("chain", "draw", "hidden_0")


@pytest.mark.parametrize(
    ("positions", "dims", "match"),
    [
        ({"w": jnp.ones((3, 4), jnp.bfloat16)}, None, "Got bfloat16 at 'w'"),
        ({"w": jnp.ones((3, 4), jnp.complex64)}, None, "Got complex64 at 'w'"),
        ({"w": jnp.ones((3, 4))}, {"w": ("a", "b")}, "each of the 1 axes of 'w'"),
        ({"w": jnp.ones((3, 4))}, {"v": ("a",)}, "must name leaves of the params. Got 'v'"),
    ],
)
def test_what_a_store_cannot_hold_is_refused_before_the_first_step(
    store: Path, positions, dims, match: str
) -> None:
    method = ob.hmc(lambda params: -jnp.sum(jnp.abs(params["w"]).astype(jnp.float32)))
    with pytest.raises(ValueError, match=match):
        draw(store, method=method, positions=positions, dims=dims, progress=stop)
    assert not store.exists()


def test_a_file_in_the_place_of_a_store_is_refused(store: Path) -> None:
    store.touch()
    with pytest.raises(StoreError, match=r"is a folder\. Got .*hmc\.zarr, which is a file"):
        draw(store, progress=stop)


def test_a_place_that_takes_no_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="disk that can be written to.*Not a directory"):
        draw(tmp_path / "file" / "hmc.zarr")


@pytest.mark.long
def test_memory_does_not_grow_with_the_draws(tmp_path: Path) -> None:
    largest = {}
    for num_draws in (1_000, 10_000):
        store = tmp_path / "draws.zarr"
        command = [sys.executable, memory_of_sampling.__file__, str(store), str(num_draws)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        largest[num_draws] = int(done.stdout)
        shutil.rmtree(store)  # 3.2 GB
    assert largest[10_000] < 1.1 * largest[1_000]


class FailingDisk:
    """Lets a number of files through; then every write fails, halfway through the file."""

    def __init__(self, monkeypatch, error: BaseException):
        self.num_left, self.num_writes, self.error = 10**9, 0, error
        monkeypatch.setattr(files.os, "fsync", self.fsync)
        self.real = os.fsync

    def fsync(self, file: int) -> None:
        self.num_writes += 1
        if self.num_writes > self.num_left:
            raise self.error


@pytest.fixture
def no_progress_lost(store: Path):
    """Checks that the number of committed draws never falls."""
    known = 0

    def check() -> None:
        nonlocal known
        if (store / "zarr.json").exists():
            writer = SampleWriter.resume(store)
            assert writer.num_draws >= known
            known = writer.num_draws

    return check


@pytest.mark.parametrize(
    ("every", "num_draws"), [(19, NUM_DRAWS), pytest.param(1, NUM_DRAWS, marks=pytest.mark.long)]
)
def test_a_process_that_dies_at_any_write_loses_no_committed_draw(
    store: Path, uninterrupted: Samples, monkeypatch, no_progress_lost, every: int, num_draws: int
) -> None:
    disk = FailingDisk(monkeypatch, Stopped())
    num_deaths, num_left = 0, every
    while not is_whole(store):
        disk.num_writes, disk.num_left = 0, num_left
        try:
            found = draw(store, num_draws)
        except Stopped:
            num_deaths += 1
            num_left += every
        disk.num_left = 10**9
        no_progress_lost()
    assert num_deaths > 4
    assert_same(found, uninterrupted)


def test_a_full_disk_is_one_line_and_what_was_committed_stays(
    store: Path, uninterrupted: Samples, monkeypatch, no_progress_lost
) -> None:
    disk = FailingDisk(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    disk.num_left = 150
    with pytest.raises(
        StoreError, match=r"has room.*No space left on device\. All \d+ draws"
    ) as told:
        draw(store)
    assert "\n" not in str(told.value)
    disk.num_left = 10**9
    no_progress_lost()
    assert_same(draw(store), uninterrupted)
