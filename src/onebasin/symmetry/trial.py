"""Trial: a function at some params, and how much its outputs change if these are permuted.

The function runs in float64 if it can, so that rounding hardly changes it. If it computes more
coarsely by itself, as in mixed precision, the change that rounding makes is measured, and only a
larger change counts.
"""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from onebasin import _trees
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.jaxprs import coarsest_eps, has_while
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute
from onebasin.symmetry.random_permutation import random_permutation
from onebasin.symmetry.trial_values import nudged
from onebasin.types import Key, Params

_QUICK_TO_COMPILE = {"xla_backend_optimization_level": "0"}  # it runs a few times alone
_IN_FLOAT64 = 1e-10
_NUM_NUDGES = 32
_NUM_TO_CHOOSE_FROM = 16


class Program(NamedTuple):
    """A function that was traced and compiled once.

    Args:
        closed: Its jaxpr.
        run: Gives the outputs at some values as arrays.
        is_wide: Whether it takes floating-point numbers in 64 bits, whatever the values have.
    """

    closed: ClosedJaxpr
    run: Callable[..., list[np.ndarray]]
    is_wide: bool


class Values(eqx.Module):
    """Params and inputs at which a function is tried.

    `are_drawn` says that some of them are random numbers, not what the user gave.
    """

    params: Params
    inputs: tuple[Any, ...]
    are_drawn: bool = eqx.field(static=True, default=False)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A program, the values at which it is tried, and the outputs that it has there."""

    program: Program
    values: Values
    expected: list[np.ndarray]

    def change(self, symmetry: Symmetry, key: Key, num_elements: int) -> float:
        """The largest relative change of any output array under some elements of a symmetry.

        It is relative to the largest finite number in that array.
        """
        params, inputs = self.values.params, self.values.inputs
        elements = _elements(symmetry, key, num_elements)
        # One permuted network is in memory at a time.
        changes = (self.change_at(Values(permute(params, symmetry, p), inputs)) for p in elements)
        return max(changes, default=0.0)

    def limit(self, change: float) -> float:
        """The largest relative change that can be due to rounding.

        1e-10 in float64, else 32 eps of the coarsest dtype and at most 0.01. If `change` exceeds
        this, rounding is measured, and four times the result is the limit if that is more.
        """
        smallest = max(_IN_FLOAT64, min(32 * self._eps, 1e-2))
        return smallest if change <= smallest else max(smallest, 4 * self._rounding)

    @cached_property
    def _eps(self) -> float:
        return coarsest_eps(self.program.closed)

    @cached_property
    def _rounding(self) -> float:
        """The largest relative change if all params and inputs are off by a few eps.

        It is the largest of 32 trials, with 8 eps, or 2 eps for half precision.
        """
        # Sums of many terms lose several digits, but those of half precision are taken in float32.
        share = self._eps * (8 if self._eps < 1e-4 else 2)
        values = jax.tree.map(_wide, self.values) if self.program.is_wide else self.values
        return max(self.change_at(nudged(values, share, seed)) for seed in range(_NUM_NUDGES))

    def change_at(self, values: Values) -> float:
        """The largest relative change of any output array at other values."""
        outputs = self.program.run(values)
        pairs = zip(outputs, self.expected, strict=True)
        return max((_relative_change(*pair) for pair in pairs), default=0.0)


def begin(
    apply: Callable[..., Any], candidates: Sequence[Values], *, unasked: bool = False
) -> Trial | None:
    """A trial at the first of the candidates at which the function is finite; None if it never is.

    Functions that cannot run in float64, as those with a carry of float32, run in the dtypes of
    the candidates.

    `unasked` says that the user has not asked for a trial. Then a function with side effects is
    not run at all, and one with a `while` loop is not run at random values, at which it may never
    end.

    Raises:
        Exception: Whatever the function raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the function gives its warnings when it is used
        try:
            return _begin(apply, candidates, is_wide=True, unasked=unasked)
        except Exception:
            return _begin(apply, candidates, is_wide=False, unasked=unasked)


