"""find_symmetry misses nothing: on tiny networks every permutation of every axis is tried."""

import itertools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from onebasin import find_symmetry

relu = jax.nn.relu


def residual(p: dict, x: jax.Array) -> jax.Array:
    stream = x @ p["embed"]
    return (stream + relu(stream @ p["up"]) @ p["down"]) @ p["out"]


def gated(p: dict, x: jax.Array) -> jax.Array:
    up, gate = jnp.split(x @ p["both"], 2, axis=-1)
    return (up * jax.nn.sigmoid(gate)) @ p["out"]


def normalized_in_groups(p: dict, x: jax.Array) -> jax.Array:
    h = (x @ p["w"]).reshape(-1, 2, 2)
    h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 0.1)
    return relu(h.reshape(-1, 4)) @ p["out"]


def heads(p: dict, x: jax.Array) -> jax.Array:
    apart = lambda name: (x @ p[name]).reshape(-1, 2, 2)
    weights = jax.nn.softmax(jnp.einsum("thd,shd->hts", apart("q"), apart("k")))
    return jnp.einsum("hts,shd->thd", weights, apart("k")).reshape(-1, 4) @ p["out"]


def recurrent(p: dict, x: jax.Array) -> jax.Array:
    step = lambda h, xt: (jnp.tanh(xt @ p["in"] + h @ p["again"]), None)
    return jax.lax.scan(step, jnp.zeros(3), x)[0] @ p["out"]


def convolved(p: dict, x: jax.Array) -> jax.Array:
    y = jax.lax.conv_general_dilated(
        x.T[None], p["kernel"], (1,), "VALID", dimension_numbers=("NCH", "OIH", "NCH")
    )
    return relu(y).reshape(-1) @ p["out"]


NETWORKS: dict[str, tuple[Callable, dict[str, tuple[int, ...]]]] = {
    "mlp": (
        lambda p, x: relu(x @ p["w"] + p["b"]) @ p["o"],
        {"w": (2, 3), "b": (3,), "o": (3, 2)},
    ),
    "two hidden layers": (
        lambda p, x: relu(relu(x @ p["w"]) @ p["v"]) @ p["o"],
        {"w": (2, 3), "v": (3, 3), "o": (3, 1)},
    ),
    "the same kernel twice": (
        lambda p, x: relu(relu(x @ p["e"]) @ p["w"]) @ p["w"] @ p["o"],
        {"e": (2, 3), "w": (3, 3), "o": (3, 2)},
    ),
    "residual": (residual, {"embed": (2, 3), "up": (3, 2), "down": (2, 3), "out": (3, 1)}),
    "gated": (gated, {"both": (2, 4), "out": (2, 2)}),
    "concatenated": (
        lambda p, x: jnp.concatenate([relu(x @ p["a"]), jnp.tanh(x @ p["b"])], -1) @ p["o"],
        {"a": (2, 2), "b": (2, 2), "o": (4, 1)},
    ),
    "normalized in groups": (normalized_in_groups, {"w": (2, 4), "out": (4, 2)}),
    "heads": (heads, {"q": (2, 4), "k": (2, 4), "out": (4, 1)}),
    "recurrent": (recurrent, {"in": (2, 3), "again": (3, 3), "out": (3, 1)}),
    "convolved": (convolved, {"kernel": (3, 2, 2), "out": (12, 1)}),
    "softmax over units": (
        lambda p, x: jax.nn.softmax(x @ p["w"]) @ p["o"],
        {"w": (2, 4), "o": (4, 2)},
    ),
    "running sum": (lambda p, x: jnp.cumsum(x @ p["w"], -1) @ p["o"], {"w": (2, 3), "o": (3, 2)}),
    "low rank": (lambda p, x: x @ (p["a"] @ p["b"]), {"a": (2, 3), "b": (3, 2)}),
}
MOST = 4
INPUTS = np.random.default_rng(0).standard_normal((5, 2))


def every_permutation(shapes: dict[str, tuple[int, ...]]) -> Iterator[dict]:
    """One permutation for every axis of every array; long axes are not tried one by one."""
    axes = [(name, axis) for name, shape in shapes.items() for axis in range(len(shape))]
    choices = [
        list(itertools.permutations(range(shapes[name][axis])))
        if 1 < shapes[name][axis] <= MOST
        else [tuple(range(shapes[name][axis]))]
        for name, axis in axes
    ]
    for chosen in itertools.product(*choices):
        yield dict(zip(axes, chosen, strict=True))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "convolved"])
def test_no_permutation_of_axes_is_missed(name: str, float64: None) -> None:
    apply, shapes = NETWORKS[name]
    rng = np.random.default_rng(1)
    params = {leaf: rng.standard_normal(shape) for leaf, shape in shapes.items()}
    apply = _as_written(apply)
    expected = np.asarray(apply(params, INPUTS))
    tried = list(every_permutation(shapes))
    copies = {
        leaf: np.stack([_moved(params[leaf], leaf, permutation) for permutation in tried])
        for leaf in shapes
    }
    outputs = np.asarray(jax.jit(jax.vmap(apply, (0, None)))(copies, INPUTS))
    same = np.abs(outputs - expected).reshape(len(tried), -1).max(axis=1) < 1e-10
    symmetry = find_symmetry(apply, params, INPUTS)
    assert same.sum() == round(10 ** symmetry.log10_num_equivalent())


def _as_written(apply: Callable) -> Callable:
    """Networks may promote ranks, as their authors do."""

    def promoting(params: dict, x: jax.Array) -> jax.Array:
        with jax.numpy_rank_promotion("allow"):
            return apply(params, x)

    return promoting


def _moved(leaf: np.ndarray, name: str, permutation: dict) -> np.ndarray:
    for axis in range(leaf.ndim):
        leaf = leaf.take(permutation[name, axis], axis)
    return leaf


def test_channels_of_a_flat_image_are_not_missed(float64: None) -> None:
    apply, shapes = NETWORKS["convolved"]
    rng = np.random.default_rng(1)
    params = {leaf: rng.standard_normal(shape) for leaf, shape in shapes.items()}
    expected = np.asarray(apply(params, INPUTS))
    count = 0
    for kernel in itertools.permutations(range(3)):
        for out in itertools.permutations(range(3)):
            rows = params["out"].reshape(3, 4, 1)[list(out)].reshape(12, 1)
            moved = {"kernel": params["kernel"][list(kernel)], "out": rows}
            count += bool(np.abs(np.asarray(apply(moved, INPUTS)) - expected).max() < 1e-10)
    assert count == round(10 ** find_symmetry(apply, params, INPUTS).log10_num_equivalent()) == 6
