"""parity: which units may change sign, from one more walk through a function.

Every axis of the params that lists units of a group gets an unknown: whether entries change sign
with their unit. Products add unknowns (mod 2), sums need them to be equal, odd functions hand
them on, even ones forget them, and all others need them to be 0, as the function's outputs do.
What solves these equations are the signs of a group.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from onebasin.symmetry.discovery.jax_names import ADDING, CALLS, INDICES, LOOPS, OVERWRITING
from onebasin.symmetry.discovery.labels import (
    Factor,
    Flat,
    Label,
    Marked,
    Run,
    Zeros,
    keep_signs,
    labels_in,
    resolve,
    size_of,
    unmarked,
)
from onebasin.symmetry.discovery.marks import Mark
from onebasin.symmetry.discovery.values import Value

_ODD_OR_LINEAR = frozenset(
    {
        "add", "add_any", "asin", "asinh", "atan", "atanh", "cbrt", "complex", "conj", "copy",
        "copy_p", "div", "dot_general", "conv_general_dilated", "cumsum", "erf", "erf_inv", "fft",
        "imag", "mul", "neg",
        "real", "reduce_precision", "reduce_sum", "reduce_window_sum", "round", "select_n", "sign",
        "sin", "sinh", "stop_gradient", "sub", "tan", "tanh",
        "reshape", "squeeze", "transpose", "broadcast_in_dim", "concatenate", "stack", "unstack",
        "slice", "split", "rev", "dynamic_slice", "dynamic_update_slice", "gather", "tile",
    }
    | OVERWRITING | ADDING | CALLS | LOOPS
)  # fmt: skip
"""What their operands' signs become is said by their rules."""

_LINEAR = CALLS | {
    "broadcast_in_dim", "concatenate", "conv_general_dilated", "convert_element_type", "copy",
    "dot_general", "mul", "neg", "reduce_sum", "reshape", "slice", "split", "squeeze", "stack",
    "transpose", "unstack",
}  # fmt: skip
"""What gives blocks of zeros where an operand has them, whatever else it has."""

_EVEN = frozenset({"abs", "cos", "cosh", "is_finite", "square"})


@dataclasses.dataclass(frozen=True)
class Parity:
    """Whether entries change sign with those of a label: a sum of unknowns, each 0 or 1, mod 2.

    `unknowns` has a bit for each of them; `zeros` collects the sums that have to be 0.
    """

    unknowns: int
    zeros: set[int] = dataclasses.field(compare=False)

    def meet(self, other: "Parity", *, is_product: bool) -> "Parity":
        """Products add up signs; for all else both must be the same."""
        total = Parity(self.unknowns ^ other.unknowns, self.zeros)
        if is_product:
            return total
        total.keep()
        return self

    def keep(self) -> None:
        """Entries do not change sign."""
        if self.unknowns:
            self.zeros.add(self.unknowns)


def of_operands(name: str, params: dict[str, Any], operands: Sequence[Value]) -> list[Value]:
    """The operands of a primitive with the signs that its rule may see."""
    if not keeps_zeros(name, operands):
        operands = [without_zeros(value) for value in operands]
    if any(value.is_zero for value in _factors(name, operands)):
        return [unsigned(value) for value in operands]  # zeros have any sign
    odd, even = name in _ODD_OR_LINEAR, name in _EVEN
    if name == "integer_pow":
        odd, even = params["y"] % 2 == 1, params["y"] % 2 == 0
    elif name == "convert_element_type":
        odd = np.dtype(params["new_dtype"]).kind not in "biu"  # whole numbers saturate unevenly
    elif name == "pad":
        odd = operands[1].is_zero
    if even:
        return [unsigned(value) for value in operands]
    if not odd:
        return [positive(value) for value in operands]
    return without_indices(name, operands)


def without_indices(name: str, operands: Sequence[Value]) -> list[Value]:
    """The operands of a primitive, of which those that are indices do not change sign."""
    found = list(operands)
    if name == "select_n":
        found[0] = positive(found[0])
    if name in INDICES:
        found[INDICES[name]] = map(positive, found[INDICES[name]])
    return found


def known_product(
    name: str, params: dict[str, Any], operands: Sequence[Value], shapes: Sequence[Sequence[int]]
) -> np.ndarray | None:
    """The zeros that a product gives if a factor is 0, as recurrent states are at first."""
    for value in _factors(name, operands):
        if value.known is not None and value.is_zero:
            dtype = params.get("preferred_element_type") or value.known.dtype
            return np.broadcast_to(np.zeros((), dtype), shapes[0])
    return None


def _factors(name: str, operands: Sequence[Value]) -> Sequence[Value]:
    """Operands of which one that is 0 makes everything 0."""
    if name == "div":
        return operands[:1]
    return operands if name in ("conv_general_dilated", "dot_general", "mul") else ()


def keeps_zeros(name: str, operands: Sequence[Value]) -> bool:
    """Whether blocks in which an operand is 0 are such blocks of what a primitive gives."""
    if name in ("add", "add_any", "sub"):
        return all(value.ndim or value.is_zero for value in operands)
    return name in _LINEAR or (name == "pad" and operands[1].is_zero)


def without_zeros(value: Value) -> Value:
    """A value whose blocks of zeros are like all that are flat."""
    plain = lambda factor: Flat(factor.size) if isinstance(factor, Zeros) else factor
    blocks = {
        key: tuple(tuple(map(plain, run)) for run in runs) for key, runs in value.blocks.items()
    }
    return value._replace(blocks=blocks)


