"""The contract of a method: what it refuses, and how it compares."""

import dataclasses
from types import MappingProxyType

import jax
import jax.numpy as jnp
import pytest

import onebasin as ob


def init(position, key):
    del key
    return position


def step(state, key):
    del key
    return state, {"is_accepted": True}


@pytest.mark.parametrize("reduction", ["avg", "median", ""])
def test_a_reduction_that_is_not_known_is_refused(unchecked: None, reduction: str) -> None:
    message = rf"one of last, mean, sum, min, max, any .* Got '{reduction}' for 'is_accepted'\."
    with pytest.raises(ValueError, match=message):
        ob.methods.Method(init, step, reduce_stats={"is_accepted": reduction})


def test_it_is_refused_in_a_changed_method_too(unchecked: None) -> None:
    method = ob.methods.Method(init, step, reduce_stats={"is_accepted": "mean"})
    with pytest.raises(ValueError, match="Got 'avg' for 'is_accepted'"):
        dataclasses.replace(method, reduce_stats={"is_accepted": "avg"})
    assert dataclasses.replace(method, num_warmup=3).reduce_stats == {"is_accepted": "mean"}


def test_a_negative_warm_up_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"num_warmup must be an int in the range \[0, inf\)\. Got -1"
    ):
        ob.methods.Method(init, step, num_warmup=-1)


@pytest.mark.parametrize("mapping", [dict, MappingProxyType])
def test_reductions_are_copied_from_any_mapping(mapping) -> None:
    given = {"is_accepted": "mean"}
    method = ob.methods.Method(init, step, reduce_stats=mapping(given))
    given["is_accepted"] = "any"
    assert method.reduce_stats == {"is_accepted": "mean"}


def test_methods_of_the_same_parts_are_one_to_jax() -> None:
    make = lambda reduction: ob.methods.Method(
        init, step, 3, reduce_stats={"is_accepted": reduction}
    )
    flat = lambda method: jax.tree.flatten(method)
    assert flat(make("mean")) == flat(make("mean"))
    assert flat(make("mean")) != flat(make("any"))


def test_no_chain_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"num_chains must be an int in the range \[1, inf\)\. Got 0"
    ):
        ob.methods.inits(lambda key: jnp.zeros(2), 0, key=jax.random.key(0))
