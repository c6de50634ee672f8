"""Stored arrays as variables of Xarray, which read what is selected when its values are asked for.

Source: Xarray's documentation, "How to add a new backend", on lazy loading. This file imports
Xarray, so others import it when they run.
"""

from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from onebasin._stored_array import StoredArray


def as_xarray(array: StoredArray) -> indexing.LazilyIndexedArray:
    """A stored array as the data of a variable. Nothing that was read is kept."""
    return indexing.LazilyIndexedArray(StoredVariable(array))


class StoredVariable(BackendArray):
    """What Xarray asks of an array that it does not hold in memory."""

    def __init__(self, array: StoredArray):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER_1VECTOR
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        """The entries of numbers, slices and at most one list, each along its own axis.

        A number is read as a slice: beside a list, NumPy would move the axis of the list.
        """
        is_number = [np.ndim(entry) == 0 and not isinstance(entry, slice) for entry in key]
        entries = [
            slice(entry % size, entry % size + 1) if number else entry
            for entry, size, number in zip(key, self.shape, is_number, strict=True)
        ]
        found = self.array[tuple(entries)]
        return np.asarray(found[tuple(0 if number else slice(None) for number in is_number)])
