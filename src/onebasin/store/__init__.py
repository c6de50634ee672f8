"""Draws on disk: a Zarr store that is written whole or not at all, and read in parts."""

from onebasin._stored_array import StoredArray
from onebasin.store.check import check_samples
from onebasin.store.draws import load_samples, save_samples
from onebasin.store.errors import StoreError
from onebasin.store.variables import Dims, dims_of
from onebasin.store.writer import SampleWriter

__all__ = [
    "Dims",
    "SampleWriter",
    "StoreError",
    "StoredArray",
    "check_samples",
    "dims_of",
    "load_samples",
    "save_samples",
]
