"""A symmetry as a table: every group with its size and arrays, and why others stay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nested_networks import INPUTS, PARAMS, attention

from onebasin.symmetry import find_symmetry

FOUND = find_symmetry(attention, PARAMS, INPUTS)


def test_the_table_lists_every_group_and_the_number_of_equivalent_settings() -> None:
    lines = str(FOUND).splitlines()
    assert lines[0].split()[:2] == ["group", "units"]
    assert [line.split()[0] for line in lines[1:6]] == list(FOUND.sizes)
    assert f"10^{FOUND.log10_num_equivalent():.1f} weight settings" in lines[6]
    heads = next(line for line in lines if "merge:0, qkv:1" in line and "(2)" not in line)
    assert heads.split()[1] == "2"


def test_the_table_says_why_axes_are_not_permuted() -> None:
    assert "Not permuted: embed, axis 0 (an axis of the inputs)." in str(FOUND)
    assert "Not permuted: out, axis 1 (reaches the output)." in str(FOUND)


def test_notebooks_get_a_table_with_escaped_text() -> None:
    odd = find_symmetry(
        lambda p, x: x @ p["<a>"] @ p["b"],
        {"<a>": np.ones((2, 3)), "b": np.ones((3, 1))},
        np.ones((1, 2)),
    )
    page = odd._repr_html_()
    assert page.startswith("<table>")
    assert "&lt;a&gt;:1" in page
    assert "<a>" not in page


def test_positions_that_matter_are_named_by_what_reads_them() -> None:
    found = find_symmetry(
        lambda p, x: jnp.cumsum(x @ p["w"], axis=-1).sum(axis=-1),
        {"w": np.ones((2, 3))},
        np.ones((4, 2)),
    )
    assert found.sizes == {}
    assert found.frozen["w, axis 1"] == "position-dependent: cumsum"


def test_integers_among_the_params_are_refused() -> None:
    with pytest.raises(TypeError, match="floating point. Got int64 at steps"):
        find_symmetry(lambda p, x: x, {"steps": np.ones(3, np.int64)}, np.ones(3))


def test_a_function_that_closes_over_its_params_is_refused() -> None:
    weights = np.ones((2, 3))
    with pytest.raises(ValueError, match="must be a function of its params.*instead of closing"):
        find_symmetry(lambda p, x: x @ weights, {"w": weights}, np.ones((4, 2)))


def test_shapes_that_depend_on_values_are_refused() -> None:
    with pytest.raises(ValueError, match="must not depend on the values"):
        find_symmetry(lambda p, x: p["w"][p["w"] > 0].sum(), {"w": np.ones(3)}, np.ones(3))


def test_random_numbers_are_named_in_a_warning() -> None:
    def dropout(p: dict, x: jax.Array) -> jax.Array:
        hidden = x @ p["w"]
        return (hidden * jax.random.bernoulli(jax.random.key(0), 0.5, hidden.shape)) @ p["v"]

    params = {"w": np.ones((2, 3)), "v": np.ones((3, 1))}
    with pytest.warns(UserWarning, match="without dropout"):
        assert find_symmetry(dropout, params, np.ones((4, 2))).sizes == {}


def test_a_primitive_without_a_rule_is_named_in_a_warning_that_says_how_to_mend_it() -> None:
    def whitened(p: dict, x: jax.Array) -> jax.Array:
        hidden = x @ p["w"]
        return jnp.linalg.cholesky(hidden.T @ hidden + jnp.eye(3))

    with pytest.warns(UserWarning, match=r"with a rule .* Got 'cholesky'.*jax\.numpy, or declare"):
        found = find_symmetry(whitened, {"w": np.ones((2, 3))}, np.ones((4, 2)))
    assert found.frozen["w, axis 1"] == "position-dependent: cholesky"
