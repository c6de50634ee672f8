"""Dataset and Split: the three parts of a data set, its task, and its standardization.

There are only values here. Other modules of this package read and split data.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from onebasin.data.missing import Feature

Task: TypeAlias = Literal["classification", "regression"]
"""What is learned: one of K classes, or one real number."""


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One part of a data set: inputs in float32, and one target for each example.

    `inputs` are (examples, features). `targets` are class labels 0..K-1 in int32, or real numbers
    in float32, in standard deviations of the training targets. `len` is the number of examples.
    `rows` says where each example stands in its file: the number of its row below the header, from
    1 on, in a table, and its index in an array. It is None for examples of no file.

    Examples:
        >>> data.train
        Split(100 examples, 64 features)
        >>> data.train.targets[:3].dtype
        dtype('int32')
    """

    inputs: Float[np.ndarray, "examples features"]
    targets: Int[np.ndarray, " examples"] | Float[np.ndarray, " examples"]
    rows: Int[np.ndarray, " examples"] | None = None

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.targets)

    def __repr__(self) -> str:
        examples, features = self.inputs.shape
        return f"Split({examples} examples, {features} features)"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three parts that share no row, standardized by statistics of train alone.

    Raw inputs are `inputs * input_std + input_mean`. Raw targets of a regression are
    `targets * target_std + target_mean`. What was not standardized has std 1 and mean 0. "Raw"
    images are scaled and pooled already.

    The error of a regression is in standard deviations of the targets. Multiply it by
    `target_std` before you compare it with an error in the targets' own unit.

    Args:
        name: The name of the set, or the file's without its ending.
        task: "classification" or "regression".
        train: What a network is trained on.
        validation: What choices are made on, such as early stopping.
        test: What results are measured on.
        num_classes: The number of classes K; None for a regression.
        image_shape: Height and width of the images after pooling, in pixels; None for tables.
        input_mean: The mean of each feature that was subtracted.
        input_std: The std of each feature by which the rest was divided.
        target_mean: The mean that was subtracted from the targets of a regression.
        target_std: The std by which the rest was divided, in the targets' own unit.
        class_names: What the labels 0..K-1 stood for, if they were text or other numbers;
            otherwise None.
        feature_names: The names of the inputs of a table: those of its columns, and `column=value`
            for each value of a column of text. None for arrays.
        target_name: The name of the target's column in a table; None for arrays.
        notes: What the reader of a table guessed, left out or filled in, one sentence each.

    Examples:
        >>> data = ob.load_dataset("diabetes")
        >>> data.task, data.num_features, data.num_outputs
        ('regression', 10, 1)
        >>> raw = data.test.targets * data.target_std + data.target_mean
    """

    name: str
    task: Task
    train: Split
    validation: Split
    test: Split
    num_classes: int | None
    image_shape: tuple[int, int] | None
    input_mean: Float[np.ndarray, " features"] = field(repr=False)
    input_std: Float[np.ndarray, " features"] = field(repr=False)
    target_mean: float
    target_std: float
    class_names: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = field(default=None, repr=False)
    target_name: str | None = None
    notes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def num_features(self) -> int:
        """The number of inputs of a network: columns of a table, or pixels of an image."""
        return self.train.inputs.shape[1]

    @property
    def num_outputs(self) -> int:
        """The number of outputs of a network: one for each class, or 1 for a regression."""
        return self.num_classes or 1


@dataclass(frozen=True, eq=False)
class Source:
    """The raw arrays of a data set, before any check, split or scaling.

    Inputs of three dimensions are images. `official_test` are the inputs and targets of a test
    set that the data set comes with; None if it has none. `task` is None if it is to be inferred.

    Of a table, there are the names of inputs, target and classes, the numbers of its rows, and what
    its reader guessed. `features` say which inputs came from which column, and which are missing.
    """

    name: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    task: Task | None = None
    official_test: tuple[NDArray[Any], NDArray[Any]] | None = None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    class_names: tuple[str, ...] | None = None
    rows: Int[np.ndarray, " examples"] | None = None
    features: tuple[Feature, ...] = ()
    notes: tuple[str, ...] = ()
