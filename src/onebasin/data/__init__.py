"""Data sets: those of scikit-learn, MNIST and Fashion-MNIST, and files of your own.

All are split and standardized in the same way. The result holds NumPy arrays alone; nothing here
depends on networks, methods or JAX.
"""

from onebasin.data.checks import DataError
from onebasin.data.dataset import Dataset, Split, Task
from onebasin.data.load import PathLike, load_dataset
from onebasin.data.numbers import Decimal
from onebasin.data.options import Missing, Separator

__all__ = [
    "DataError",
    "Dataset",
    "Decimal",
    "Missing",
    "PathLike",
    "Separator",
    "Split",
    "Task",
    "load_dataset",
]
