"""Draws on disk: a Zarr store that is written whole or not at all."""

from onebasin.store.draws import load_samples, save_samples
from onebasin.store.errors import StoreError
from onebasin.store.writer import SampleWriter

__all__ = ["SampleWriter", "StoreError", "load_samples", "save_samples"]
