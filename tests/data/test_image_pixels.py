"""Pooling and scaling of images."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from onebasin.data import DataError
from onebasin.data.images import pixels, pooled_shape


@given(
    pool=st.integers(1, 4),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_pooling_preserves_the_mean(pool, height, width, seed):
    images = np.random.default_rng(seed).random((3, pool * height, pool * width))
    pooled = pixels(images, pool)
    assert pooled.shape == (3, height * width)
    assert pooled_shape(images.shape, pool) == (height, width)
    np.testing.assert_allclose(pooled.mean(axis=1), images.mean(axis=(1, 2)), rtol=1e-5)


def test_pooling_averages_neighboring_pixels():
    image = np.array([[[0.0, 2.0, 8.0, 8.0], [4.0, 6.0, 8.0, 8.0]]])
    np.testing.assert_array_equal(pixels(image, 2), [[3.0, 8.0]])


@pytest.mark.parametrize("pool", [1, 2])
def test_bytes_are_divided_by_255_and_other_images_are_not(pool):
    images = np.full((1, 2, 2), 255, np.uint8)
    np.testing.assert_array_equal(pixels(images, pool), np.ones((1, 4 // pool**2)))
    np.testing.assert_array_equal(pixels(images.astype(float), pool)[0, 0], 255)
    assert pixels(images, pool).dtype == np.float32


@pytest.mark.parametrize("shape", [(5, 8, 6), (5, 6, 8), (5, 7, 7)])
def test_pool_divides_both_sides(shape):
    with pytest.raises(DataError, match=rf"divide .* Got 4 for {shape[1]} x {shape[2]} pixels"):
        pooled_shape(shape, 4)


def test_tables_are_not_pooled():
    assert pooled_shape((5, 64), 1) is None
    with pytest.raises(DataError, match=r"not images. Got 2 for a table of 64 features"):
        pooled_shape((5, 64), 2)


@pytest.mark.parametrize("pool", [0, -2])
def test_pool_is_at_least_one(pool):
    with pytest.raises(DataError, match=rf"pool must be a whole number .* Got {pool}\."):
        pooled_shape((5, 8, 8), pool)
