"""What every inference method promises, whichever it is: one list, one set of properties.

Methods compile for longer than they draw, so runs that only differ in their keys share a program.
"""

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import jax
import numpy as np
import pytest
from method_contracts import (
    KEY,
    METHODS,
    NUM_CHAINS,
    NUM_DRAWS,
    Contract,
    refine_from_anchor,
    starts,
)

import onebasin.methods
from onebasin.gaussians import DiagonalGaussian
from onebasin.methods import Method, Progress, laplace, mean_field_vi, sample, swag
from onebasin.samples import Samples

pytestmark = pytest.mark.slow


class Traced:
    """A contract whose log density counts how often it is traced."""

    def __init__(self, contract: Contract):
        self.contract = contract
        self.num_traces = 0

    def logdensity(self, *arguments: Any) -> Any:
        self.num_traces += 1
        return self.contract.logdensity(*arguments)

    def build(self) -> Method:
        return self.contract.build(self.logdensity)


class Run(NamedTuple):
    """One call of `sample`, with all that it told after each chunk."""

    samples: Samples
    chunks: list[Samples]
    told: list[Progress]
    num_traces: list[int]


def run(traced: Traced, *, key=KEY, positions=None, num_draws=NUM_DRAWS, **options) -> Run:
    """Draws of the method, which is made anew for every call."""
    chunks, told, num_traces = [], [], []

    def listen(progress):
        if progress.phase != "compiling":
            told.append(progress)
            num_traces.append(traced.num_traces)

    samples = sample(
        traced.build(),
        starts() if positions is None else positions,
        num_draws,
        progress=listen,
        on_chunk=chunks.append,
        **options,
        key=key,
    )
    return Run(samples, chunks, told, num_traces)


@pytest.fixture(scope="module", params=METHODS)
def contract(request) -> Contract:
    return METHODS[request.param]


@pytest.fixture(scope="module")
def traced(contract: Contract) -> Traced:
    return Traced(contract)


@pytest.fixture(scope="module")
def base(traced: Traced) -> Run:
    """Three chains in chunks of 3, 3 and 1 draws: what every other run is compared with."""
    return run(traced, num_chunks=3)


@pytest.fixture(scope="module")
def thinned(traced: Traced, base: Run) -> Run:
    """Three draws, two steps apart, in one chunk: by the program of `base`."""
    return run(traced, num_draws=3, thin=2, num_chunks=1)


@pytest.fixture(scope="module")
def alone(traced: Traced) -> Run:
    """The first chain without the others."""
    return run(traced, positions=starts(1), num_chunks=2)


def assert_same(first: Samples, second: Samples, rtol: float = 0.0) -> None:
    """The same draws and statistics, to the bit unless a relative tolerance is given."""
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    jax.tree.map(close, first.params, second.params)
    jax.tree.map(close, first.stats, second.stats)


def largest_difference(first: Samples, second: Samples) -> float:
    gaps = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), first.params, second.params)
    return max(jax.tree.leaves(gaps))


def test_the_list_of_methods_is_complete() -> None:
    found = set()
    for module in pkgutil.iter_modules(onebasin.methods.__path__, "onebasin.methods."):
        members = vars(importlib.import_module(module.name))
        for name, member in members.items():
            is_here = inspect.isfunction(member) and member.__module__ == module.name
            if is_here and not name.startswith("_"):
                found |= {name} if get_type_hints(member).get("return") is Method else set()
    assert found == set(METHODS)


def test_every_leaf_leads_with_chain_and_draw(base: Run) -> None:
    samples = base.samples
    assert (samples.num_chains, samples.num_draws) == (NUM_CHAINS, NUM_DRAWS)
    assert samples.params["w"].shape == (NUM_CHAINS, NUM_DRAWS, 2)
    assert samples.params["b"].shape == (NUM_CHAINS, NUM_DRAWS)
    assert {leaf.dtype for leaf in jax.tree.leaves(samples.params)} == {np.dtype(np.float32)}
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(samples.params))


