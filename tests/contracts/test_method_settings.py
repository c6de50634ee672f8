"""Every method refuses positions, counts and settings that cannot be, before anything compiles."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from method_contracts import (
    KEY,
    METHODS,
    NUM_DRAWS,
    NUM_WARMUP,
    POINT,
    Contract,
    logdensity,
    starts,
)

from onebasin.methods import adjusted_mclmc, inits, mclmc, sample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=METHODS)
def contract(request) -> Contract:
    return METHODS[request.param]


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
