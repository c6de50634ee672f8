"""Pooling and scaling of images."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from onebasin.data import DataError, load_dataset
from onebasin.data.images import pixels, pooled_shape


@given(
    pool=st.integers(1, 4),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_pooling_preserves_the_mean(pool, height, width, seed):
    images = np.random.default_rng(seed).random((3, pool * height, pool * width))
    pooled = pixels(images, pool, 1.0)
    assert pooled.shape == (3, height * width)
    assert pooled_shape(images.shape, pool) == (height, width)
    np.testing.assert_allclose(pooled.mean(axis=1), images.mean(axis=(1, 2)), rtol=1e-5)


def test_pooling_averages_neighboring_pixels():
    image = np.array([[[0.0, 2.0, 8.0, 8.0], [4.0, 6.0, 8.0, 8.0]]])
    np.testing.assert_array_equal(pixels(image, 2, 1.0), [[3.0, 8.0]])


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, np.float32, np.float64])
def test_pixels_up_to_255_are_scaled_to_1_whatever_their_dtype(tmp_path, dtype, pool):
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4)).astype(dtype)
    images[0] = 255
    dataset = saved(tmp_path, images, pool=pool)
    whole = np.concatenate([part.inputs for part in (dataset.train, dataset.validation)])
    assert whole.dtype == np.float32
    assert dataset.train.inputs.max() == pytest.approx(1, abs=0.1 * pool)


@pytest.mark.parametrize(
    "images",
    [
        np.random.default_rng(0).random((40, 4, 4)),
        np.random.default_rng(0).normal(0, 40, (40, 4, 4)),
        np.random.default_rng(0).integers(0, 4096, (40, 4, 4)),
        np.random.default_rng(0).integers(0, 2, (40, 4, 4)),
    ],
    ids=["scaled", "with a sign", "of twelve bits", "black and white"],
)
def test_images_with_a_scale_of_their_own_stay_as_they_are(tmp_path, images):
    dataset = saved(tmp_path, images)
    found = {row.tobytes() for part in (dataset.train, dataset.test) for row in part.inputs}
    assert found <= {row.tobytes() for row in images.reshape(40, -1).astype(np.float32)}


def test_one_scale_serves_all_parts_of_a_data_set(tmp_path):
    """A part without a bright pixel is scaled as the others are."""
    images = np.zeros((40, 4, 4), np.float64)
    images[3, 0, 0] = 200
    dataset = saved(tmp_path, images)
    parts = (dataset.train, dataset.validation, dataset.test)
    assert max(part.inputs.max() for part in parts) == pytest.approx(200 / 255)


def saved(folder, images, **options):
    np.savez(folder / "images.npz", inputs=images, targets=np.arange(len(images)) % 2)
    return load_dataset(folder / "images.npz", **options)


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
