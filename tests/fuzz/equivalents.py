"""Equivalents: settings of params that a symmetry says are the same, and those of brute force."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from onebasin import permute
from onebasin.symmetry import Permutation, Symmetry, random_permutation
from onebasin.types import Params

NUM_RANDOM = 6
MOST_SETTINGS = 2_000
TOLERANCE = 1e-10
NUM_EPS = 32
FAST = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_parallel_codegen_split_count": 1,
    "xla_cpu_use_fusion_emitters": False,
}
"""Programs run once: a compiler that thinks for long takes longer than they do."""


@cache
def fast_options() -> dict[str, Any]:
    """Those of the options that the installed compiler has."""

    def exists(name: str) -> bool:
        try:
            jax.jit(jnp.negative, compiler_options={name: FAST[name]})(0.0)
        except jax.errors.JaxRuntimeError:
            return False
        return True

    return {name: value for name, value in FAST.items() if exists(name)}


def elements(symmetry: Symmetry, seed: int) -> Permutation:
    """The identity, every swap of neighbours and every flip alone, then random joint elements."""
    still = symmetry.identity()
    rows = [still]
    for group, entry in still.units.items():
        for *place, unit in np.ndindex(*entry.shape[:-1], entry.shape[-1] - 1):
            moved = entry.copy()
            moved[(*place, [unit, unit + 1])] = moved[(*place, [unit + 1, unit])]
            rows.append(symmetry.permutation({**still.units, group: moved}, still.signs))
    for name, entry in still.signs.items():
        for place in np.ndindex(*entry.shape):
            flipped = entry.copy()
            flipped[place] = -1
            rows.append(symmetry.permutation(still.units, {**still.signs, name: flipped}))
    single = jax.tree.map(lambda *entries: np.stack(entries), *rows)
    joint = random_permutation(symmetry, NUM_RANDOM, key=jax.random.key(seed))
    return jax.tree.map(lambda *parts: np.concatenate(parts), single, joint)


def all_elements(symmetry: Symmetry) -> Permutation | None:
    """Every element of a symmetry, if they are few."""
    if symmetry.log10_num_equivalent() > math.log10(MOST_SETTINGS):
        return None
    still = symmetry.identity()
    options = [_versions_of_entry(entry, False) for entry in still.units.values()]
    options += [_versions_of_entry(entry, True) for entry in still.signs.values()]
    entries = [np.stack(column) for column in zip(*itertools.product(*options), strict=True)]
    units = dict(zip(still.units, entries, strict=False))
    signs = dict(zip(still.signs, entries[len(units) :], strict=True))
    return symmetry.permutation(units, signs)


def _versions_of_entry(entry: np.ndarray, is_sign: bool) -> list[np.ndarray]:
    num_rows, size = math.prod(entry.shape[:-1]), entry.shape[-1]
    rows = (
        itertools.product([1, -1], repeat=size) if is_sign else itertools.permutations(range(size))
    )
    return [
        np.array(every).reshape(entry.shape)
        for every in itertools.product(list(rows), repeat=num_rows)
    ]


def numbered(params: Params) -> dict[str, np.ndarray]:
    """Every entry of the params by a number of its own, beginning at 1: signs can be seen."""
    sizes = {name: leaf.size for name, leaf in params.items()}
    starts = dict(zip(sizes, np.cumsum([1, *sizes.values()]), strict=False))
    return {
        name: np.arange(starts[name], starts[name] + leaf.size).reshape(leaf.shape)
        for name, leaf in params.items()
    }


def moved(symmetry: Symmetry, rows: Permutation, params: Params) -> dict[str, np.ndarray]:
    """The params under every row of a permutation, stacked."""
    count = rows.batch[0] if rows.units else 1
    return permute({name: np.stack([x] * count) for name, x in params.items()}, symmetry, rows)


def brute_force(params: Params) -> dict[str, np.ndarray] | None:
    """Numbered params under every permutation of every axis and every choice of signs.

    Where that is too much, all permutations and all signs apart; where that is, nothing.
    """
    ids = numbered(params)
    num_orders = math.prod(math.factorial(n) for leaf in ids.values() for n in leaf.shape)
    num_signs = 2 ** sum(leaf.size for leaf in ids.values())
    orders = (
        {name: _orders(leaf) for name, leaf in ids.items()} if num_orders <= MOST_SETTINGS else {}
    )
    signs = (
        {name: leaf * _signs(leaf) for name, leaf in ids.items()}
        if num_signs <= MOST_SETTINGS
        else {}
    )
    if num_orders * num_signs <= MOST_SETTINGS:
        both = {name: [one * _signs(one) for one in orders[name]] for name in ids}
        return _combined({name: np.concatenate(every) for name, every in both.items()})
    tries = [_combined(one) for one in (orders, signs) if one]
    if not tries:
        return None
    return {name: np.concatenate([one[name] for one in tries]) for name in ids}


def _orders(leaf: np.ndarray) -> np.ndarray:
    orders = (itertools.permutations(range(size)) for size in leaf.shape)
    return np.stack([leaf[np.ix_(*one)] for one in itertools.product(*orders)])


def _signs(leaf: np.ndarray) -> np.ndarray:
    every = list(itertools.product([1, -1], repeat=leaf.size))
    return np.array(every).reshape(-1, *leaf.shape)


def _combined(versions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    counts = [len(one) for one in versions.values()]
    choices = np.indices(counts).reshape(len(counts), -1)
    return {name: one[at] for (name, one), at in zip(versions.items(), choices, strict=True)}


def settings_of(stacked: Mapping[str, np.ndarray]) -> list[bytes]:
    """Each row of stacked numbered params as something that can be looked up."""
    count = len(next(iter(stacked.values())))
    rows = np.concatenate([leaf.reshape(count, -1) for leaf in stacked.values()], axis=1)
    return [row.tobytes() for row in rows.astype(np.int32)]


def as_values(ids: np.ndarray, leaf: np.ndarray, first: int) -> np.ndarray:
    """Stacked values of a leaf, whose entries are numbered from `first` on."""
    return np.sign(ids).astype(leaf.dtype) * leaf.reshape(-1)[np.abs(ids) - first]


def outputs(apply: Callable[..., Any], stacked: Params, inputs: tuple) -> np.ndarray:
    """What a function gives for every row of stacked params, as one row of numbers each."""
    axes = (0, *(None for _ in inputs))
    function = jax.jit(jax.vmap(apply, axes), compiler_options=fast_options())
    rows = [np.asarray(leaf) for leaf in jax.tree.leaves(function(stacked, *inputs))]
    return np.concatenate([row.reshape(len(row), -1).astype(complex) for row in rows], axis=1)


def changes(rows: np.ndarray) -> np.ndarray:
    """How far every row is from the first one, as a share of its largest number."""
    gaps = np.abs(rows - rows[:1]).max(axis=1, initial=0.0)
    return gaps / max(np.abs(rows[0]).max(initial=0.0), 1e-3)


def tolerance(closed: ClosedJaxpr) -> float:
    """32 eps of the coarsest dtype that a function computes in; 1e-10 if that is float64."""
    eps = max(float(jnp.finfo(dtype).eps) for dtype in _inexact(closed.jaxpr))
    return NUM_EPS * eps if eps > jnp.finfo("float64").eps else TOLERANCE


def _inexact(jaxpr: Jaxpr) -> Iterator[Any]:
    for equation in equations(jaxpr):
        for variable in (*equation.invars, *equation.outvars):
            dtype = getattr(variable.aval, "dtype", None)
            if dtype is not None and jnp.issubdtype(dtype, jnp.inexact):
                yield dtype


def equations(jaxpr: Jaxpr) -> Iterator[Any]:
    """All equations of a jaxpr, and of those inside of it."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in _jaxprs_in(equation.params.values()):
            yield from equations(inner)


def _jaxprs_in(values: Iterable[Any]) -> Iterator[Jaxpr]:
    for value in values:
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _jaxprs_in(value)
