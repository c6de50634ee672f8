"""A table of weights as an Xarray Dataset: its layout, its parts by array, and its file."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebasin import _trees
from onebasin.knowledge.reliability import ALL
from onebasin.store import dims_of
from onebasin.store.tensors import load_tensors, save_tensors
from onebasin.store.variables import own_names
from onebasin.symmetry import Symmetry
from onebasin.types import Params

if TYPE_CHECKING:
    import xarray


class Layout(NamedTuple):
    """The arrays of a table in their order, with shapes and names of axes, and how many draws."""

    shapes: dict[str, tuple[int, ...]]
    dims: dict[str, tuple[str, ...]]
    num_chains: int
    num_draws: int

    @classmethod
    def of(
        cls,
        shapes: Mapping[str, tuple[int, ...]],
        dims: Mapping[str, tuple[str | None, ...]],
        num_draws: tuple[int, int],
    ) -> "Layout":
        """The layout of arrays whose axes have the names that a store gives them."""
        names = {
            name: own_names(name, len(shape), dims.get(name)) for name, shape in shapes.items()
        }
        return cls(dict(shapes), names, *num_draws)

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> "Layout":
        """The layout that a table's attributes hold."""
        arrays = json.loads(attributes["arrays"])
        return cls(
            {name: tuple(one["shape"]) for name, one in arrays.items()},
            {name: tuple(one["dims"]) for name, one in arrays.items()},
            int(attributes["num_chains"]),
            int(attributes["num_draws"]),
        )

    def as_attributes(self) -> dict[str, Any]:
        """The layout as attributes that a file of any format can hold."""
        arrays = {n: {"shape": shape, "dims": self.dims[n]} for n, shape in self.shapes.items()}
        counts = {"num_chains": self.num_chains, "num_draws": self.num_draws}
        return {"arrays": json.dumps(arrays), **counts}


def assembled(
    columns: Mapping[str, np.ndarray], correlations: Mapping[str, np.ndarray], layout: Layout
) -> "xarray.Dataset":
    """A table of columns over all weights, and correlations over arrays and "all arrays"."""
    import xarray

    sizes = [int(np.prod(shape)) for shape in layout.shapes.values()]
    coordinates = {
        "array": ("weight", np.repeat([*layout.shapes], sizes)),
        "position": ("weight", np.concatenate([np.arange(size) for size in sizes])),
        "array_name": [*layout.shapes, ALL],
    }
    variables = {name: ("weight", column) for name, column in columns.items()}
    variables |= {name: ("array_name", values) for name, values in correlations.items()}
    return xarray.Dataset(variables, coordinates, layout.as_attributes())


def table_of_trees(
    columns: Mapping[str, Params],
    symmetry: Symmetry,
    num_draws: tuple[int, int],
    correlations: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> "xarray.Dataset":
    """A table of columns that are trees of weights. `num_draws` counts (chains, draws)."""
    like = _trees.named_leaves(next(iter(columns.values())))
    shapes = {name: np.shape(leaf) for name, leaf in like.items()}
    flat = {name: _trees.ravel_batch(tree, 0) for name, tree in columns.items()}
    return assembled(flat, correlations, Layout.of(shapes, dims_of(symmetry), num_draws))


def array_of(table: "xarray.Dataset", name: str) -> "xarray.Dataset":
    """The part of a table of weights that is about one array, in the shape of that array.

    Its dimensions are named as in a store: an axis that lists hidden units has the name of their
    group.

    Raises:
        ValueError: If the table has no such array.

    Examples:
        >>> table = ob.weight_table(alignment, samples)
        >>> kernel = ob.knowledge.array_of(table, "hidden_0/kernel")
        >>> kernel["std"].dims, kernel["std"].shape
        (('hidden_0.kernel_dim_0', 'hidden_0'), (64, 8))
    """
    import xarray

    shape, dims = shape_and_dims(table, name)
    rows = np.flatnonzero(table["array"].values == name)
    columns = {
        column: (dims, variable.values[rows].reshape(shape))
        for column, variable in table.data_vars.items()
        if variable.dims == ("weight",)
    }
    return xarray.Dataset(columns, {d: np.arange(n) for d, n in zip(dims, shape, strict=True)})


def shape_and_dims(table: "xarray.Dataset", name: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The shape of an array, and a name for each of its axes.

    Raises: ValueError if the table has no such array.
    """
    layout = Layout.from_attributes(table.attrs)
    if name not in layout.shapes:
        raise ValueError(
            f"The table must have the array. Got {name!r}; it has {sorted(layout.shapes)}."
        )
    return layout.shapes[name], layout.dims[name]


def save_table(path: Path | str, table: "xarray.Dataset") -> None:
    """Write a table of weights to one safetensors file. `load_table` reads it.

    An existing file is replaced, whole or not at all. `table.to_zarr` and `table.to_netcdf` write
    it in formats that other tools read.

    Examples:
        >>> table = ob.weight_table(alignment, samples)
        >>> ob.knowledge.save_table("weights.safetensors", table)
        >>> ob.knowledge.load_table("weights.safetensors").equals(table)
        True
    """
    columns = {str(name): variable.values for name, variable in table.data_vars.items()}
    save_tensors(path, columns, dict(table.attrs))


def load_table(path: Path | str) -> "xarray.Dataset":
    """The table of weights that `save_table` wrote.

    Raises:
        StoreError: If the file is missing or damaged.
        ValueError: If the file holds something else.

    Examples:
        >>> ob.knowledge.save_table("weights.safetensors", ob.weight_table(alignment, samples))
        >>> ob.knowledge.load_table("weights.safetensors").sizes["weight"]
        610
    """
    tensors, attributes = load_tensors(path)
    if "arrays" not in attributes:
        raise ValueError(f"A table of weights was expected. Got {path}. Save one with save_table.")
    layout = Layout.from_attributes(attributes)
    correlations = {name: one for name, one in tensors.items() if "reliability_" in name}
    columns = {name: one for name, one in tensors.items() if name not in correlations}
    return assembled(columns, correlations, layout)
