"""The data sets that come with scikit-learn and need neither files nor a network."""

from typing import Any, cast

import numpy as np

from onebasin.data.dataset import Source

_BRIGHTEST = 16
"""The largest pixel of the digits."""


def read_digits() -> Source:
    """1,797 handwritten digits of 8 x 8 pixels in [0, 1], in 10 classes."""
    bunch = _datasets().load_digits()
    return Source("digits", np.asarray(bunch.images) / _BRIGHTEST, np.asarray(bunch.target))


def read_diabetes() -> Source:
    """442 patients with 10 raw features; the target is the disease progression after a year."""
    bunch = _datasets().load_diabetes(scaled=False)
    return Source("diabetes", np.asarray(bunch.data), np.asarray(bunch.target), "regression")


def _datasets() -> Any:
    # scikit-learn takes seconds to import: only when it is used.
    from sklearn import datasets  # pyright: ignore[reportMissingTypeStubs]

    return cast(Any, datasets)
