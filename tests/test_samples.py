"""Samples: leading axes, views and statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from onebasin.samples import Samples, concatenate_draws

pytestmark = pytest.mark.usefixtures("strict_dtypes")


def make_samples(num_chains: int = 2, num_draws: int = 5, seed: int = 0, xp=np) -> Samples:
    rng = np.random.default_rng(seed)
    lead = (num_chains, num_draws)
    params = {
        "kernel": xp.asarray(rng.standard_normal((*lead, 3, 2)).astype(np.float32)),
        "scale": xp.asarray(rng.standard_normal(lead).astype(np.float32)),
    }
    return Samples(params, {"lp": xp.asarray(rng.standard_normal(lead).astype(np.float32))})


@pytest.mark.parametrize(
    ("params", "stats"),
    [
        ({"a": np.ones((2, 5, 3)), "b": np.ones((2, 4))}, {}),
        ({"a": np.ones((2, 5, 3))}, {"lp": np.ones((2, 4))}),
        ({"a": np.ones(5)}, {}),
        ({}, {}),
    ],
)
def test_samples_refuse_leaves_that_do_not_lead_with_one_chain_and_draw(params, stats) -> None:
    with pytest.raises(ValueError, match=r"must lead with the same \(chain, draw\) axes"):
        Samples(params, stats)


def test_samples_count_their_chains_and_draws() -> None:
    samples = make_samples(num_chains=3, num_draws=4)
    assert (samples.num_chains, samples.num_draws) == (3, 4)


def test_draws_follow_chain_after_chain() -> None:
    samples = make_samples(2, 3)
    flat = samples.flatten()["kernel"]
    assert flat.shape == (6, 3, 2)
    np.testing.assert_array_equal(flat[4], samples.params["kernel"][1, 1])
    np.testing.assert_array_equal(flat[4], samples.draw(1, 1)["kernel"])


@pytest.mark.parametrize("xp", [np, jnp])
def test_one_draw_holds_arrays_even_where_a_weight_is_a_scalar(xp) -> None:
    draw = make_samples(xp=xp).draw(1, 2)
    assert {type(leaf) for leaf in jax.tree.leaves(draw)} == {type(xp.ones(1))}
    assert draw["scale"].shape == ()


def test_choosing_chains_keeps_their_statistics_with_them() -> None:
    samples = make_samples(3)
    chosen = samples.select_chains(2, 0)
    np.testing.assert_array_equal(chosen.params["kernel"], samples.params["kernel"][[2, 0]])
    np.testing.assert_array_equal(chosen.stats["lp"], samples.stats["lp"][[2, 0]])


def test_thinning_keeps_every_second_draw_and_its_statistics() -> None:
    samples = make_samples(2, 5)
    thinned = samples.thin(2)
    np.testing.assert_array_equal(thinned.params["scale"], samples.params["scale"][:, [0, 2, 4]])
    np.testing.assert_array_equal(thinned.stats["lp"], samples.stats["lp"][:, [0, 2, 4]])


@pytest.mark.parametrize("xp", [np, jnp])
def test_mean_and_std_are_numpys_in_float64_with_one_degree_of_freedom_less(xp) -> None:
    samples = make_samples(2, 50, xp=xp)
    flat = np.asarray(samples.params["kernel"], np.float64).reshape(100, 3, 2)
    mean, std = samples.mean()["kernel"], samples.std()["kernel"]
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_array_equal(mean, flat.mean(axis=0).astype(np.float32))
    np.testing.assert_array_equal(std, flat.std(axis=0, ddof=1).astype(np.float32))


def test_the_std_of_equal_draws_is_exactly_zero() -> None:
    draw = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    samples = Samples({"w": np.broadcast_to(draw, (4, 50, 1000))})
    assert samples.std()["w"].max() == 0
    np.testing.assert_array_equal(samples.mean()["w"], draw)


def test_the_std_is_accumulated_in_float64_far_from_zero() -> None:
    offsets = np.array([[-1.0, 0.0, 1.0]], np.float32)
    assert Samples({"w": offsets + np.float32(2**20)}).std()["w"] == 1


def test_the_std_of_a_single_draw_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs at least 2 draws\. Got 1"):
        make_samples(1, 1).std()


def test_joining_parts_of_a_run_gives_the_run_with_the_last_state() -> None:
    whole = make_samples(2, 7)
    parts = [
        Samples(
            *jax.tree.map(lambda leaf, rows=rows: leaf[:, rows], (whole.params, whole.stats)), state
        )
        for rows, state in ((slice(0, 3), "early"), (slice(3, 7), "late"))
    ]
    joined = concatenate_draws(parts)
    jax.tree.map(np.testing.assert_array_equal, joined.params, whole.params)
    jax.tree.map(np.testing.assert_array_equal, joined.stats, whole.stats)
    assert joined.last_state == "late"
