"""One array of a table of weights, in its own shape."""

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray


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

    layout = shape_and_dims(table, name)
    rows = np.flatnonzero(table["array"].values == name)
    columns = {
        column: (layout[1], variable.values[rows].reshape(layout[0]))
        for column, variable in table.data_vars.items()
        if variable.dims == ("weight",)
    }
    sizes = dict(zip(layout[1], layout[0], strict=True))
    return xarray.Dataset(columns, {dim: np.arange(size) for dim, size in sizes.items()})


def shape_and_dims(table: "xarray.Dataset", name: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The shape of an array, and a name for each of its axes.

    Raises: ValueError if the table has no such array.
    """
    arrays = json.loads(table.attrs["arrays"])
    if name not in arrays:
        raise ValueError(f"The table must have the array. Got {name!r}; it has {sorted(arrays)}.")
    return tuple(arrays[name]["shape"]), tuple(arrays[name]["dims"])