def test_every_statistic_goes_by_arvizs_name_with_one_value_a_draw(
    contract: Contract, base: Run
) -> None:
    shapes = {name: values.shape for name, values in base.samples.stats.items()}
    assert shapes == dict.fromkeys(contract.stats, (NUM_CHAINS, NUM_DRAWS))


def test_results_come_back_on_the_host(base: Run) -> None:
    tree = (base.samples.params, base.samples.stats)
    assert {type(leaf) for leaf in jax.tree.leaves(tree)} == {np.ndarray}


def test_the_last_state_of_every_chain_holds_its_last_draw(base: Run) -> None:
    last = jax.tree.map(lambda leaf: leaf[:, -1], base.samples.params)
    jax.tree.map(np.testing.assert_array_equal, base.samples.last_state.position, last)


def test_warm_up_is_as_long_as_asked_for(contract: Contract) -> None:
    assert contract.build().num_warmup == contract.num_warmup


def test_another_key_gives_other_draws(traced: Traced, base: Run) -> None:
    other = run(traced, num_chunks=3, key=jax.random.key(8)).samples
    for chain in range(NUM_CHAINS):
        assert (
            largest_difference(other.select_chains(chain), base.samples.select_chains(chain)) > 1e-6
        )


def test_chains_that_begin_alike_still_draw_apart(base: Run) -> None:
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf[1], leaf[2]), starts())
    assert largest_difference(base.samples.select_chains(1), base.samples.select_chains(2)) > 1e-6


@pytest.mark.long  # by another program; `thinned` is one chunk by the program of `base`
def test_the_same_key_gives_the_same_draws_in_any_number_of_chunks(
    traced: Traced, base: Run
) -> None:
    again = run(traced, num_chunks=1)
    assert len(again.chunks) == 1
    assert len(base.chunks) == 3
    assert_same(again.samples, base.samples)


@pytest.mark.parametrize("is_every_chunk", [False, pytest.param(True, marks=pytest.mark.long)])
def test_draws_go_on_from_a_store_bit_for_bit_in_the_warm_up_and_between_draws(
    traced: Traced, base: Run, tmp_path: Path, is_every_chunk: bool
) -> None:

    class Stopped(Exception):
        pass

    def stop_after(count: int):
        """A listener that stops the sampling after so many chunks."""
        chunks = iter(range(1, count + 1))

        def listen(progress: Progress) -> None:
            if progress.phase != "compiling" and next(chunks) == count:
                raise Stopped

        return listen

    options = {"num_chunks": 3, "store": tmp_path / "s.zarr", "key": KEY}
    for count in [1] * len(base.told) if is_every_chunk else [1, 3]:
        with pytest.raises(Stopped):
            sample(traced.build(), starts(), NUM_DRAWS, progress=stop_after(count), **options)
    found = sample(traced.build(), starts(), NUM_DRAWS, **options)
    assert_same(found, base.samples)
    jax.tree.map(np.testing.assert_array_equal, found.last_state, base.samples.last_state)


def test_draws_do_not_depend_on_how_many_chains_are_vectorized_nor_on_the_room_for_draws(
    traced: Traced, base: Run
) -> None:
    assert_same(run(traced, batch_size=1, num_chunks=1).samples, base.samples, rtol=1e-4)


def test_the_draws_of_a_chain_do_not_depend_on_the_chains_beside_it(base: Run, alone: Run) -> None:
    assert alone.samples.num_chains == 1
    assert_same(alone.samples, base.samples.select_chains(0), rtol=1e-4)


def test_thinning_by_two_takes_every_second_draw_of_the_same_run_in_any_number_of_chunks(
    base: Run, thinned: Run
) -> None:
    assert (len(base.chunks), len(thinned.chunks)) == (3, 1)
    every_second = jax.tree.map(lambda leaf: leaf[:, [1, 3, 5]], base.samples.params)
    jax.tree.map(np.testing.assert_array_equal, thinned.samples.params, every_second)


