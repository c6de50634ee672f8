"""A rule without a fuzz case fails, and a wrong rule is found."""

import random
import sys
from collections import Counter
from functools import cache

import jax
import numpy as np
import pytest
from equivalents import equations
from jax.extend.core import Primitive
from operations import FAMILIES
from programs import Program
from scope import NothingFits, Scope, evaluate
from trial import try_program

from onebasin.symmetry.discovery.rules import RULES

pytestmark = [pytest.mark.usefixtures("ranks_promote", "float64"), pytest.mark.slow]
NUM_TRIES = 4
VARIABLES = {
    "x": ("float64", 3),
    "t": ("int32", 2),
    "a": ("float64", 4, 2),
    "b": ("float64", 2, 4),
    "c": ("float64", 4),
    "d": ("float64", 2, 2, 3),
    "e": ("float64", 1, 2),
    "i": ("int32", 2, 4),
    "j": ("int32",),
    "k": ("int32", 3),
    "l": ("bool", 2, 4),
    "m": ("complex128", 2, 4),
}


@cache
def primitives_of_operations() -> set[str]:
    """The names of all primitives that some operation makes, in any of a few tries each."""
    tries = [
        (family, name, number)
        for family, operations in FAMILIES.items()
        for name in operations
        for number in range(NUM_TRIES)
    ]
    return set().union(*(_primitives(*one) for one in tries))


def _primitives(family: str, name: str, number: int) -> set[str]:
    shapes = {n: jax.ShapeDtypeStruct(s[1:], s[0]) for n, s in VARIABLES.items()}
    scope = Scope(random.Random(f"{name}{number}").choice, shapes)
    try:
        FAMILIES[family][name](scope)
    except NothingFits:
        return set()
    body = [*scope.lines, "return " + ", ".join(set(scope.variables) - set(shapes) or ["0"])]
    source = "\n    ".join([f"def program({', '.join(VARIABLES)}):", *body])
    closed = jax.make_jaxpr(evaluate("program", {}, source))(*shapes.values())
    return {equation.primitive.name for equation in equations(closed.jaxpr)}


def primitives_of_jax() -> set[str]:
    """The names of all primitives that the installed JAX has."""
    modules = [m for name, m in list(sys.modules.items()) if name.split(".")[0] == "jax"]
    found = (value for module in modules for value in list(vars(module).values()))
    return {value.name for value in found if isinstance(value, Primitive)}


def without_a_case(rules: dict) -> set[str]:
    return set(rules) & primitives_of_jax() - primitives_of_operations()


def test_every_primitive_that_has_a_rule_occurs_in_programs() -> None:
    assert without_a_case(RULES) == set()


def test_a_new_rule_must_have_a_case() -> None:
    assert without_a_case({**RULES, "cholesky": RULES["tanh"]}) == {"cholesky"}


def test_few_rules_are_of_primitives_that_the_installed_jax_lacks() -> None:
    """Names of other versions are told by that; a rule that is misspelled would be as well."""
    assert len(set(RULES) - primitives_of_jax()) <= 15


WRONG = {
    "cumsum": "jnp.sum(jnp.cumsum(jnp.sin(w0) + w1) ** 2)",
    "rev": "jnp.sum(lax.rev(jnp.sin(w0), (0,)) * w1)",
    "sort": "jnp.sum(lax.sort(w0) * jnp.sin(w1))",
    "cos": "jnp.sum(w0 * w1) + jnp.sum(lax.cos(w0) * w1)",
}
"""Programs that are told wrong where a rule takes its operand for what it gives."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {n: jax.ShapeDtypeStruct((3,), "float64") for n in ("w0", "w1")}
    source = f"def program(p, x, t):\n    w0, w1 = p['w0'], p['w1']\n    return {WRONG[name]},\n"
    program, counts = Program(source, params, seed=1), Counter[str]()
    try_program(program, counts)
    if name == "cos":  # what is even is taken for odd
        monkeypatch.setattr("onebasin.symmetry.discovery.parity._EVEN", frozenset())
        odd = frozenset({"cos", "mul", "reduce_sum", "add"})
        monkeypatch.setattr("onebasin.symmetry.discovery.parity._ODD_OR_LINEAR", odd)
    else:
        monkeypatch.setitem(RULES, name, lambda analysis, equation, operands: operands)
    with pytest.raises(AssertionError, match="change the program"):
        try_program(program, counts)
    assert np.all(counts["programs"] == 1)
