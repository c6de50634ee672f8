"""fingerprint: what tells two data sets apart, as a short text."""

import hashlib

import numpy as np

from onebasin.data.dataset import Dataset


def fingerprint(dataset: Dataset) -> str:
    """A SHA-256 of every number of a data set, of how it is split and of its classes.

    Equal for data sets that were loaded twice from one file. The name is left out: a file that is
    moved holds the same data.
    """
    found = hashlib.sha256()
    parts = (dataset.train, dataset.validation, dataset.test)
    arrays = [array for part in parts for array in (part.inputs, part.targets)]
    scales = (dataset.input_mean, dataset.input_std, dataset.target_mean, dataset.target_std)
    for array in map(np.asarray, (*arrays, *scales)):
        found.update(f"{array.dtype.str} {array.shape} ".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    described = (dataset.task, dataset.num_classes, dataset.image_shape, dataset.class_names)
    found.update(repr(described).encode())
    return found.hexdigest()
