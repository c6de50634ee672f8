"""Trial: a function at some params, and how much it changes where they are permuted.

It runs in float64 if it can, so that rounding is no change. Where it computes more coarsely by
itself, what rounding costs is measured, and only what changes it more is a change.
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
from onebasin._types import Key, Params
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.jaxprs import coarsest_eps, has_while
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute
from onebasin.symmetry.random_permutation import random_permutation
from onebasin.symmetry.trial_values import nudged

_QUICK_TO_COMPILE = {"xla_backend_optimization_level": "0"}  # it runs a few times alone
_IN_FLOAT64 = 1e-10
_NUM_NUDGES = 32
_NUM_TO_CHOOSE_FROM = 16


class Program(NamedTuple):
    """A function, traced and compiled once."""

    closed: ClosedJaxpr
    run: Callable[..., list[np.ndarray]]


class Values(eqx.Module):
    """Params and inputs at which a function is tried, and whether any of them is random."""

    params: Params
    inputs: tuple[Any, ...]
    are_drawn: bool = eqx.field(static=True, default=False)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A program at some values, and what it computes there."""

    program: Program
    values: Values
    expected: list[np.ndarray]

    def change(self, symmetry: Symmetry, key: Key, num_elements: int) -> float:
        """The largest relative change of any output array under some elements of a symmetry.

        It is relative to the largest finite number in that array.
        """
        moved = (
            permute(self.values.params, symmetry, element)
            for element in _elements(symmetry, key, num_elements)
        )
        return max((self._change(Values(one, self.values.inputs)) for one in moved), default=0.0)

    def limit(self, change: float) -> float:
        """What a change may be and still be rounding; measured only if it is not small anyway."""
        smallest = max(_IN_FLOAT64, min(32 * self._eps, 1e-2))
        return smallest if change <= smallest else max(smallest, 4 * self._rounding)

    @cached_property
    def _eps(self) -> float:
        return coarsest_eps(self.program.closed)

    @cached_property
    def _rounding(self) -> float:
        """The largest change if all numbers that come in are off by some roundings."""
        # Sums of many terms lose several digits, but those of half precision are taken in float32.
        share = self._eps * (8 if self._eps < 1e-4 else 2)
        nudges = (nudged(self.values, share, seed) for seed in range(_NUM_NUDGES))
        return max(self._change(one) for one in nudges)

    def _change(self, values: Values) -> float:
        outputs = self.program.run(values)
        pairs = zip(outputs, self.expected, strict=True)
        return max((_relative_change(*pair) for pair in pairs), default=0.0)


def begin(
    apply: Callable[..., Any], candidates: Sequence[Values], *, unasked: bool = False
) -> Trial | None:
    """A trial at the first of some values at which the function is finite; None if it never is.

    Functions that cannot run in float64, as those that hand float32 from step to step, run in the
    dtypes of the values. Unasked, a function with side effects is not run at all, and one with a
    loop that values end not at random values, at which it may never end.

    Raises: whatever the function raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the function has to say it says where it is used
        try:
            wide = [jax.tree.map(_wide, one) for one in candidates]
            return _begin(apply, wide, is_wide=True, unasked=unasked)
        except Exception:
            return _begin(apply, candidates, is_wide=False, unasked=unasked)


def _begin(
    apply: Callable[..., Any], candidates: Sequence[Values], *, is_wide: bool, unasked: bool
) -> Trial | None:
    program = _program(apply, candidates[0], is_wide=is_wide)
    if unasked and program.closed.effects:
        return None
    for values in candidates:
        if unasked and values.are_drawn and has_while(program.closed):
            continue
        host = dataclasses.replace(values, params=_trees.to_host(values.params))
        expected = program.run(host)
        if _tells_something(expected):
            return Trial(program, host, expected)
    return None


def _program(apply: Callable[..., Any], values: Values, *, is_wide: bool) -> Program:
    def precision() -> contextlib.AbstractContextManager[Any]:
        return jax.enable_x64(True) if is_wide else contextlib.nullcontext()

    # Accelerators round what they multiply to fewer digits than its dtype has, if they may.
    with precision(), jax.default_matmul_precision("highest"):
        closed = jax.make_jaxpr(apply)(values.params, *values.inputs)
    compiled = jax.jit(jaxpr_as_fun(closed), compiler_options=_QUICK_TO_COMPILE)

    def run(values: Values) -> list[np.ndarray]:
        with precision():
            return [_as_numbers(leaf) for leaf in compiled(*jax.tree.leaves(values))]

    return Program(closed, run)


def _wide(leaf: Any) -> Any:
    """A number in float64 or complex128; everything else as it is."""
    dtype = jnp.result_type(leaf)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return np.asarray(leaf).astype(np.complex128)
    return np.asarray(leaf).astype(np.float64) if jnp.issubdtype(dtype, jnp.floating) else leaf


def _as_numbers(leaf: Any) -> np.ndarray:
    """An output of any dtype, keys among them, as numbers that can be subtracted."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    is_complex = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
    return np.asarray(leaf).astype(np.complex128 if is_complex else np.float64)


def _tells_something(outputs: Sequence[np.ndarray]) -> bool:
    """Whether outputs hold finite numbers and no NaN; masks may be infinite."""
    numbers = np.concatenate([np.ravel(one) for one in outputs]) if outputs else np.zeros(1)
    return not np.isnan(numbers).any() and bool(np.isfinite(numbers).any() or numbers.size == 0)


def _relative_change(output: np.ndarray, expected: np.ndarray) -> float:
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
