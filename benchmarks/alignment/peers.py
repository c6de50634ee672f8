"""One network aligned to another by everyone who does it: seconds on one thread and on two.

The networks are trained from different seeds on the 8 x 8 images of `digits`, enlarged to 28 x 28,
so that they have 784 inputs. The distance is the L2 distance over all weights that is left. Every
result must compute what the network computed before.
"""

import dataclasses
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import jax
import numpy as np

import onebasin as ob
from benchmarks.alignment import plain
from benchmarks.alignment.deep import EFFORTS
from benchmarks.alignment.draws import threads
from benchmarks.alignment.floor import floor_seconds
from benchmarks.peers.environments import PEERS, PeerError, align_in_environment
from benchmarks.table import Table
from benchmarks.timing import best_seconds
from onebasin.data import Dataset, Split
from onebasin.studies.training import Task, train
from onebasin.types import Params

HIDDEN = {"784-512-10": (512,), "784-512-512-512-10": (512, 512, 512)}
SIDE, NUM_EPOCHS = 28, 5
REPEATS, SLOW = 3, {"double loop", "sinkhorn-rebasin"}
"""How many times everyone is timed, of which the best counts. The slow ones are timed once."""


class Timed(NamedTuple):
    """What an aligner made of the second network, and the seconds that it took."""

    aligned: Params
    seconds: float


Aligner: TypeAlias = Callable[[int], Timed]
"""Aligns the second network of a pair to the first on so many threads."""


def tables() -> Iterator[Table]:
    """A table for each pair of trained networks."""
    for name, hidden in HIDDEN.items():
        network = ob.mlp(SIDE**2, hidden, 10)
        yield compare(name, network, *trained_pair(network))


def compare(name: str, network: ob.Network, first: Params, second: Params) -> Table:
    """Seconds and distances of everyone for one pair of networks."""
    counts = sorted({1, min(2, len(os.sched_getaffinity(0)))})
    with tempfile.TemporaryDirectory() as folder:
        aligners = {**_here(network, first, second), **_elsewhere(first, second, Path(folder))}
        runs = {who: _run(who, align, counts) for who, align in aligners.items()}
    of_plain = lambda seconds: f"{seconds / runs['plain'][0].seconds:.2f}"
    rows = []
    for who, timed in runs.items():
        if isinstance(timed, str):
            rows.append([who, *["-"] * len(counts), "-", timed])
            continue
        _check_function(who, network, second, timed[0].aligned)
        distance = f"{plain.distance(first, timed[0].aligned):.3f}"
        rows.append(
            [who, *(f"{one.seconds:.3f}" for one in timed), of_plain(timed[0].seconds), distance]
        )
    floors = []
    for count in counts:
        with threads(count):
            floors.append(floor_seconds(first, runs["onebasin, normal"][0].aligned))
    rows.append(["floor", *(f"{seconds:.3f}" for seconds in floors), of_plain(floors[0]), "-"])
    seconds = [f"seconds, {count} thread{'s' * (count > 1)}" for count in counts]
    title = f"Two trained networks, {name}, {plain.distance(first, second):.3f} apart"
    return Table(title, ["", *seconds, "times plain", "distance"], rows)


def trained_pair(network: ob.Network) -> tuple[Params, Params]:
    """Two networks, trained by Adam from different seeds."""
    data = ob.load_dataset("digits")
    data = dataclasses.replace(data, train=_enlarged(data), image_shape=(SIDE, SIDE))
    starts = [network.init(jax.random.key(seed)) for seed in range(2)]
    both = train(
        Task(data, network),
        jax.tree.map(lambda *leaves: np.stack(leaves), *starts),
        np.full(2, 1e-3),
        lambda *_: None,
        key=jax.random.key(2),
        optimizer="adam",
        num_epochs=NUM_EPOCHS,
        every=None,
    )
    one = lambda number: jax.tree.map(lambda leaf: np.array(leaf[number, 0]), both)
    return one(0), one(1)


def _enlarged(data: Dataset) -> Split:
    images = data.train.inputs.reshape(-1, 8, 8)
    larger = jax.image.resize(images, (len(images), SIDE, SIDE), "linear")
    return Split(np.asarray(larger).reshape(len(images), -1), data.train.targets)


def _here(network: ob.Network, first: Params, second: Params) -> dict[str, Aligner]:
    """Those that run in this process: plain code, the paper's double loop, and onebasin."""
    alone = ob.Samples(jax.tree.map(lambda leaf: leaf[None, None], second))

    def onebasin(effort: ob.alignment.Effort) -> Params:
        alignment = ob.align(alone, network.symmetry, reference=ob.to(first), effort=effort)
        return jax.tree.map(lambda leaf: leaf[0, 0], alignment.apply(alone).params)

    ways = {
        "plain": lambda: plain.one_draw(first, second),
        "double loop": lambda: plain.permute(second, plain.double_loop(first, second)),
        **{f"onebasin, {effort}": partial(onebasin, effort) for effort in EFFORTS},
    }
    return {
        who: partial(_timed, align, 1 if who in SLOW else REPEATS) for who, align in ways.items()
    }


def _timed(align: Callable[[], Params], repeats: int, num_threads: int) -> Timed:
    made: list[Params] = []
    with threads(num_threads):
        seconds = best_seconds(lambda: made.append(align()), repeats)
    return Timed(made[-1], seconds)


def _elsewhere(first: Params, second: Params, folder: Path) -> dict[str, Aligner]:
    """The peers, which read the pair from a file of a folder and write what they make of it."""
    pair, result = folder / "pair.npz", folder / "result.npz"
    sides = {"a": first, "b": second}
    leaves = {
        f"{side}/{layer}/{key}": leaf
        for side, params in sides.items()
        for layer, of_layer in params.items()
        for key, leaf in of_layer.items()
    }
    np.savez(pair, **leaves)

    def timed(package: str, num_threads: int) -> Timed:
        repeats = 1 if package in SLOW else REPEATS
        with threads(num_threads):
            seconds = align_in_environment(
                package, pair, result, num_threads=num_threads, repeats=repeats
            )
        with np.load(result) as file:
            aligned = {
                layer: {key: file[f"{layer}/{key}"] for key in of_layer}
                for layer, of_layer in first.items()
            }
        return Timed(aligned, seconds)

    return {package: partial(timed, package) for package in PEERS}


def _run(who: str, align: Aligner, counts: list[int]) -> list[Timed] | str:
    """What an aligner does on so many threads, or why it cannot."""
    print(f"aligning with {who}", file=sys.stderr, flush=True)
    try:
        return [align(count) for count in counts]
    except PeerError as error:
        return str(error)


def _check_function(who: str, network: ob.Network, before: Params, after: Params) -> None:
    """Raises: ValueError if an aligned network computes something else."""
    inputs = np.random.default_rng(0).standard_normal((8, before["hidden_0"]["kernel"].shape[0]))
    old, new = (np.asarray(network.apply(params, inputs)) for params in (before, after))
    if np.abs(old - new).max() > 1e-4 * np.abs(old).max():
        raise ValueError(f"An alignment must keep the function. That of {who} changes it.")
