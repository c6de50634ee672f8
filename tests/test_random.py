"""numpy_rng: a JAX key as the seed of what NumPy draws."""

import jax
import numpy as np

from onebasin._random import numpy_rng


def test_equal_keys_give_equal_numbers(key):
    np.testing.assert_array_equal(numpy_rng(key).random(5), numpy_rng(key).random(5))


def test_split_keys_give_other_numbers(key):
    first, second = jax.random.split(key)
    assert not np.isin(numpy_rng(first).random(5), numpy_rng(second).random(5)).any()


def test_an_old_key_of_two_integers_counts_as_the_new_one(key):
    old = jax.random.key_data(key)
    np.testing.assert_array_equal(numpy_rng(old).random(5), numpy_rng(key).random(5))