def with_zeros(value: Value) -> Value:
    """A value whose numbers are known to be 0, in blocks that say so."""
    if not value.is_zero:
        return value
    blocks = {
        key: tuple(resolve([Zeros(size_of(run))]) for run in runs)
        for key, runs in value.blocks.items()
    }
    return value._replace(blocks=blocks)


def positive(value: Value) -> Value:
    """A value none of whose entries changes sign: that is a condition on the unknowns."""
    return value.marked(keep_signs)


def is_signed(value: Value) -> bool:
    """Whether entries of a value may change sign."""
    runs = (run for axis in range(value.ndim) for run in value.at(axis))
    return any(isinstance(factor, Marked) for run in runs for factor in run)


def unsigned(value: Value) -> Value:
    """A value as such none of whose entries changes sign."""
    return value.marked(unmarked)


class Place(NamedTuple):
    """A label in the params: which array, block, axis and factor of the axis list it."""

    argument: int
    block: tuple[int, ...]
    axis: int
    factor: int


class Unknowns:
    """The unknowns of a walk, the sums of them that have to be 0, and what solves these."""

    def __init__(self) -> None:
        self.zeros: set[int] = set()
        self._labels: list[Label] = []
        self._places: list[Place | None] = []

    def mark(self, number: int) -> Mark:
        """An unknown by its number."""
        return Parity(1 << number, self.zeros)

    def of_operands(
        self, name: str, params: dict[str, Any], operands: Sequence[Value]
    ) -> list[Value]:
        """The operands of a primitive with the signs that its rule may see."""
        return of_operands(name, params, operands)

    def ask(self, argument: int, value: Value) -> Value:
        """An argument with an unknown for each place that lists units of a group."""
        blocks = {
            key: tuple(
                self._asked(run, lambda at, key=key, axis=axis: Place(argument, key, axis, at))
                for axis, run in enumerate(runs)
            )
            for key, runs in value.blocks.items()
        }
        return value._replace(blocks=blocks)

    def ask_again(self, value: Value) -> Value:
        """A value with unknowns of its own, as loops need for what they hand on."""
        return unsigned(value).marked(lambda run: self._asked(run, lambda at: None))

    def _asked(self, run: Run, place_of: Callable[[int], Place | None]) -> Run:
        if any(label.segments for label in labels_in(run)):
            return resolve(run)  # signs of units that lie inside of others in segments are missed
        found: list[Factor] = []
        for at, factor in enumerate(resolve(run)):
            if isinstance(factor, Label) and factor.frozen is None:
                mark = self.mark(len(self._labels))
                self._labels.append(factor)
                self._places.append(place_of(at))
                factor = Marked(factor, mark)
            found.append(factor)
        return tuple(found)

    def solutions(self) -> list[tuple[Label, list[Place]]]:
        """For each label sets of places that change sign together, none a sum of others."""
        found: list[tuple[Label, list[Place]]] = []
        of_label: dict[Label, list[int]] = {}
        for number, label in enumerate(self._labels):
            of_label.setdefault(label, []).append(number)
        sums: dict[Label, list[int]] = {label: [] for label in of_label}
        for zero in self.zeros:
            bits = [n for n in range(zero.bit_length()) if zero >> n & 1]
            labels = {self._labels[n] for n in bits}
            # Only its own entries meet those of a label. Where others do, none may change sign.
            parts = [zero] if len(labels) == 1 else [1 << n for n in bits]
            for part in parts:
                sums[self._labels[part.bit_length() - 1]].append(part)
        in_params = sum(1 << n for n, place in enumerate(self._places) if place is not None)
        for label, numbers in of_label.items():
            vectors = (one & in_params for one in _null_space(sums[label], numbers))
            for vector in _sparse(independent(vectors)):
                places = (p for n, p in enumerate(self._places) if vector >> n & 1)
                found.append((label, [p for p in places if p is not None]))
        return found


def _null_space(sums: Iterable[int], numbers: Sequence[int]) -> list[int]:
    """A basis of the bit vectors over these unknowns whose overlap with every sum is even."""
    rows: dict[int, int] = {}
    for one in sums:
        for pivot, row in rows.items():
            if one >> pivot & 1:
                one ^= row
        if one:
            pivot = one.bit_length() - 1
            rows = {p: row ^ one if row >> pivot & 1 else row for p, row in rows.items()}
            rows[pivot] = one
    free = [number for number in numbers if number not in rows]
    return [
        sum((1 << pivot for pivot, row in rows.items() if row >> number & 1), 1 << number)
        for number in free
    ]


def independent(vectors: Iterable[int]) -> list[int]:
    """Bit vectors with the same span, none of which is a sum of others."""
    rows: list[int] = []
    for vector in vectors:
        for row in rows:
            vector = min(vector, vector ^ row)
        if vector:
            rows.append(vector)
    return rows


def _sparse(vectors: list[int]) -> list[int]:
    """The same span from vectors with few bits, as far as sums of pairs go."""
    found = list(vectors)
    shorter = True
    while shorter:
        shorter = False
        for i, j in combinations(range(len(found)), 2):
            total = found[i] ^ found[j]
            longer = i if found[i].bit_count() >= found[j].bit_count() else j
            if total.bit_count() < found[longer].bit_count():
                found[longer], shorter = total, True
    return found