def _begin(
    apply: Callable[..., Any], candidates: Sequence[Values], *, is_wide: bool, unasked: bool
) -> Trial | None:
    """As `begin`, in float64 if `is_wide`, else in the dtypes of the candidates."""
    program = _program(apply, candidates[0], is_wide=is_wide)
    if unasked and program.closed.effects:
        return None
    for values in candidates:
        if unasked and values.are_drawn and has_while(program.closed):
            continue
        host = dataclasses.replace(values, params=_trees.to_host(values.params))
        expected = program.run(host)
        if _is_informative(expected):
            return Trial(program, host, expected)
    return None


def _program(apply: Callable[..., Any], values: Values, *, is_wide: bool) -> Program:
    """The function compiled for arrays like these, with 64-bit numbers if `is_wide`."""

    def precision() -> contextlib.AbstractContextManager[Any]:
        return jax.enable_x64(True) if is_wide else contextlib.nullcontext()

    like = jax.tree.map(_like_wide, values) if is_wide else values
    # Accelerators round what they multiply to fewer digits than its dtype has, if they may.
    with precision(), jax.default_matmul_precision("highest"):
        closed = jax.make_jaxpr(apply)(like.params, *like.inputs)

    def widened(*leaves: Any) -> list[Any]:
        # Within the program, so that a large network is in memory as it was given.
        pairs = zip(leaves, closed.in_avals, strict=True)
        return jaxpr_as_fun(closed)(*(_as_dtype(leaf, like.dtype) for leaf, like in pairs))

    compiled = jax.jit(widened, compiler_options=_QUICK_TO_COMPILE)

    def run(values: Values) -> list[np.ndarray]:
        with precision():
            return [_as_numbers(leaf) for leaf in compiled(*jax.tree.leaves(values))]

    return Program(closed, run, is_wide)


def _as_dtype(leaf: Any, dtype: Any) -> Any:
    return leaf if leaf.dtype == dtype else leaf.astype(dtype)


def _like_wide(leaf: Any) -> Any:
    """What stands for a leaf in float64 or complex128 when a function is traced."""
    dtype = jnp.result_type(leaf)
    if not jnp.issubdtype(dtype, jnp.inexact):
        return leaf
    is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
    return jax.ShapeDtypeStruct(np.shape(leaf), np.complex128 if is_complex else np.float64)


def _wide(leaf: Any) -> Any:
    """A floating-point leaf in float64 or complex128; all others as they are."""
    dtype = jnp.result_type(leaf)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return np.asarray(leaf).astype(np.complex128)
    return np.asarray(leaf).astype(np.float64) if jnp.issubdtype(dtype, jnp.floating) else leaf


def _as_numbers(leaf: Any) -> np.ndarray:
    """An output of any dtype as float64 or complex128, keys of random numbers by their data."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    is_complex = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
    return np.asarray(leaf).astype(np.complex128 if is_complex else np.float64)


def _is_informative(outputs: Sequence[np.ndarray]) -> bool:
    """Whether outputs hold finite numbers and no NaN; some may be infinite, as in masks."""
    numbers = np.concatenate([np.ravel(output) for output in outputs]) if outputs else np.zeros(1)
    return not np.isnan(numbers).any() and bool(np.isfinite(numbers).any() or numbers.size == 0)


def _relative_change(output: np.ndarray, expected: np.ndarray) -> float:
    """The largest change of any number, as a share of the largest finite expected one.

    Infinite if a number became NaN.
    """
    with np.errstate(invalid="ignore"):  # equal infinities are no change
        gaps = np.where(output == expected, 0.0, np.abs(output - expected))
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0) or 1.0
    change = float(gaps.max(initial=0.0) / scale)
    return float("inf") if np.isnan(change) else change


def _elements(symmetry: Symmetry, key: Key, num_elements: int) -> Sequence[Permutation]:
    """Random elements of a symmetry; in the first of them everything moves as far as it can.

    Of two units, a random permutation moves none half of the time.
    """
    num_drawn = max(num_elements, _NUM_TO_CHOOSE_FROM)
    drawn, still = random_permutation(symmetry, num_drawn, key=key), symmetry.identity()

    def most_moved(entry: np.ndarray, still: np.ndarray) -> np.ndarray:
        return entry[(entry != still).reshape(num_drawn, -1).sum(axis=1).argmax()]

    first = jax.tree.map(most_moved, drawn, still)
    return [first, *(drawn[number] for number in range(1, num_elements))]
