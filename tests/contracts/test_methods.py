"""What every inference method promises, whichever it is: one list, one set of properties."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import onebasin.methods
from onebasin.gaussians import DiagonalGaussian
from onebasin.methods import (
    Method,
    Progress,
    adjusted_mclmc,
    deep_ensemble,
    hmc,
    inits,
    laplace,
    last_layer_laplace,
    mclmc,
    mean_field_vi,
    mean_logdensity,
    nuts,
    refine,
    sample,
    sghmc,
    sgld,
    swag,
)
from onebasin.samples import Samples

pytestmark = pytest.mark.slow

KEY = jax.random.key(7)
NUM_CHAINS = 3  # does not divide the two devices of conftest.py
NUM_DRAWS = 7
NUM_WARMUP = 5


def logdensity(params):
    """A Gaussian of three weights, two of them correlated; one leaf is a scalar."""
    w, b = params["w"], params["b"]
    return -0.5 * (w**2).sum() - 0.5 * (b - w[0]) ** 2


def noisy_logdensity(params, key):
    """An unbiased estimate, for a method that is random in nothing else."""
    return logdensity(params) + 0.5 * jax.random.normal(key) * params["b"]


def keyed_logdensity(params, key):
    """The exact density for a method that would take an estimate; quick to compile."""
    del key
    return logdensity(params)


ANCHOR = DiagonalGaussian(
    {"b": jnp.float32(0.5), "w": jnp.zeros(2)}, {"b": jnp.float32(0.3), "w": jnp.full(2, 0.7)}
)

POINT = DiagonalGaussian(ANCHOR.mean, ANCHOR.std | {"b": jnp.float32(0.0)})


def refine_from_anchor(logdensity, anchor=ANCHOR, **settings) -> Method:
    """`refine` as a function of a log density, as the other builders are."""
    return refine(mean_logdensity(logdensity), anchor, **settings)


class Contract(NamedTuple):
    """A method, what it takes, and what it says of every draw."""

    builder: Callable[..., Method]
    logdensity: Callable[..., Any]
    settings: dict[str, Any]
    num_warmup: int
    stats: set[str]

    def build(self, logdensity=None, **changes) -> Method:
        return self.builder(logdensity or self.logdensity, **self.settings | changes)


HMC_STATS = {"lp", "energy", "acceptance_rate", "diverging", "step_size", "n_steps"}
MCLMC_STATS = {"lp", "diverging", "step_size", "momentum_decoherence_length", "n_steps"}
SGMCMC_STATS = {"lp", "step_size", "temperature", "diverging"}

# Every method goes here, and is then held to all that follows.
METHODS = {
    "hmc": Contract(
        hmc,
        logdensity,
        {"num_steps": 3, "step_size": 0.3, "num_warmup": NUM_WARMUP, "target_acceptance": 0.8},
        NUM_WARMUP,
        HMC_STATS,
    ),
    "nuts": Contract(
        nuts,
        logdensity,
        {"max_depth": 3, "step_size": 0.3, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        HMC_STATS | {"tree_depth"},
    ),
    "mclmc": Contract(
        mclmc,
        logdensity,
        # The first energy errors are far above rounding, which the tuning would amplify.
        {"num_steps": 2, "step_size": 2.0, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        MCLMC_STATS | {"energy_variance"},
    ),
    "adjusted_mclmc": Contract(
        adjusted_mclmc,
        logdensity,
        {"max_steps": 3, "step_size": 0.3, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        MCLMC_STATS | {"acceptance_rate"},
    ),
    "deep_ensemble": Contract(
        deep_ensemble,
        noisy_logdensity,
        {"num_steps": NUM_WARMUP, "optimizer": optax.adam(0.1)},
        NUM_WARMUP - 1,
        {"lp"},
    ),
    "mean_field_vi": Contract(
        mean_field_vi,
        keyed_logdensity,
        {"num_steps": NUM_WARMUP, "optimizer": optax.adam(0.1)},
        NUM_WARMUP,
        {"elbo"},
    ),
    "refine": Contract(
        refine_from_anchor,
        keyed_logdensity,
        {
            "num_steps": NUM_WARMUP,
            "num_particles": 2,
            "pull": 0.5,
            "optimizer": optax.adam(0.1),
        },
        NUM_WARMUP,
        {"elbo"},
    ),
    "sgld": Contract(
        sgld,
        noisy_logdensity,
        {"step_size": 0.1, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        SGMCMC_STATS,
    ),
    "sghmc": Contract(
        sghmc,
        noisy_logdensity,
        {"step_size": 0.3, "num_steps": 3, "num_warmup": NUM_WARMUP},
        NUM_WARMUP,
        SGMCMC_STATS,
    ),
    "swag": Contract(
        swag,
        noisy_logdensity,
        {"num_burn_in": 1, "num_collected": 2, "collect_every": 2, "optimizer": optax.sgd(0.1)},
        NUM_WARMUP,
        {"lp"},
    ),
    "laplace": Contract(
        laplace,
        logdensity,
        {"least_precision": 0.1, "num_steps": NUM_WARMUP, "optimizer": optax.adam(0.1)},
        NUM_WARMUP,
        {"lp"},
    ),
    "last_layer_laplace": Contract(
        last_layer_laplace,
        logdensity,
        {
            "leaves": ("w",),
            "least_precision": 0.1,
            "num_steps": NUM_WARMUP,
            "optimizer": optax.adam(0.1),
        },
        NUM_WARMUP,
        {"lp"},
    ),
}


def starts(num_chains: int = NUM_CHAINS):
    """Where chains begin; the second and the third begin alike."""
    draws = np.random.default_rng(3).standard_normal((2, 3)).astype(np.float32)
    draws = draws[[0, 1, 1]][:num_chains]
    return {"b": jnp.asarray(draws[:, 0]), "w": jnp.asarray(draws[:, 1:])}


class Run(NamedTuple):
    """One call of `sample`, with all that it told after each chunk."""

    samples: Samples
    chunks: list[Samples]
    told: list[Progress]
    num_traces: list[int]


def run(contract: Contract, *, key=KEY, positions=None, num_draws=NUM_DRAWS, **options) -> Run:
    chunks, told, num_traces = [], [], []
    count = 0

    def counted(*arguments):
        nonlocal count
        count += 1
        return contract.logdensity(*arguments)

    def listen(progress):
        if progress.phase != "compiling":
            told.append(progress)
            num_traces.append(count)

    samples = sample(
        contract.build(counted),
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
def base(contract: Contract) -> Run:
    """Three chains in chunks of 3, 3 and 1 draws: what every other run is compared with."""
    return run(contract, num_chunks=3)


@pytest.fixture(scope="module")
def thinned(contract: Contract) -> Run:
    """Two draws, three steps apart."""
    return run(contract, num_draws=2, thin=3)


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


def test_another_key_gives_other_draws(contract: Contract, base: Run) -> None:
    other = run(contract, num_chunks=1, key=jax.random.key(8)).samples
    for chain in range(NUM_CHAINS):
        assert (
            largest_difference(other.select_chains(chain), base.samples.select_chains(chain)) > 1e-6
        )


def test_chains_that_begin_alike_still_draw_apart(base: Run) -> None:
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf[1], leaf[2]), starts())
    assert largest_difference(base.samples.select_chains(1), base.samples.select_chains(2)) > 1e-6


def test_the_same_key_gives_the_same_draws_in_any_number_of_chunks(
    contract: Contract, base: Run
) -> None:
    again = run(contract, num_chunks=1)
    assert len(again.chunks) == 1
    assert len(base.chunks) == 3
    assert_same(again.samples, base.samples)


def test_draws_go_on_from_a_store_bit_for_bit_after_every_chunk(
    contract: Contract, base: Run, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(progress):
        if progress.phase != "compiling":
            raise Stopped

    method = contract.build()
    options = {"num_chunks": 3, "progress": stop, "store": tmp_path / "s.zarr", "key": KEY}
    for _ in base.told:
        with pytest.raises(Stopped):
            sample(method, starts(), NUM_DRAWS, **options)
    found = sample(method, starts(), NUM_DRAWS, **options)  # nothing is left to draw
    assert_same(found, base.samples)
    jax.tree.map(np.testing.assert_array_equal, found.last_state, base.samples.last_state)


def test_draws_do_not_depend_on_how_many_chains_are_vectorized(
    contract: Contract, base: Run
) -> None:
    assert_same(run(contract, batch_size=1).samples, base.samples, rtol=1e-4)


def test_the_draws_of_a_chain_do_not_depend_on_the_chains_beside_it(
    contract: Contract, base: Run
) -> None:
    alone = run(contract, positions=starts(1), num_chunks=2)
    assert alone.samples.num_chains == 1
    assert_same(alone.samples, base.samples.select_chains(0), rtol=1e-4)


def test_thinning_by_three_takes_every_third_draw_of_the_same_run(base: Run, thinned: Run) -> None:
    every_third = jax.tree.map(lambda leaf: leaf[:, [2, 5]], base.samples.params)
    jax.tree.map(np.testing.assert_array_equal, thinned.samples.params, every_third)


def test_statistics_of_thinned_draws_speak_of_all_steps_between(
    contract: Contract, base: Run, thinned: Run
) -> None:
    """Whatever a method says of its own: to the bit where nothing is added up."""
    reduce_stats = contract.build().reduce_stats
    for name in contract.stats:
        three = base.samples.stats[name][:, :6].reshape(NUM_CHAINS, 2, 3)
        expected = {
            "last": three[..., -1],
            "mean": three.mean(axis=-1, dtype=np.float64),
            "sum": three.sum(axis=-1),
            "max": three.max(axis=-1),
            "any": three.any(axis=-1),
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
    assert base.num_traces[-1] == base.num_traces[0]


def test_a_method_that_is_made_again_is_not_compiled_again(contract: Contract) -> None:
    num_traces = 0

    def counted(*arguments):
        nonlocal num_traces
        num_traces += 1
        return contract.logdensity(*arguments)

    first = sample(contract.build(counted), starts(1), 1, num_chunks=1, key=KEY)
    traced = num_traces
    again = sample(contract.build(counted), starts(1), 1, num_chunks=1, key=KEY)
    assert 0 < traced == num_traces
    assert_same(first, again)


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


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_positions_that_are_not_finite_are_refused_by_name(contract: Contract, bad) -> None:
    positions = starts() | {"b": jnp.asarray([0.0, bad, 0.0])}
    with pytest.raises(ValueError, match=r"positions must be finite\. Got NaN or infinity in b"):
        sample(contract.build(), positions, NUM_DRAWS, key=KEY)


@pytest.mark.parametrize("b", [jnp.zeros(2), jnp.zeros(())])
def test_positions_that_disagree_in_chains_are_refused(contract: Contract, b) -> None:
    with pytest.raises(ValueError, match=r"must lead with the same chain axis\. Got \{'b'"):
        sample(contract.build(), starts() | {"b": b}, NUM_DRAWS, key=KEY)


@pytest.mark.parametrize("name", ["num_draws", "thin", "num_chunks", "batch_size"])
def test_counts_below_one_are_refused(contract: Contract, name: str) -> None:
    counts = {"num_draws": 3, "thin": 1, "num_chunks": 1} | {name: 0}
    with pytest.raises(ValueError, match=rf"{name} must be an int in the range \[1, inf\). Got 0"):
        sample(contract.build(), starts(), **counts, key=KEY)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("hmc", {"num_steps": 0}, r"num_steps must be an int in the range \[1, inf\)\. Got 0"),
        ("hmc", {"num_warmup": -1}, r"num_warmup must be an int in the range \[0, inf\)\. Got -1"),
        ("hmc", {"step_size": 0.0}, r"step_size must be positive\. Got 0\.0"),
        ("hmc", {"step_size": np.inf}, r"step_size must be positive\. Got inf"),
        ("hmc", {"target_acceptance": 1.0}, r"target_acceptance must lie in \(0, 1\)\. Got 1\.0"),
        ("hmc", {"jitter": 1.0}, r"jitter must lie in \[0, 1\)\. Got 1\.0"),
        ("hmc", {"jitter": -0.1}, r"jitter must lie in \[0, 1\)\. Got -0\.1"),
        ("nuts", {"max_depth": 0}, r"max_depth must be an int in the range \[1, inf\)\. Got 0"),
        ("nuts", {"num_warmup": -1}, r"num_warmup must be an int in the range \[0, inf\)"),
        ("nuts", {"step_size": 0.0}, r"step_size must be positive\. Got 0\.0"),
        ("nuts", {"target_acceptance": 0.0}, r"target_acceptance must lie in \(0, 1\)\. Got 0"),
        ("mclmc", {"num_steps": 0}, r"num_steps must be an int in the range \[1, inf\)\. Got 0"),
        ("mclmc", {"num_warmup": -1}, r"num_warmup must be an int in the range \[0, inf\)"),
        ("mclmc", {"step_size": -1.0}, r"step_size must be positive\. Got -1\.0"),
        ("mclmc", {"energy_variance": 0.0}, r"energy_variance must be positive\. Got 0\.0"),
        ("mclmc", {"momentum_decoherence_length": np.inf}, r"_length must be positive\. Got inf"),
        ("adjusted_mclmc", {"max_steps": 0}, r"max_steps must be an int in the range \[1, inf\)"),
        ("adjusted_mclmc", {"num_warmup": -1}, r"num_warmup must be an int in the range"),
        ("adjusted_mclmc", {"step_size": 0.0}, r"step_size must be positive\. Got 0\.0"),
        ("adjusted_mclmc", {"target_acceptance": 1.0}, r"acceptance must lie in \(0, 1\)\. Got 1"),
        ("adjusted_mclmc", {"momentum_decoherence_length": 0.0}, r"must be positive\. Got 0\.0"),
        ("deep_ensemble", {"num_steps": 0}, r"num_steps must be an int in the range \[1, inf\)"),
        ("mean_field_vi", {"num_steps": 0}, r"num_steps must be an int in the range \[1, inf\)"),
        ("mean_field_vi", {"num_particles": 0}, r"num_particles must be an int in the range"),
        ("mean_field_vi", {"init_std": 0.0}, r"init_std must be positive\. Got 0\.0"),
        ("refine", {"num_steps": 0}, r"num_steps must be an int in the range \[1, inf\)"),
        ("refine", {"num_particles": 0}, r"num_particles must be an int in the range"),
        ("refine", {"entropy": -1.0}, r"entropy must be in the range \[0, inf\)\. Got -1"),
        ("refine", {"pull": np.inf}, r"pull must be in the range \[0, inf\)\. Got inf"),
        ("refine", {"anchor": POINT}, r"anchor .* a positive std for every weight\. Got 0\."),
        ("sgld", {"step_size": 0.0}, r"step_size must be positive\. Got 0\.0"),
        ("sgld", {"num_warmup": -1}, r"num_warmup must be an int in the range \[0, inf\)\. Got -1"),
        ("sgld", {"temperature": -1.0}, r"temperature must be in the range \[0, inf\)\. Got -1"),
        ("sghmc", {"step_size": np.inf}, r"step_size must be positive\. Got inf"),
        ("sghmc", {"temperature": np.inf}, r"temperature must be in the range .* Got inf"),
        ("sghmc", {"num_steps": 0}, r"num_steps must be an int in the range \[1, inf\)\. Got 0"),
        ("sghmc", {"friction": -1.0}, r"friction must be in the range \[0, inf\)\. Got -1"),
        ("swag", {"num_burn_in": -1}, r"num_burn_in must be an int in the range \[0, inf\)"),
        ("swag", {"num_collected": 1}, r"num_collected must be an int in the range \[2, inf\)"),
        ("swag", {"collect_every": 0}, r"collect_every must be an int in the range \[1, inf\)"),
        ("laplace", {"num_steps": -1}, r"num_steps must be an int in the range \[0, inf\)"),
        ("laplace", {"least_precision": 0.0}, r"least_precision must be positive\. Got 0"),
        ("last_layer_laplace", {"leaves": ()}, r"leaves must hold one path or more\. Got \(\)"),
        ("last_layer_laplace", {"leaves": "w"}, r"leaves must hold one path or more\. Got 'w'"),
    ],
)
def test_a_setting_out_of_range_is_refused_before_anything_compiles(
    name: str, changes: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        METHODS[name].build(**changes)


@pytest.mark.parametrize("builder", [mclmc, adjusted_mclmc])
def test_a_single_weight_has_no_microcanonical_dynamics(builder) -> None:
    method = builder(lambda params: -0.5 * (params["w"] ** 2).sum())
    with pytest.raises(ValueError, match=r"must have 2 weights or more\. Got 1\. Use hmc"):
        sample(method, {"w": jnp.zeros((2, 1))}, 1, key=KEY)


@pytest.mark.parametrize("name", [name for name in METHODS if "n_steps" in METHODS[name].stats])
def test_n_steps_counts_the_gradients_of_a_draw(name: str) -> None:
    count = 0

    def note() -> None:
        nonlocal count
        count += 1

    def counted(params):
        jax.debug.callback(note)
        return logdensity(params)

    method = METHODS[name].build(counted)
    state = method.init(jax.tree.map(lambda leaf: leaf[0], starts()), key=KEY)
    step = jax.jit(method.step)
    for number in range(NUM_WARMUP + 2):
        jax.effects_barrier()
        count = 0
        state, stats = step(state, key=jax.random.key(number))
        jax.effects_barrier()
        assert count == int(stats["n_steps"]) > 0


@pytest.mark.parametrize("name", ["deep_ensemble", "mean_field_vi", "refine", "swag", "laplace"])
def test_optimizers_that_read_the_weights_are_welcome(name: str) -> None:
    method = METHODS[name].build(optimizer=optax.adamw(1e-2, weight_decay=0.1))
    state = method.init(jax.tree.map(lambda leaf: leaf[0], starts()), key=KEY)
    state, _ = method.step(state, key=KEY)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.position))


def test_starts_are_drawn_apart_for_every_chain() -> None:
    positions = inits(lambda key: {"w": jax.random.normal(key, (2,))}, 3, key=KEY)
    assert positions["w"].shape == (3, 2)
    assert len(np.unique(positions["w"])) == 6
