"""What a store has arrays for: leaves, statistics and coordinates, and what their axes are called.

Everything here is settled before the first draw is written.
"""

import itertools
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from onebasin import _trees
from onebasin._stored_array import StoredArray, indexed_as_numpy
from onebasin.samples import Samples
from onebasin.store.errors import StoreError
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import Axes
from onebasin.types import Params

DRAWS, STATS = "posterior", "sample_stats"
_LEAD = ("chain", "draw")

Dims: TypeAlias = Mapping[str, tuple[str | None, ...]]
"""Names for the axes of leaves behind (chain, draw), by the path of the leaf."""


class Values(NamedTuple):
    """Values of one array, names of their axes, and the path of their leaf if they are of one."""

    values: np.ndarray | StoredArray
    dims: tuple[str, ...]
    path: str | None = None

    @property
    def kind(self) -> tuple[str, tuple[int, ...]]:
        """The dtype and the shape, with 0 draws."""
        sizes = zip(self.dims, self.values.shape, strict=True)
        return self.values.dtype.name, tuple(0 if dim == "draw" else size for dim, size in sizes)


def dims_of(symmetry: Symmetry) -> Dims:
    """Names for the axes of leaves: an axis that lists hidden units has the name of their group.

    `SampleWriter`, `save_samples` and `sample` take them as `dims`. Other axes get None. If an
    array lists a group twice, as the kernel of a recurrent layer does, the second axis has a number
    at the end, as in `hidden_0_2`: Xarray wants different names. So has a group that is called like
    a leaf. Slashes become dots. A leaf that is cut into `Blocks` is left out.

    Examples:
        >>> ob.store.dims_of(symmetry)["hidden_0/kernel"]  # (features, units)
        (None, 'hidden_0')
    """
    words = group_dims(symmetry)
    taken = {*_LEAD, *map(variable, symmetry.named), *words.values()}
    dims: dict[str, tuple[str | None, ...]] = {}
    for path, axes in symmetry.named.items():
        if isinstance(axes, Axes):
            own: list[str | None] = []
            for name in axes.names:
                word = words[name] if isinstance(name, str) else None
                if word is not None and word in own:
                    word = _free(word, {*taken, *filter(None, own)})
                own.append(word)
            dims[path] = tuple(own)
    return dims


def group_dims(symmetry: Symmetry) -> dict[str, str]:
    """The name of the axes that list the units of each group, as `dims_of` says it."""
    taken = {*_LEAD, *map(variable, symmetry.named)}
    words: dict[str, str] = {}
    for group in {**symmetry.sizes, **symmetry.fixed}:
        words[group] = _free(group.replace("/", "."), taken)
        taken.add(words[group])
    return words


def _free(word: str, taken: Collection[str]) -> str:
    """The word, or the first of word_2, word_3, ... that is not taken."""
    numbered = (f"{word}_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([word], numbered) if name not in taken)


def arrays_of(samples: Samples, dims: Dims, first_draw: int) -> dict[str, Values]:
    """The arrays of samples whose first draw has a number, by folder; coordinates with the first.

    Raises: ValueError if `dims` do not fit; StoreError if a store cannot hold a leaf.
    """
    leaves = {path: indexed_as_numpy(x) for path, x in _trees.named_leaves(samples.params).items()}
    stats = {name: indexed_as_numpy(value) for name, value in samples.stats.items()}
    _check_dtypes({**leaves, **stats})
    shapes = {path: leaf.shape[2:] for path, leaf in leaves.items()}
    names = _axis_names(shapes, dims)
    arrays: dict[str, Values] = {}
    draws = np.arange(first_draw, first_draw + samples.num_draws)
    for group in (DRAWS, STATS) if stats else (DRAWS,):
        arrays[f"{group}/draw"] = Values(draws, ("draw",))
        if first_draw == 0:
            arrays[f"{group}/chain"] = Values(np.arange(samples.num_chains), ("chain",))
    if first_draw == 0:
        for word, size in _coordinates(shapes, dims).items():
            arrays[f"{DRAWS}/{word}"] = Values(np.arange(size), (word,))
    for path, leaf in leaves.items():
        arrays[f"{DRAWS}/{variable(path)}"] = Values(leaf, (*_LEAD, *names[path]), path)
    for name, value in stats.items():
        arrays[f"{STATS}/{variable(name)}"] = Values(value, _LEAD, name)
    return arrays


def check_storable(positions: Params, dims: Dims) -> None:
    """Check params that lead with a chain axis, before any draw of them is made.

    Raises: ValueError if `dims` do not fit; StoreError if a store cannot hold a leaf.
    """
    leaves = _trees.named_leaves(positions)
    _check_dtypes(leaves)
    _axis_names({path: np.shape(leaf)[1:] for path, leaf in leaves.items()}, dims)


def _check_dtypes(arrays: Mapping[str, Any]) -> None:
    for path, values in arrays.items():
        dtype = np.dtype(values.dtype)
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise StoreError(
                "A sample store holds booleans, integers and floats of 16, 32 and 64 bits. Got "
                f"{dtype} at {path or 'the root'!r}. Cast it to float32, or keep the draws in "
                "memory."
            )


def _axis_names(shapes: Mapping[str, tuple[int, ...]], dims: Dims) -> dict[str, tuple[str, ...]]:
    """Names of the own axes of every leaf, from their own shapes."""
    unknown = sorted(dims.keys() - shapes.keys())
    if unknown:
        raise ValueError(f"dims must name leaves of the params. Got {unknown[0]!r}.")
    names = {path: own_names(path, len(shape), dims.get(path)) for path, shape in shapes.items()}
    sizes: dict[str, int] = {}
    for path, shape in shapes.items():
        for name, size in zip(names[path], shape, strict=True):
            if sizes.setdefault(name, size) != size:
                raise ValueError(
                    f"Axes of one name must have one size. Got {size} for {name!r} of {path!r}, "
                    f"and {sizes[name]} before. Give one of them another name in dims."
                )
    clashes = sorted(_coordinates(shapes, dims).keys() & set(map(variable, shapes)))
    if clashes:
        raise ValueError(f"dims must not be names of leaves. Got {clashes[0]!r}. Rename it.")
    return names


def _coordinates(shapes: Mapping[str, tuple[int, ...]], dims: Dims) -> dict[str, int]:
    """The size of every axis that `dims` give a name."""
    pairs = [pair for path in dims for pair in zip(dims[path], shapes[path], strict=True)]
    return {name: size for name, size in pairs if name is not None}


def own_names(path: str, num_axes: int, given: tuple[str | None, ...] | None) -> tuple[str, ...]:
    """Names of the axes of a leaf behind (chain, draw)."""
    given = (None,) * num_axes if given is None else tuple(given)
    names = tuple(f"{variable(path)}_dim_{n}" if x is None else x for n, x in enumerate(given))
    if len(names) != num_axes or len({*names, *_LEAD}) != num_axes + 2 or "/" in "".join(names):
        raise ValueError(
            f"dims must name each of the {num_axes} axes of {path!r} behind (chain, draw) by "
            f"a word of its own. Got {given}."
        )
    return names


def variable(path: str) -> str:
    """The name of a variable: the path of its leaf with dots; "params" if params are one array."""
    return path.replace("/", ".") or "params"
