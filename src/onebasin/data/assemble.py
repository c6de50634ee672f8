"""From the raw arrays of a reader to a checked, split, scaled and standardized `Dataset`."""

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from onebasin.data.checks import DataError, check_examples
from onebasin.data.dataset import Dataset, Source, Split, Task
from onebasin.data.images import largest_pixel, pixels, pooled_shape
from onebasin.data.missing import impute
from onebasin.data.splits import Rows, SplitOptions, split_official, split_rows
from onebasin.data.targets import Encoded, encode_targets

Array: TypeAlias = NDArray[Any]


def assemble(
    source: Source,
    options: SplitOptions,
    *,
    task: Task | None,
    pool: int,
    standardize: bool | None,
) -> Dataset:
    """The data set that `load_dataset` returns, from raw arrays.

    Args:
        source: The raw inputs and targets, and an official test set if there is one.
        options: How many rows each part gets, and the seed.
        task: What is learned. None: what the source says, or else `infer_task`.
        pool: The side of the square blocks of pixels that are averaged.
        standardize: Whether inputs are standardized on train. None: those of tables are.

    Raises:
        DataError: If data or options break a rule.
    """
    encoded = _check_and_encode(source, task)
    image_shape = pooled_shape(source.inputs.shape, pool)
    rows, inputs, targets = _split(source, encoded, options)
    largest = 1.0 if image_shape is None else largest_pixel(*inputs)
    features = [_features(part, pool, largest) for part in inputs]
    filled = _impute(source, rows, features)
    standardizes = image_shape is None if standardize is None else standardize
    input_mean, input_std = np.zeros(features[0].shape[1]), np.ones(features[0].shape[1])
    if standardizes:
        input_mean, input_std = _fit(features[0])
    targets, target_mean, target_std = _scaled_targets(encoded, targets)
    train, validation, test = (
        Split(_standardized(part, input_mean, input_std), target, _rows_in_file(source, at))
        for part, target, at in zip(features, targets, rows, strict=True)
    )
    return Dataset(
        name=source.name,
        task=encoded.task,
        train=train,
        validation=validation,
        test=test,
        num_classes=encoded.num_classes,
        image_shape=image_shape,
        input_mean=input_mean.astype(np.float32),
        input_std=input_std.astype(np.float32),
        target_mean=target_mean,
        target_std=target_std,
        class_names=encoded.class_names or source.class_names,
        feature_names=source.feature_names,
        target_name=source.target_name,
        notes=(*source.notes, *filled),
    )


def _impute(source: Source, rows: Rows, parts: list[Array]) -> list[str]:
    """Fill in the missing values of each part. Returns what was filled in, in words."""
    masks = [[one.is_missing[part] for one in source.features] for part in rows]
    return impute(parts, masks, source.features)


def _scaled_targets(encoded: Encoded, targets: list[Array]) -> tuple[list[Array], float, float]:
    """The targets of each part, and their mean and std. Labels have mean 0 and std 1."""
    if encoded.task == "classification":
        return targets, 0.0, 1.0
    mean, std = map(float, _fit(targets[0]))
    return [_float32("targets", (part - mean) / std) for part in targets], mean, std


def _rows_in_file(source: Source, rows: Int[np.ndarray, " part"]) -> Int[np.ndarray, " part"]:
    """Where the rows of a part stand in their file."""
    return rows if source.rows is None else source.rows[rows]


def _check_and_encode(source: Source, task: Task | None) -> Encoded:
    """The targets of all rows, those of an official test set last, as labels or numbers."""
    check_examples(source.inputs, source.targets)
    targets = source.targets
    if source.official_test is not None:
        test_inputs, test_targets = source.official_test
        check_examples(test_inputs, test_targets)
        if test_inputs.shape[1:] != source.inputs.shape[1:]:
            raise DataError(
                "Test inputs must have the shape of training inputs. Got "
                f"{test_inputs.shape[1:]}, and {source.inputs.shape[1:]} for training. "
                "Save both in the same shape."
            )
        targets = np.concatenate([targets, test_targets])
    return encode_targets(targets, task or source.task)


def _split(
    source: Source, encoded: Encoded, options: SplitOptions
) -> tuple[Rows, list[Array], list[Array]]:
    """The rows, the inputs and the targets of train, validation and test, in this order."""
    targets = encoded.targets
    is_classification = encoded.task == "classification"
    strata = targets if is_classification else np.zeros(len(targets), np.int32)
    test_inputs, test_targets = source.inputs, targets
    if source.official_test is None:
        rows = split_rows(strata, options)
    else:
        num_official = len(source.targets)
        rows = split_official(strata[:num_official], strata[num_official:], options)
        test_inputs, test_targets = source.official_test[0], targets[num_official:]
    return (
        rows,
        [source.inputs[rows.train], source.inputs[rows.validation], test_inputs[rows.test]],
        [targets[rows.train], targets[rows.validation], test_targets[rows.test]],
    )


def _features(inputs: Array, pool: int, largest: float) -> Float[np.ndarray, "examples features"]:
    """Raw inputs as one row of features an example: pixels divided by `largest`, or columns."""
    # Tables stay in float64 until they are standardized: years or prices lose digits in float32.
    return pixels(inputs, pool, largest) if inputs.ndim == 3 else inputs.astype(np.float64)


def _fit(train: Float[np.ndarray, "examples ..."]) -> tuple[Array, Array]:
    """The mean and the std (ddof = 0) of each feature, in float64.

    A constant feature has its value as mean and 1 as std, so that it becomes 0.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    std = train.std(axis=0, dtype=np.float64)
    # Rounding can give a constant feature a tiny std, and a mean that is not its value.
    constant = (np.ptp(train, axis=0) == 0) | (std < np.finfo(np.float32).tiny)
    constant_at = np.asarray(train[0], np.float64)
    return np.where(constant, constant_at, mean), np.where(constant, 1.0, std)


def _standardized(
    features: Float[np.ndarray, "examples features"], mean: Array, std: Array
) -> Float[np.ndarray, "examples features"]:
    """Features minus mean, divided by std, in float32."""
    # In the dtype of the features, so that images never take a second copy in float64.
    shifted = features - mean.astype(features.dtype)
    return _float32("inputs", shifted / std.astype(features.dtype))


def _float32(name: str, values: Array) -> Float[np.ndarray, "..."]:
    """The values in float32. Raises DataError if some overflow; `name` is for its message."""
    with np.errstate(over="ignore"):
        converted = values.astype(np.float32, copy=False)
    if not np.isfinite(converted).all():
        raise DataError(
            f"Standardized {name} must fit float32. Got some that overflow: a row lies far beyond "
            "the spread of the training rows. Remove it, or pass standardize=False."
        )
    return converted
