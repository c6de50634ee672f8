"""Planted copies: how many permuted, noisy copies of a network come back exactly.

A copy is the network with normal noise, whose std is a share of that of each array's weights, and
with the units of all groups permuted at random, their signs flipped at random if they have signs.
It has come back if every unit is at its place again, with its sign. Seeds are the numbers of the
chunks of copies.
"""

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

import onebasin as ob
from benchmarks.alignment import plain
from benchmarks.alignment.deep import EFFORTS
from benchmarks.alignment.recurrent import CELLS, recurrent
from benchmarks.table import Table
from onebasin.types import Params

WIDTHS, DEPTHS = (64, 128, 256, 512, 1024), (2, 3, 4, 6)
UNITS = (16, 64, 256)
NOISES, CURVE = (0.0, 0.1), (0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0)
NUM_COPIES, CURVE_COPIES, CHUNK = 100, 20, 10
INPUTS, OUTPUTS = 64, 10
CURVES = ((INPUTS, 256, 256, OUTPUTS), (INPUTS, 256, 256, 256, OUTPUTS), (4, 256, 256, 256, 1))
"""The sizes of networks of which copies have more and more noise."""


class Planted(NamedTuple):
    """A network, and the symmetry whose permutations make its copies."""

    params: Params
    symmetry: ob.Symmetry


class Copies(NamedTuple):
    """Copies of a network: as they are with noise alone, permuted, and what undoes that."""

    noisy: Params
    samples: ob.Samples
    undo: ob.Permutation


class Recovery(NamedTuple):
    """For each copy the share of units at their places, and of right signs.

    `ahead` is the objective of the permutation found, less that of what undoes the copy, as a
    share of the latter.
    """

    share: Float[np.ndarray, " copy"]
    ahead: Float[np.ndarray, " copy"]

    @property
    def is_exact(self) -> Bool[np.ndarray, " copy"]:
        """Which copies have come back."""
        return self.share == 1


def tables() -> Iterator[Table]:
    """How many copies come back, by width and depth, by kind of network, and by noise."""
    yield mlps()
    yield others()
    for sizes in CURVES:
        yield curve(*sizes)


def mlps() -> Table:
    """How many copies of MLPs come back, by width and depth."""
    rows = []
    for width in WIDTHS:
        row = [str(width)]
        for depth in DEPTHS:
            network = of_network(ob.mlp(INPUTS, (width,) * depth, OUTPUTS))
            row.append(", ".join(_counts(f"{width} x {depth}", network)))
        rows.append(row)
    header = ["width", *(f"{depth} hidden layers" for depth in DEPTHS)]
    title = f"MLPs of {INPUTS} inputs: copies of {NUM_COPIES} that come back, at noise 0 and .1"
    return Table(title, header, rows)


def others() -> Table:
    """How many copies of recurrent networks, transformers and ResNets come back."""
    rows = [[name, *_counts(name, make())] for name, make in kinds().items()]
    title = f"Other networks: copies of {NUM_COPIES} that come back"
    return Table(title, ["network", "noise 0", "noise .1"], rows)


def kinds() -> dict[str, Callable[[], Planted]]:
    """The networks other than MLPs, by name."""
    shape = (8, 8)
    found: dict[str, Callable[[], Planted]] = {
        f"{name}, {units}": lambda name=name, units=units: of_cell(name, units)
        for name in CELLS
        for units in UNITS
    }
    for activation in ("relu", "tanh"):
        network = ob.mlp(1, (256,) * 3, 1, activation)
        found[f"1-256-256-256-1, {activation}"] = lambda n=network: of_network(n)
    for width, heads in ((16, 4), (64, 8)):
        network = ob.networks.vit(shape, OUTPUTS, width, depth=1, heads=heads)
        found[f"transformer block, {width}, {heads} heads"] = lambda n=network: of_network(n)
    for norm in ("batch", "layer"):
        for width in (4, 16):
            network = ob.networks.resnet20(shape, OUTPUTS, width, norm)
            found[f"resnet20, {width}, {norm} norm"] = lambda n=network: of_network(n)
    return found


def of_network(network: ob.Network) -> Planted:
    """A network as it is initialized."""
    params = jax.tree.map(np.asarray, network.init(jax.random.key(0)))
    return Planted(params, network.symmetry)


def of_cell(name: str, units: int, inputs: int = 5) -> Planted:
    """A recurrent network, and the symmetry that is found of it."""
    apply, params = recurrent(name, inputs, units, 3)
    return Planted(params, ob.find_symmetry(apply, params, np.ones((2, 4, inputs), np.float32)))


