"""Images as rows of pixels: average pooling and scaling. Other modules read them."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from onebasin.data.checks import DataError, check_count


def pixels(
    images: NDArray[Any], pool: int, largest: float
) -> Float[np.ndarray, "examples features"]:
    """Each image as one row of pixels in float32, row after row of the image.

    Pixels are averaged over blocks of `pool` x `pool` and divided by `largest`, the largest value
    that a pixel can have (`largest_pixel`).
    """
    if pool > 1:
        examples, height, width = images.shape
        blocks = images.reshape(examples, height // pool, pool, width // pool, pool)
        images = blocks.mean(axis=(2, 4), dtype=np.float32)
        return images.reshape(examples, -1) / np.float32(largest)
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(largest)


def largest_pixel(*images: NDArray[Any]) -> float:
    """The largest value that a pixel of these images can have: 255, or 1 if they are scaled.

    Pixels of dtype uint8 reach 255. So do those of other dtypes if some are above 1, none is
    negative and none is above 255. All others have a scale of their own and stay as they are.
    """
    if all(part.dtype == np.uint8 for part in images):
        return 255.0
    lowest, highest = min(part.min() for part in images), max(part.max() for part in images)
    return 255.0 if lowest >= 0 and 1 < highest <= 255 else 1.0


def pooled_shape(shape: tuple[int, ...], pool: int) -> tuple[int, int] | None:
    """Height and width of images after pooling, from the shape of the inputs; None for tables.

    Raises:
        DataError: If `pool` does not divide both sides, or is not 1 for a table.
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
