"""What a sampling is said to take, beside what it takes."""

import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_chains import autoregressive, starts

import onebasin as ob
from onebasin.methods import Method, estimate

pytestmark = pytest.mark.slow

KEY = jax.random.key(0)


def size_on_disk(store: Path) -> int:
    return sum(file.stat().st_size for file in store.rglob("*") if file.is_file())


@pytest.mark.parametrize("num_draws", [300, 317])
def test_memory_is_told_exactly_and_the_disk_within_a_few_percent(
    tmp_path: Path, num_draws: int
) -> None:
    options = {"method": autoregressive(), "positions": starts(size=500), "num_draws": num_draws}
    found = estimate(**options, num_chunks=10, key=KEY)
    samples = ob.sample(**options, num_chunks=10, store=tmp_path / "s.zarr", key=KEY)
    leaves = jax.tree.leaves((samples.params, samples.stats))
    assert found.memory_bytes == sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    assert found.disk_bytes == pytest.approx(size_on_disk(tmp_path / "s.zarr"), rel=0.03)


def test_headers_and_states_count_if_draws_are_small(tmp_path: Path) -> None:
    method = ob.hmc(lambda params: -0.5 * sum((x**2).sum() for x in params.values()), num_steps=1)
    positions = {f"array_{n}": jnp.ones((2, 3)) for n in range(5)}
    options = {"method": method, "positions": positions, "num_draws": 20, "num_chunks": 2}
    found = estimate(**options, key=KEY)
    ob.sample(**options, store=tmp_path / "s.zarr", key=KEY)
    assert found.disk_bytes == pytest.approx(size_on_disk(tmp_path / "s.zarr"), rel=0.15)


def slow_step(state, key):
    wait = lambda x: (time.sleep(0.02), x)[1]
    shape = jax.ShapeDtypeStruct(state.position.shape, state.position.dtype)
    moved = jax.pure_callback(wait, shape, state.position + jax.random.normal(key))
    return type(state)(moved), {"lp": jnp.zeros(())}


def test_the_time_is_that_of_all_steps_of_all_chains() -> None:
    method = Method(autoregressive().init, slow_step, num_warmup=50)
    found = estimate(method, starts(1), 100, thin=3, key=KEY)
    assert 350 * 0.02 < found.seconds < 2 * 350 * 0.02


def test_an_estimate_leaves_draws_as_they_are_and_compiles_what_sample_runs() -> None:
    num_traces = 0
    method = autoregressive()

    def step(state, key):
        nonlocal num_traces
        num_traces += 1
        return method.step(state, key=key)

    counted = Method(method.init, step, num_warmup=5)
    until = ob.diagnostics.Converged(ess=1e6, least_draws=10)
    estimate(counted, starts(), 40, until=until, key=KEY)
    num_traces = 0
    found = ob.sample(counted, starts(), 40, key=KEY, num_chunks=4)
    assert num_traces == 0
    plain = ob.sample(Method(method.init, method.step, num_warmup=5), starts(), 40, key=KEY)
    np.testing.assert_array_equal(found.params, plain.params)


@pytest.mark.usefixtures("unchecked")
def test_arguments_are_checked_as_by_sample() -> None:
    with pytest.raises(ValueError, match="num_draws must be an int"):
        estimate(autoregressive(), starts(), 0, key=KEY)
    with pytest.raises(TypeError, match="until must be of type Converged"):
        estimate(autoregressive(), starts(), 5, until=1.01, key=KEY)