def _counts(name: str, network: Planted) -> list[str]:
    found = []
    for noise in NOISES:
        each = [aligned(network, some).is_exact.sum() for some in copies(network, noise)]
        found.append(str(sum(each)))
        print(f"{name}, noise {noise}: {found[-1]} of {NUM_COPIES}", file=sys.stderr, flush=True)
    return found


def curve(inputs: int, *sizes: int) -> Table:
    """Which share of copies of an MLP, and of their units, comes back with more noise."""
    network = of_network(ob.mlp(inputs, sizes[:-1], sizes[-1]))
    rows = []
    for noise in CURVE:
        chunks = [*copies(network, noise, CURVE_COPIES)]
        ways = [plainly_matched, *(lambda n, c, e=e: aligned(n, c, e) for e in EFFORTS)]
        each = [joined([way(network, some) for some in chunks]) for way in ways]
        cells = [f"{one.is_exact.mean():.2f}, {one.share.mean():.3f}" for one in each]
        # Rounding is no difference.
        rows.append([f"{noise:g}", *cells, f"{(each[-1].ahead > 1e-6).mean():.2f}"])
        print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    header = ["noise", "plain, one", *EFFORTS, "above the planted"]
    name = "-".join(map(str, (inputs, *sizes)))
    title = f"{name}: shares of {CURVE_COPIES} copies, and of their units, that come back"
    return Table(title, header, rows)


def copies(network: Planted, noise: float, num_copies: int = NUM_COPIES) -> Iterator[Copies]:
    """Copies of a network, some at a time."""
    for seed in range(num_copies // CHUNK):
        yield some_copies(network, noise, CHUNK, seed)


def some_copies(network: Planted, noise: float, num_copies: int, seed: int) -> Copies:
    """Permuted, noisy copies of a network. `noise` is a share of the std of each array."""
    rng = np.random.default_rng(seed)

    def noisy(leaf: np.ndarray) -> np.ndarray:
        shape = (1, num_copies, *leaf.shape)
        std = np.float32(noise * leaf.std())
        return leaf + std * rng.standard_normal(shape, np.float32)

    here = jax.tree.map(noisy, network.params)
    planted = ob.symmetry.random_permutation(
        network.symmetry, 1, num_copies, key=jax.random.key(seed)
    )
    moved = ob.permute(here, network.symmetry, planted)
    moved = jax.tree.map(np.ascontiguousarray, moved)
    return Copies(here, ob.Samples(moved), planted.inverse())


def aligned(network: Planted, some: Copies, effort: ob.alignment.Effort = "normal") -> Recovery:
    """Copies as `align` brings them back."""
    found = ob.align(
        some.samples, network.symmetry, reference=ob.to(network.params), effort=effort
    ).permutation
    pairs = [(found.units[group], units) for group, units in some.undo.units.items()]
    pairs += [(found.signs[name], signs) for name, signs in some.undo.signs.items()]
    share = np.concatenate([_rows(np.equal(a, b)) for a, b in pairs], axis=-1).mean(axis=-1)
    back = ob.permute(some.samples.params, network.symmetry, found)
    return Recovery(share, _ahead(network, back, some))


def plainly_matched(network: Planted, some: Copies) -> Recovery:
    """Copies of an MLP as plain coordinate descent brings them back, from where their units are."""
    shares, backs = [], []
    for number in range(some.samples.num_draws):
        draw = some.samples.draw(0, number)
        places = plain.coordinate_descent(network.params, draw)
        undo = [some.undo.units[f"hidden_{at}"][0, number] for at in range(len(places))]
        shares.append(np.mean(np.equal(places, undo)))
        backs.append(plain.permute(draw, places))
    back = jax.tree.map(lambda *leaves: np.stack(leaves)[None], *backs)
    return Recovery(np.array(shares), _ahead(network, back, some))


def joined(some: list[Recovery]) -> Recovery:
    """The recoveries of several chunks as one."""
    return jax.tree.map(lambda *parts: np.concatenate(parts), *some)


def _ahead(network: Planted, back: Params, some: Copies) -> Float[np.ndarray, " copy"]:
    ours, planted = (_objective(network.params, params) for params in (back, some.noisy))
    return (ours - planted) / planted


def _objective(reference: Params, copies: Params) -> Float[np.ndarray, " copy"]:
    """The inner product of a network with each copy, in float64."""
    products = jax.tree.map(
        lambda leaf, copy: _rows(copy * np.asarray(leaf, np.float64)).sum(axis=-1),
        reference,
        copies,
    )
    return np.sum(jax.tree.leaves(products), axis=0)


def _rows(copies: np.ndarray) -> np.ndarray:
    """What leads with (1, copy) as one row for each copy."""
    return np.asarray(copies).reshape(np.shape(copies)[1], -1)
