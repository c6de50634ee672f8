"""The incoming weights of units, whatever the layout: kernels, attention, stacked layers, norms."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from onebasin.fisher.by_unit import from_unit_rows, unit_fisher, unit_layers, unit_rows
from onebasin.gaussians.unit_blocks import UnitBlocks
from onebasin.networks import Network, posterior
from onebasin.pruning import conditional_copies
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry, find_symmetry
from onebasin.symmetry.axes import Axes

M, R = "makes", "reads"


def declared(shapes, roles) -> tuple[dict, Symmetry]:
    """Params whose entries are all different, and a symmetry that says roles alone."""
    params, first = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape, dtype=int))
        params[name] = np.arange(first, first + size, dtype=np.float32).reshape(shape)
        first += size
    axes = {name: Axes(*[None] * len(shape)) for name, shape in shapes.items()}
    return params, Symmetry.of(axes, params, roles=roles)


def rows_of(shapes, roles) -> dict[str, np.ndarray]:
    """The rows of all units, after they were found to be all that there is."""
    params, symmetry = declared(shapes, roles)
    layers = unit_layers(params, symmetry)
    rows = unit_rows(params, layers)
    jax.tree.map(np.testing.assert_array_equal, from_unit_rows(rows, layers, params), params)
    return rows


@pytest.mark.parametrize(
    ("shapes", "roles", "expected"),
    [
        ({"conv.weight": (6, 2, 3, 3), "conv.bias": (6,)},
         {"conv.weight": (M, R, R, R), "conv.bias": (M,)}, {"conv (6)": (6, 19)}),
        ({"conv/kernel": (3, 3, 2, 6), "conv/bias": (6,)},
         {"conv/kernel": (R, R, R, M), "conv/bias": (M,)}, {"conv (6)": (6, 19)}),
        ({"conv/weight": (6, 2, 3, 3), "conv/bias": (6, 1, 1)},
         {"conv/weight": (M, R, R, R), "conv/bias": (M, M, M)}, {"conv (6)": (6, 19)}),
        ({"q/kernel": (4, 2, 3), "q/bias": (2, 3)},
         {"q/kernel": (R, M, M), "q/bias": (M, M)}, {"q (6)": (6, 5)}),
        ({"o/kernel": (2, 3, 4), "o/bias": (4,)},
         {"o/kernel": (R, R, M), "o/bias": (M,)}, {"o (4)": (4, 7)}),
        ({"layers/w": (3, 4, 5), "layers/b": (3, 5)},
         {"layers/w": (M, R, M), "layers/b": (M, M)}, {"layers (15)": (15, 5)}),
        ({"out.weight": (1, 4), "out.bias": (1,)},
         {"out.weight": (None, R), "out.bias": (None,)}, {"out (1)": (1, 5)}),
        ({"norm.weight": (3,), "norm.running_var": (3,), "scale": ()},
         {"norm.weight": (M,), "norm.running_var": (M,), "scale": ()},
         {"norm.weight": (3, 1), "norm.running_var": (3, 1), "scale": (1, 1)}),
    ],
)  # fmt: skip
def test_a_row_holds_what_a_unit_is_made_of(shapes, roles, expected) -> None:
    assert {name: rows.shape for name, rows in rows_of(shapes, roles).items()} == expected


def test_the_same_weights_are_in_a_row_in_every_layout() -> None:
    first = rows_of({"w": (4, 6)}, {"w": (R, M)})[" (6)"]
    last = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(first, last.T)
    heads = rows_of({"w": (4, 2, 3)}, {"w": (R, M, M)})[" (6)"]
    np.testing.assert_array_equal(heads, last.T)


def tied(p, x):
    return jnp.tanh(x @ p["w"]) @ p["w"].T


def tied_problem():
    params = {"w": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)}
    inputs = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    symmetry = find_symmetry(tied, params, inputs)
    data = SimpleNamespace(inputs=inputs, targets=np.arange(8) % 3)
    return posterior(Network(lambda key: params, tied, None, symmetry), data), params


@pytest.mark.parametrize(
    "use",
    [
        lambda problem, params, key: unit_fisher(problem, params, key=key),
        lambda problem, params, key: conditional_copies(problem, params, (0.5,), key=key),
    ],
)
def test_a_kernel_that_makes_and_reads_on_both_axes_is_refused(use, key) -> None:
    with pytest.raises(ValueError, match=r"needs the role of axis 0 of 'w': .* Got none, or both"):
        use(*tied_problem(), key)


def test_its_roles_may_be_said_by_hand(key) -> None:
    problem, params = tied_problem()
    said = dataclasses.replace(problem.network.symmetry, roles={"w": (R, M)})
    network = problem.network._replace(symmetry=said)
    data = SimpleNamespace(inputs=problem.inputs, targets=problem.targets)
    fisher = unit_fisher(posterior(network, data), params, key=key)
    assert [block.shape for block in fisher[" (4)"]] == [(3, 3)] * 4


def two_layers(roles=None):
    shapes = {"a": (3, 2), "b": (4, 3), "c": (1, 4)}  # outputs first
    rng = np.random.default_rng(0)
    draws = {name: rng.normal(size=(1, 5, *s)).astype(np.float32) for name, s in shapes.items()}
    axes = {"a": Axes("g", None), "b": Axes("h", "g"), "c": Axes(None, "h")}
    one = {name: leaf[0, 0] for name, leaf in draws.items()}
    return UnitBlocks(Samples(draws), Symmetry.of(axes, one, roles=roles))


def test_a_kernel_between_hidden_layers_goes_with_the_units_that_it_makes(key) -> None:
    blocks = two_layers({"b": (M, R)})
    drawn = blocks.sample(4000, key=key)["b"].reshape(4000, 4, 3)
    along = np.corrcoef(drawn.reshape(4000, -1), rowvar=False).reshape(4, 3, 4, 3)
    of_one, of_two = (abs(along[0, 0, 0, 1:]).max(), abs(along[0, 0, 1:, 0]).max())
    assert of_two < 0.1 < of_one
    # (2), (3 and 1) weights for each of three and four units.
    assert blocks.values_per_weight == round((3 * (2 + 3) + 4 * (4 + 10)) / 22)


def test_a_kernel_between_hidden_layers_needs_roles(key) -> None:
    with pytest.raises(ValueError, match="block for each unit needs the role of axis 0 of 'b'"):
        two_layers().sample(1, key=key)
