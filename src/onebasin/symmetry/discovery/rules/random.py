"""Random numbers: which numbers are drawn depends on the place in the array."""

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.jax_names import KEYS, RANDOM
from onebasin.symmetry.discovery.values import Value


def random_numbers(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """random_bits, ...: out[i] = draw(key, i). Labels of i are frozen, and a warning says so."""
    analysis.notes[
        f"apply must not draw random numbers. Got the primitive {equation.name!r}: units that are "
        "combined with random numbers keep their order. Give the network as it is in evaluation, "
        "without dropout."
    ] = None
    return analysis.freeze_operands(operands, equation, f"position-dependent: {equation.name}")


def random_keys(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """random_split, ...: out[i] = key number i. Labels of i are frozen, without a warning.

    A key that is only made changes nothing; what is drawn with it warns.
    """
    return analysis.freeze_operands(operands, equation, f"position-dependent: {equation.name}")


RULES: dict[str, Rule] = {
    **dict.fromkeys(RANDOM, random_numbers),
    **dict.fromkeys(KEYS, random_keys),
}
