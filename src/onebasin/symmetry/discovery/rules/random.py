"""Random numbers: they depend on where they are drawn."""

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.jax_names import KEYS, RANDOM
from onebasin.symmetry.discovery.values import Value


def at_random(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Random numbers depend on where they are drawn."""
    analysis.notes[
        f"{equation.name}: random numbers keep the order of what they meet; analyse the network "
        "as it predicts, without dropout"
    ] = None
    return analysis.keep_order(operands, equation, f"position-dependent: {equation.name}")


def of_keys(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Keys are split in a fixed order, which is nothing to tell of."""
    return analysis.keep_order(operands, equation, f"position-dependent: {equation.name}")


RULES: dict[str, Rule] = {
    **dict.fromkeys(RANDOM, at_random),
    **dict.fromkeys(KEYS, of_keys),
}
