"""fingerprint: a hash by which two data sets are told apart."""

import hashlib

import numpy as np

from onebasin.data.dataset import Dataset


def fingerprint(dataset: Dataset) -> str:
    """The SHA-256 of the numbers, the split and the names of a data set, in hexadecimal.

    It is equal if the same file is loaded twice with the same options. The name is left out,
    because a file that is renamed holds the same data. The names of inputs, target and classes
    belong to it.
    """
    digest = hashlib.sha256()
    parts = (dataset.train, dataset.validation, dataset.test)
    arrays = [array for part in parts for array in (part.inputs, part.targets)]
    scales = (dataset.input_mean, dataset.input_std, dataset.target_mean, dataset.target_std)
    for array in map(np.asarray, (*arrays, *scales)):
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    described = (dataset.task, dataset.num_classes, dataset.image_shape, dataset.class_names)
    if dataset.feature_names is not None:
        described = (*described, dataset.feature_names, dataset.target_name)
    digest.update(repr(described).encode())
    return digest.hexdigest()
