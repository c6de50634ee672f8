"""Linear systems: the solutions of the equations that the walks for signs and scales collect.

Signs are vectors over GF(2), the numbers 0 and 1 modulo 2. They are written as the bits of an
integer: 0b101 is the sum of variables 0 and 2. Powers of scales are rational numbers, so that a sum
of their multiples is a `LinearForm`.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import TypeAlias

LinearForm: TypeAlias = tuple[tuple[int, Fraction], ...]
"""A sum of multiples of variables: pairs of the number of a variable and its coefficient, sorted by
variable and without zeros. `((0, 1), (2, -1/2))` is x0 - x2 / 2."""


def binary_null_space(sums: Iterable[int], variables: Sequence[int]) -> list[int]:
    """A basis of the bit vectors v with sum . v = 0 (mod 2) for each of the sums.

    Only `variables`, the numbers of some bits, may be 1 in v. Gauss-Jordan elimination: `rows` are
    the reduced sums by their pivots, and every variable that is no pivot gives one basis vector.

    Example: the sums [0b011] over the variables [0, 1] have the basis [0b11].
    """
    rows: dict[int, int] = {}
    for vector in sums:
        for pivot, row in rows.items():
            if vector >> pivot & 1:
                vector ^= row
        if vector:
            pivot = vector.bit_length() - 1
            rows = {p: row ^ vector if row >> pivot & 1 else row for p, row in rows.items()}
            rows[pivot] = vector
    free = [number for number in variables if number not in rows]
    return [
        sum((1 << pivot for pivot, row in rows.items() if row >> number & 1), 1 << number)
        for number in free
    ]


def independent_vectors(vectors: Iterable[int]) -> list[int]:
    """Bit vectors with the same span, none of which is a sum of others.

    Vectors that are left are reduced by those before them, and are kept if they are not 0.
    """
    rows: list[int] = []
    for vector in vectors:
        for row in rows:
            vector = min(vector, vector ^ row)
        if vector:
            rows.append(vector)
    return rows


def sparse_basis(vectors: list[int]) -> list[int]:
    """A basis of the same span whose vectors have few bits.

    As long as the sum of two vectors has fewer bits than one of them, it replaces that one. The
    result need not be the sparsest basis.
    """
    basis = list(vectors)
    shorter = True
    while shorter:
        shorter = False
        for i, j in combinations(range(len(basis)), 2):
            total = basis[i] ^ basis[j]
            longer = i if basis[i].bit_count() >= basis[j].bit_count() else j
            if total.bit_count() < basis[longer].bit_count():
                basis[longer], shorter = total, True
    return basis


def add_forms(left: LinearForm, right: LinearForm, factor: Fraction) -> LinearForm:
    """The form `left + factor * right`."""
    total = dict(left)
    for variable, coefficient in right:
        total[variable] = total.get(variable, Fraction(0)) + factor * coefficient
    return tuple(sorted((variable, c) for variable, c in total.items() if c))


def rational_null_space(
    forms: Sequence[LinearForm], variables: Sequence[int]
) -> list[dict[int, Fraction]]:
    """A basis of the values of the variables for which each of the forms is 0.

    A basis vector gives a number for each variable that is not 0. Gauss-Jordan elimination as in
    `binary_null_space`; `rows` have the coefficient 1 at their pivot.

    Example: the form x0 + x1 has the basis [{0: 1, 1: -1}].
    """
    rows: dict[int, dict[int, Fraction]] = {}
    for form in forms:
        row = dict(form)
        for pivot in [number for number in row if number in rows]:
            row = _eliminate(row, pivot, rows[pivot])
        if row:
            pivot = max(row)
            row = {number: c / row[pivot] for number, c in row.items()}
            rows = {p: _eliminate(earlier, pivot, row) for p, earlier in rows.items()}
            rows[pivot] = row
    return [
        {number: Fraction(1)} | {p: -row[number] for p, row in rows.items() if number in row}
        for number in variables
        if number not in rows
    ]


def _eliminate(
    row: dict[int, Fraction], pivot: int, pivot_row: dict[int, Fraction]
) -> dict[int, Fraction]:
    """The row minus the multiple of `pivot_row` (1 at the pivot) that makes its pivot 0."""
    factor = row.get(pivot, Fraction(0))
    total = {
        n: row.get(n, Fraction(0)) - factor * pivot_row.get(n, Fraction(0))
        for n in {*row, *pivot_row}
    }
    return {number: c for number, c in total.items() if c}
