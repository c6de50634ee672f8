"""One network whose symmetry is known: how such are written down and given random weights."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from onebasin.symmetry import Symmetry


class Architecture(NamedTuple):
    """A function, the shapes of its arguments, and the groups worked out by hand.

    A group is how many units it has and, sorted, how many units there are of each group that it
    is nested in. Names are the library's choice and no part of what is expected.
    """

    name: str
    apply: Callable[..., Any]
    params: Any
    inputs: tuple[jax.ShapeDtypeStruct, ...]
    groups: Counter

    def __repr__(self) -> str:
        return self.name


class Family(list[Architecture]):
    """Architectures of one kind, each entered by a decorator on its function."""

    def network(
        self, params: Any, inputs: Sequence[Any], groups: Sequence[int | tuple[int, tuple]] = ()
    ) -> Callable[[Callable], Callable]:
        """Shapes are tuples; groups that are nested in nothing are given as a number."""

        def enter(apply: Callable) -> Callable:
            wanted = Counter((g, ()) if isinstance(g, int) else g for g in groups)
            shaped = (shapes(one) for one in inputs)
            self.append(Architecture(apply.__name__, apply, shapes(params), (*shaped,), wanted))
            return apply

        return enter


def shapes(tree: Any) -> Any:
    """Arrays of floating point where a tree has tuples; what is a shape with a dtype stays."""
    return jax.tree.map(
        lambda one: jax.ShapeDtypeStruct(one, "float32") if isinstance(one, tuple) else one,
        tree,
        is_leaf=lambda one: isinstance(one, tuple),
    )


def tokens(*shape: int) -> jax.ShapeDtypeStruct:
    """An input of indices, all of them less than 5."""
    return jax.ShapeDtypeStruct(shape, "int32")


def found_groups(symmetry: Symmetry) -> Counter:
    """The groups of a symmetry as an architecture writes them down."""
    return Counter((n, tuple(sorted(symmetry.around(g)))) for g, n in symmetry.sizes.items())


def random_values(tree: Any, seed: int) -> Any:
    """Normal numbers in 64 bits, positive where a leaf is a variance, and indices."""
    rng = np.random.default_rng(seed)

    def value(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if np.issubdtype(leaf.dtype, np.integer):
            return rng.integers(0, 5, leaf.shape).astype(leaf.dtype)
        normal = rng.standard_normal(leaf.shape)
        if np.issubdtype(leaf.dtype, np.complexfloating):
            return normal + 1j * rng.standard_normal(leaf.shape)
        return np.abs(normal) + 0.5 if jax.tree_util.keystr(path).endswith("var']") else normal

    return jax.tree_util.tree_map_with_path(value, tree)
