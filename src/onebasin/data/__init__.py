"""Data sets: embedded, MNIST-style and one's own, split and standardized the same way.

Only NumPy arrays come out; nothing here knows of networks, methods or JAX.
"""

from onebasin.data.checks import DataError
from onebasin.data.dataset import Dataset, Split
from onebasin.data.load import load_dataset

__all__ = ["DataError", "Dataset", "Split", "load_dataset"]