def test_statistics_of_thinned_draws_speak_of_all_steps_between(
    contract: Contract, base: Run, thinned: Run
) -> None:
    """Whatever a method says of its own: to the bit where nothing is added up."""
    reduce_stats = contract.build().reduce_stats
    for name in contract.stats:
        two = base.samples.stats[name][:, :6].reshape(NUM_CHAINS, 3, 2)
        expected = {
            "last": two[..., -1],
            "mean": two.mean(axis=-1, dtype=np.float64),
            "sum": two.sum(axis=-1),
            "max": two.max(axis=-1),
            "any": two.any(axis=-1),
        }[reduce_stats[name]]
        rtol = 1e-6 if reduce_stats[name] == "mean" else 0.0
        np.testing.assert_allclose(thinned.samples.stats[name], expected, rtol=rtol)
        assert thinned.samples.stats[name].dtype == base.samples.stats[name].dtype


def test_a_method_says_how_each_of_its_statistics_is_reduced(contract: Contract) -> None:
    reduce_stats = contract.build().reduce_stats
    assert set(reduce_stats) == contract.stats
    of_all_steps = {
        "acceptance_rate": "mean",
        "diverging": "any",
        "energy_variance": "mean",
        "n_steps": "sum",
        "tree_depth": "max",
    }
    assert dict(reduce_stats) == dict.fromkeys(contract.stats, "last") | {
        name: of_all_steps[name] for name in contract.stats & set(of_all_steps)
    }


def test_chunks_hold_all_draws_in_their_order(base: Run) -> None:
    assert [chunk.num_draws for chunk in base.chunks] == [3, 3, 1]
    joined = [
        jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *trees)
        for trees in (
            [chunk.params for chunk in base.chunks],
            [chunk.stats for chunk in base.chunks],
        )
    ]
    assert_same(Samples(*joined), base.samples)


def test_progress_grows_steadily_to_its_total(contract: Contract, base: Run) -> None:
    steps = [told.num_steps for told in base.told]
    seconds = [told.seconds for told in base.told]
    assert steps == sorted(set(steps))
    assert seconds == sorted(seconds)
    assert steps[-1] == contract.num_warmup + NUM_DRAWS
    assert {told.total_steps for told in base.told} == {steps[-1]}
    assert base.told[-1].seconds_left == 0
    phases = [told.phase for told in base.told]
    assert phases == sorted(phases, reverse=True)
    assert set(phases) == {"warmup", "draws"}
    assert all(set(told.stats) == contract.stats for told in base.told)


def test_thinned_away_draws_count_as_progress(contract: Contract, thinned: Run) -> None:
    told = thinned.told[-1]
    assert told.num_steps == told.total_steps == contract.num_warmup + 6


def test_all_chunks_run_one_compiled_program(base: Run) -> None:
    assert len(base.num_traces) >= 5
    assert base.num_traces[-1] == base.num_traces[0] > 0


def test_a_method_that_is_made_again_is_not_compiled_again(traced: Traced, alone: Run) -> None:
    before = traced.num_traces
    again = run(traced, positions=starts(1), num_chunks=2)
    assert traced.num_traces == before > 0
    assert_same(again.samples, alone.samples)


def test_a_gaussian_method_hands_over_the_gaussian_it_drew_from(
    contract: Contract, base: Run
) -> None:
    method = contract.build()
    if method.gaussian is None:
        assert contract.builder not in (mean_field_vi, refine_from_anchor, swag, laplace)
        return
    gaussian = method.gaussian(jax.tree.map(lambda leaf: leaf[0], base.samples.last_state))
    assert isinstance(gaussian, DiagonalGaussian)
    draws = jax.tree.map(lambda leaf: leaf[0], base.samples.params)
    scores = jax.tree.map(
        lambda w, mean, std: np.abs(w - np.asarray(mean)) / np.asarray(std),
        draws,
        gaussian.mean,
        gaussian.std,
    )
    # 21 standard normal numbers: one beyond 5 happens for 1 key in 80,000.
    assert max(leaf.max() for leaf in jax.tree.leaves(scores)) < 5
