"""Images as rows of pixels: average pooling and scaling. Reading them is done elsewhere."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from onebasin.data.checks import DataError, check_count


def pixels(
    images: NDArray[Any], pool: int, largest: float
) -> Float[np.ndarray, "examples features"]:
    """Each image as a float32 row, row by row of pixels, averaged over pool x pool blocks.

    Pixels are divided by the largest that there can be.
    """
    if pool > 1:
        examples, height, width = images.shape
        blocks = images.reshape(examples, height // pool, pool, width // pool, pool)
        images = blocks.mean(axis=(2, 4), dtype=np.float32)
        return images.reshape(examples, -1) / np.float32(largest)
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(largest)


def largest_pixel(*images: NDArray[Any]) -> float:
    """The largest that a pixel of these images can be: 255, or 1 where they are scaled already.

    What is of dtype uint8 reaches 255. Of other dtypes it takes pixels above 1, none of them
    negative and none above 255: anything else has a scale of its own and stays as it is.
    """
    if all(part.dtype == np.uint8 for part in images):
        return 255.0
    lowest, highest = min(part.min() for part in images), max(part.max() for part in images)
    return 255.0 if lowest >= 0 and 1 < highest <= 255 else 1.0


def pooled_shape(shape: tuple[int, ...], pool: int) -> tuple[int, int] | None:
    """Height and width of images after pooling, from the shape of the inputs; None for tables.

    Raises: DataError for a pool that does not divide both sides, or that meets a table.
    """
    check_count("pool", pool, 1, 2**31, "For half the side length pass pool=2.")
    if len(shape) == 2:
        if pool != 1:
            raise DataError(
                f"pool must be 1 for inputs that are not images. Got {pool} for a table of "
                f"{shape[1]} features. Leave it out, or give inputs (examples, height, width)."
            )
        return None
    height, width = shape[1:]
    if height % pool or width % pool:
        raise DataError(
            f"pool must divide the height and the width of the images. Got {pool} for "
            f"{height} x {width} pixels. Pass a common divisor of the two."
        )
    return height // pool, width // pool
