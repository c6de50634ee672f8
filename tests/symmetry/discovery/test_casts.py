"""Numbers under another dtype: their words, and their signs."""

from collections.abc import Callable

import jax.numpy as jnp
import pytest
from jax import lax
from proof import flipped, found_and_proved

from onebasin import Symmetry

pytestmark = pytest.mark.usefixtures("ranks_promote", "float64")


def found(apply: Callable, params: dict) -> Symmetry:
    """What is found of a function of params by their shapes, and proved."""
    return found_and_proved(lambda p, _: apply(p), params, ())


BITS = {
    "cut into words": (lambda h: lax.bitcast_convert_type(h, "uint32")[..., 1] >> 12, {"w": 4}),
    "cut into words and joined": (
        lambda h: lax.bitcast_convert_type(lax.bitcast_convert_type(h, "uint32"), "float64"),
        {"w": 4},
    ),
    "joined of neighbours": (
        lambda h: lax.bitcast_convert_type((h > 0).astype("uint8").reshape(2, 2), "uint16"),
        {"w": 2},
    ),
}


@pytest.mark.parametrize("name", BITS)
def test_bits_under_a_dtype_of_another_size(name: str) -> None:
    bits, sizes = BITS[name]
    apply: Callable = lambda p: jnp.sum(bits(p["w"].astype("float64")).astype("float64") ** 2)
    assert found(apply, {"w": (4,)}).sizes == sizes


def test_what_is_cast_to_whole_numbers_has_no_sign() -> None:
    """Unsigned ones lose it, and signed ones reach one further below zero than above."""
    cast = lambda dtype: lambda p: jnp.sum((5 * jnp.tanh(p["w"])).astype(dtype).astype(float) ** 2)
    for dtype in ("uint8", "uint32", "int8", "int32"):
        symmetry = found(cast(dtype), {"w": (3,)})
        assert symmetry.sizes == {"w": 3}
        assert symmetry.signs == {}
    assert flipped(found(cast("float32"), {"w": (3,)})) == [["w"]]


def test_which_case_is_chosen_depends_on_the_sign_of_its_number() -> None:
    def apply(p):
        which = lax.round(jnp.tanh(p["w"])).astype("int32")
        return jnp.sum(lax.select_n(which, p["a"], p["b"], p["c"]) * p["w"] ** 2)

    names = ("w", "a", "b", "c")
    signs = flipped(found(apply, dict.fromkeys(names, (3,))))
    assert all("w" not in leaves for leaves in signs)
