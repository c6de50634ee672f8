"""What a data set is: its three parts, its task, and how to undo its standardization.

Only values live here; how they are read and split is in the neighboring modules.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

Task: TypeAlias = Literal["classification", "regression"]
"""What is learned: one of K classes, or one real number."""


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One part of a data set: float32 inputs and one target an example.

    Targets are int32 class labels 0..K-1, or float32 numbers in standard deviations of train.
    """

    inputs: Float[np.ndarray, "examples features"]
    targets: Int[np.ndarray, " examples"] | Float[np.ndarray, " examples"]

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.targets)

    def __repr__(self) -> str:
        examples, features = self.inputs.shape
        return f"Split({examples} examples, {features} features)"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three parts that share no row, standardized by statistics of train alone.

    Raw inputs are `inputs * input_std + input_mean`, raw regression targets
    `targets * target_std + target_mean`. Where nothing was standardized these are 1 and 0. Raw
    means after scaling and pooling, for images. An error in `targets` of a regression is in
    standard deviations: multiply it by `target_std` before comparing it with a paper.
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

    @property
    def num_features(self) -> int:
        """The number of inputs of a network, pixels of an image counted one by one."""
        return self.train.inputs.shape[1]

    @property
    def num_outputs(self) -> int:
        """The number of outputs of a network: the classes, or 1 for a regression."""
        return self.num_classes or 1


@dataclass(frozen=True, eq=False)
class Source:
    """What a reader found: raw arrays, before any check, split or scaling.

    Inputs of three dimensions are images. `official_test` is kept apart where it is given.
    """

    name: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    task: Task | None = None
    official_test: tuple[NDArray[Any], NDArray[Any]] | None = None
