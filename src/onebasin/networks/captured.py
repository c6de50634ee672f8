"""Captured: the activations of any function, found among the arrays that it computes.

An array lists the units of a group along an axis if permuting the group in the params permutes
the array along that axis. This is measured: the function is run at its params and once more for
each group and each sign, and the *signatures* of its arrays are compared.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin.networks.intermediates import Intermediates, Plan, intermediates
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permute import permute
from onebasin.symmetry.trial_values import varied, varied_inputs
from onebasin.types import Array, Params

_QUICK_TO_COMPILE = {"xla_backend_optimization_level": "0"}  # it runs a few times alone
_NUM_INPUTS = 8
"""At how many inputs arrays are compared."""


class _Spot(NamedTuple):
    """The number of an intermediate, and the axis of it that lists units."""

    number: int
    axis: int


_Signatures: TypeAlias = dict[_Spot, np.ndarray]
_Choice: TypeAlias = dict[str, list[_Spot]]
"""The arrays that are the activations of each group."""


class CapturedActivations:
    """`activations(params, inputs)` of any function, as in `Network.activations`.

    Of each group these are the arrays that products or convolutions read, with all of their rows
    one behind the other. If no such array lists the units, it is the last one that does. If the
    group has one sign, its arrays flip with it. If it has several, they flip with none.

    Which arrays these are is found out when they are first needed.

    Args:
        apply: The function of params and a batch of inputs.
        symmetry: Its groups, of which none is nested.
        params: Params at which the function is finite.
        inputs: Inputs at which units differ.
    """

    def __init__(
        self,
        apply: Callable[[Params, Array], Array],
        symmetry: Symmetry,
        params: Params,
        inputs: Array,
    ):
        self._apply, self._symmetry = apply, symmetry
        self._params = varied(_trees.to_host(params))
        self._inputs = varied_inputs(np.asarray(inputs)[:_NUM_INPUTS])
        self._choices: dict[tuple[str, ...], _Choice] = {}

    def __call__(self, params: Params, inputs: Array) -> dict[str, Float[Array, "rows units"]]:
        """The activations by group.

        Raises:
            ValueError: If no array lists the units of some group.
        """
        inputs = jnp.asarray(inputs)
        plan = jax.eval_shape(partial(intermediates, self._apply), params, inputs).plan
        choice = self._choice_for(plan, params, inputs)
        unseen = [group for group, spots in choice.items() if not spots]
        if unseen:
            raise ValueError(
                "Activations need an array of the function that lists the units of each group and "
                f"flips with its sign. Got none for {unseen}. Match by weights: weight_matching()."
            )
        return _activations(self._apply, choice, params, inputs)

    @property
    def are_seen(self) -> bool:
        """Whether some array lists the units of each group. It is found out at the first call."""
        if not self._choices:
            self._choose(self._params, self._inputs)
        first = next(iter(self._choices.values()))
        return all(first.values())

    def _choice_for(self, plan: Plan, params: Params, inputs: Array) -> _Choice:
        """The arrays of a program with this plan, for arrays like these.

        They are chosen at few inputs. If the function computes otherwise for more of them, they
        are chosen again at as many.
        """
        for num_inputs in (len(self._inputs), len(inputs)):
            if plan.names not in self._choices:
                own = jax.tree.map(lambda x, like: x.astype(like.dtype), self._params, params)
                rows = np.resize(self._inputs, (num_inputs, *inputs.shape[1:]))
                self._choose(own, rows.astype(inputs.dtype))
        return self._choices[plan.names]

    def _choose(self, params: Params, inputs: np.ndarray) -> None:
        """Choose the arrays for params and inputs of these shapes, and keep the choice."""
        signatures = partial(_signatures, self._apply, {*self._symmetry.sizes.values()})
        program = jax.jit(signatures, compiler_options=_QUICK_TO_COMPILE)
        with jax.default_matmul_precision("highest"):
            compiled = program.lower(params, inputs).compile()
        # Compiled as it is, so that it runs also while JAX traces a function that calls this one.
        run = lambda params: jax.tree.map(np.asarray, compiled(params, inputs))
        choice, plan = _choice(self._symmetry, run, params)
        self._choices[plan.names] = choice


@eqx.filter_jit
def _activations(
    apply: Callable[[Params, Array], Array], choice: _Choice, params: Params, inputs: Array
) -> dict[str, Float[Array, "rows units"]]:
    """The chosen arrays with the axis that lists units last, and all other axes as one."""
    arrays = intermediates(apply, params, inputs).arrays

    def rows(spot: _Spot) -> Array:
        array = arrays[spot.number]
        return jnp.moveaxis(array, spot.axis, -1).reshape(-1, array.shape[spot.axis])

    return {group: jnp.concatenate([*map(rows, spots)]) for group, spots in choice.items()}


def _signatures(
    apply: Callable[[Params, Array], Array], sizes: set[int], params: Params, inputs: Array
) -> Intermediates:
    r"""Every intermediate as a dict by axis, with two numbers for each entry along that axis.

    Axes that have none of these `sizes` are left out. The numbers are $\sum x |x|^2$ and
    $\sum |x|^3$ over all other axes. Permuting the entries of other axes leaves them as they are,
    and the first one changes sign with $x$. Cubes still differ between units whose sums and sums of
    squares a norm has made equal.
    """

    def of_axes(array: Array) -> dict[int, Array]:
        array = array.astype(jnp.promote_types(array.dtype, jnp.float32))
        largest = jnp.abs(array).max(initial=0.0)
        array = array / jnp.where(largest > 0, largest, jnp.ones_like(largest))
        others = lambda axis: tuple(other for other in range(array.ndim) if other != axis)
        cubes = array * jnp.abs(array) ** 2, (jnp.abs(array) ** 3).astype(array.dtype)
        return {
            axis: jnp.stack([cube.sum(axis=others(axis)) for cube in cubes])
            for axis, size in enumerate(array.shape)
            if size in sizes
        }

    found = intermediates(apply, params, inputs)
    return Intermediates([of_axes(array) for array in found.arrays], found.plan)


def _choice(
    symmetry: Symmetry, run: Callable[[Params], Intermediates], params: Params
) -> tuple[_Choice, Plan]:
    """The activations of each group, and the plan of the program that has them."""
    found, still = run(params), symmetry.identity()
    plan, before = found.plan, _by_spot(found)
    signatures = lambda permutation: _by_spot(run(permute(params, symmetry, permutation)))
    limit = min(max(1000 * plan.eps, 1e-10), 0.05)
    flipped: dict[str, set[_Spot]] = {}
    for name, entry in still.signs.items():
        after = signatures(symmetry.joined(still.units, {**still.signs, name: -entry}))
        flipped[name] = {at for at in before if _is_negated(before[at], after[at], limit)}
    choice: _Choice = {}
    for group, size in symmetry.sizes.items():
        rolled = np.roll(np.arange(size), 1)
        after = signatures(symmetry.joined({**still.units, group: rolled}, still.signs))
        spots = {at for at in before if _is_permuted(before[at], after[at], rolled, limit)}
        own = [flipped[name] for name, sign in symmetry.signs.items() if sign.group == group]
        spots = spots & own[0] if len(own) == 1 else spots.difference(*own)
        choice[group] = _read_or_last(sorted(spots), plan)
    return choice, plan


def _by_spot(found: Intermediates) -> _Signatures:
    return {
        _Spot(number, axis): signature
        for number, axes in enumerate(found.arrays)
        for axis, signature in axes.items()
    }


def _is_negated(before: np.ndarray, after: np.ndarray, limit: float) -> bool:
    """Whether all entries of an array have changed sign, by its signatures."""
    negated = np.array([[-1], [1]]) * before
    return _change(negated, after) <= limit and _change(before, after) > 4 * limit


def _is_permuted(
    before: np.ndarray, after: np.ndarray, permutation: np.ndarray, limit: float
) -> bool:
    """Whether the entries along an axis have been permuted, by their signatures.

    Entries that are all alike do not count. A single entry does.
    """
    if before.shape[-1] != len(permutation):
        return False
    is_permuted = _change(before[:, permutation], after) <= limit
    return is_permuted and (len(permutation) == 1 or _change(before, after) > 4 * limit)


def _change(expected: np.ndarray, signature: np.ndarray) -> float:
    """The largest difference of two signatures, as a share of the largest number.

    Infinite for an array of zeros, of which nothing can be said.
    """
    size = np.abs(expected).max()
    return np.inf if size == 0 else float(np.abs(signature - expected).max() / size)


def _read_or_last(spots: Sequence[_Spot], plan: Plan) -> list[_Spot]:
    """Of the arrays that list a group, those that are read, or else the last one.

    If an array is a view of others that list the group too, these are taken.
    """
    by_number = {spot.number: spot for spot in spots}

    def shown(number: int) -> list[int]:
        computed = sorted(source for source in plan.sources[number] if source in by_number)
        return computed or [number] * (number in by_number)

    read = dict.fromkeys(source for number in plan.reads for source in shown(number))
    last = shown(max(by_number)) if by_number else []
    return [by_number[number] for number in (read or last)]
