"""Significance of a std: calibrated p-values under the null, certainty for near copies."""

import jax
import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given, settings

from onebasin.alignment import (
    Significance,
    null_draws,
    significant_share,
    std_significance,
    to_first,
)
from onebasin.alignment.effective_size import std_ess
from onebasin.alignment.significance import compare_with_nulls, num_null_draws
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry
from onebasin.symmetry.axes import Axes

pytestmark = pytest.mark.slow

NETWORK = mlp(2, (13,), 2)
NUM_TESTED = 2 * 13 + 13 + 13 * 2


def noise(seed: int, correlation: float = 0.0, shape: tuple[int, int] = (2, 200)) -> Samples:
    """Draws that share nothing, of autocorrelated chains that start in stationarity."""
    rng = np.random.default_rng(seed)

    def leaf(like: jax.ShapeDtypeStruct) -> np.ndarray:
        draws = rng.standard_normal((*shape, *like.shape), np.float32)
        for draw in range(1, shape[1]):
            draws[:, draw] *= np.sqrt(1 - correlation**2)
            draws[:, draw] += correlation * draws[:, draw - 1]
        return draws

    return Samples(jax.tree.map(leaf, jax.eval_shape(NETWORK.init, jax.random.key(0))))


def near_copies(key: jax.Array, shape: tuple[int, int] = (2, 150)) -> Samples:
    """One network with its units permuted anew in every draw, and a little noise on each weight."""
    copies, _ = strategies.permuted_copies(strategies.make_case(NETWORK, 0), key, *shape)
    rng = np.random.default_rng(0)
    blur = lambda leaf: leaf + 0.01 * rng.standard_normal(leaf.shape, np.float32)
    return Samples(jax.tree.map(blur, copies.params))


def of_tested(tree) -> np.ndarray:
    leaves = (tree["hidden_0"]["kernel"], tree["hidden_0"]["bias"], tree["out"]["kernel"])
    return np.concatenate([np.asarray(leaf).reshape(-1) for leaf in leaves])


@pytest.mark.long
@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_under_the_null_a_twentieth_of_the_weights_has_a_p_value_up_to_a_twentieth(
    correlation: float,
) -> None:
    shares = []
    for seed in range(16):
        samples = noise(seed, correlation)
        found = std_significance(
            samples, NETWORK.symmetry, reference=to_first(), key=jax.random.key(seed), num_nulls=10
        )
        p_values = of_tested(found.p_values)
        assert np.isnan(p_values).mean() < 0.1
        shares.append(np.mean(p_values[~np.isnan(p_values)] <= 0.05))
    # Weights of one data set depend on each other; data sets do not. Failure rate 1e-4.
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - 0.05) <= oracles.z_bound(1e-4) * error
    assert error < 0.015


def test_for_copies_of_one_network_every_weight_that_may_move_is_significant(key) -> None:
    found = std_significance(near_copies(key), NETWORK.symmetry, key=key, num_nulls=7)
    assert found.num_null_stds == 7 * NUM_TESTED
    assert found.cannot_tell == ""
    assert found.share() == 1
    assert np.isnan(found.p_values["out"]["bias"]).all()
    assert not found.tested["out"]["bias"].any()
    np.testing.assert_allclose(of_tested(found.p_values), 1 / (1 + 7 * NUM_TESTED))


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(noise(0, 0.999), id="chains that hardly move"),
        pytest.param(noise(0, shape=(2, 20)), id="40 draws"),
    ],
)
def test_with_few_effective_draws_it_cannot_tell_and_says_why(key, samples: Samples) -> None:
    found = std_significance(samples, NETWORK.symmetry, reference=to_first(), key=key, num_nulls=7)
    assert np.isnan(found.share())
    assert found.undecided_share > 0.9
    assert (of_tested(found.ess)[np.isnan(of_tested(found.p_values))] < 50).all()
    assert "effective sample size below 50" in found.cannot_tell
    assert "Draw longer chains" in found.cannot_tell


def test_chains_that_never_move_cannot_tell_however_alike_they_are(key) -> None:
    alike, _ = strategies.permuted_copies(strategies.make_case(NETWORK, 0), key, 2, 50)
    found = std_significance(alike, NETWORK.symmetry, key=key, num_nulls=7)
    assert np.isnan(found.share())
    assert "(median 0)" in found.cannot_tell


def test_of_a_network_whose_units_never_move_there_is_nothing_to_tell(key) -> None:
    samples = noise(0)
    still = Symmetry.of(
        jax.tree.map(lambda x: Axes(*[None] * (x.ndim - 2)), samples.params), samples.draw(0, 0)
    )
    found = std_significance(samples, still, key=key, num_nulls=3)
    assert np.isnan(found.share())
    assert "moves no weight" in found.cannot_tell


AXES = {"mix": Axes("a", None, "b"), "still": Axes(None), "scalar": Axes()}


def unaligned(rng: np.random.Generator, scale: float = 1.0) -> Samples:
    return Samples(
        {
            "mix": scale * rng.standard_normal((2, 150, 2, 3, 4)),
            "still": rng.standard_normal((2, 150, 2)),
            "scalar": rng.standard_normal((2, 150)),
        }
    )


@settings(max_examples=5)
@given(seed=strategies.seeds)
def test_a_p_value_ranks_a_std_among_null_stds_standardized_by_position(seed) -> None:
    rng = np.random.default_rng(seed)
    samples, nulls = unaligned(rng, 0.95), [unaligned(rng) for _ in range(17)]
    symmetry = Symmetry.of(AXES, samples.draw(0, 0))
    found = compare_with_nulls(samples, nulls, symmetry)
    std, null_stds = samples.std()["mix"], np.stack([null.std()["mix"] for null in nulls])
    pools = {j: null_stds[:, :, j].reshape(-1) for j in range(3)}
    pool = []
    for values in pools.values():
        for number, value in enumerate(values):
            rest = np.delete(values, number)
            pool.append((value - rest.mean()) / rest.std(ddof=1))
    first = std_ess(nulls[0])["mix"]
    for i, j, k in np.ndindex(2, 3, 4):
        usual = np.median(first[:, j])
        widened = np.sqrt(max(1, usual / found.ess["mix"][i, j, k]))
        z = (std[i, j, k] - pools[j].mean()) / pools[j].std(ddof=1) / widened
        expected = (1 + np.sum(np.array(pool) <= z)) / (1 + len(pool))
        assert found.p_values["mix"][i, j, k] == pytest.approx(expected, abs=1.5 / len(pool))
        assert found.floor["mix"][i, j, k] == pytest.approx(pools[j].mean())
    assert np.isnan(found.p_values["still"]).all()
    assert np.isnan(found.p_values["scalar"])
    assert found.num_null_stds == len(pool) == 17 * 24


def test_a_weight_that_mixes_worse_than_the_noise_has_a_larger_p_value() -> None:
    rng = np.random.default_rng(0)
    samples, nulls = unaligned(rng, 0.9), [unaligned(rng) for _ in range(17)]
    symmetry = Symmetry.of(AXES, samples.draw(0, 0))
    # The same values, and so the same std, in runs of rising and falling size.
    mix = samples.params["mix"].reshape(2, 10, 15, 2, 3, 4)
    slow = np.sort(mix, axis=2).reshape(2, 150, 2, 3, 4)
    quick_p, slow_p = (
        compare_with_nulls(Samples({**samples.params, "mix": values}), nulls, symmetry).p_values
        for values in (samples.params["mix"], slow)
    )
    told = ~np.isnan(slow_p["mix"])
    assert (slow_p["mix"] >= quick_p["mix"])[told].all()
    assert np.median(quick_p["mix"]) < 0.02 < np.median(np.nan_to_num(slow_p["mix"], nan=1.0))


def test_the_share_is_that_of_the_benjamini_hochberg_procedure() -> None:
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, np.nan, np.nan])
    # The largest k with p_k <= .05 k / 8: 0.008 <= .0125, and 0.042 > .03125.
    assert significant_share({"w": p}) == 2 / 8
    assert np.isnan(significant_share({"w": p[-2:]}))


def test_null_draws_share_nothing_but_are_as_dense_as_each_other(key) -> None:
    samples = noise(0)
    drawn = null_draws(samples, NETWORK.symmetry, key=key)
    assert (drawn.num_chains, drawn.num_draws) == (2, 200)
    assert (drawn.stats["lp"] == 0).all()


def test_progress_is_told_after_every_alignment_of_noise(key) -> None:
    told = []
    progress = lambda *counts: told.append(counts)
    options = {"reference": to_first(), "num_nulls": 7, "progress": progress}
    std_significance(noise(0), NETWORK.symmetry, key=key, **options)
    assert told == [(done, 7) for done in range(1, 8)]


def test_noise_is_aligned_20_times_or_as_often_as_a_small_network_needs() -> None:
    samples = noise(0)
    assert num_null_draws(samples, NETWORK.symmetry) == 20
    assert num_null_draws(samples, NETWORK.symmetry, 0.01) == 2000 // NUM_TESTED + 1
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\)\. Got 5\.0"):
        num_null_draws(samples, NETWORK.symmetry, 5.0)


def test_too_few_null_stds_for_a_level_are_refused(key) -> None:
    few = r"p-values down to 0\.05 need 20 / 0\.05 = 400 null stds\. Got 195 of 3 .*num_nulls=7"
    for number, message in {3: few, 2: "at least 3 alignments of noise. Got 2"}.items():
        with pytest.raises(ValueError, match=message):
            std_significance(
                noise(0), NETWORK.symmetry, reference=to_first(), key=key, num_nulls=number
            )
    found = std_significance(noise(0), NETWORK.symmetry, reference=to_first(), key=key, num_nulls=7)
    assert isinstance(found, Significance)
    with pytest.raises(ValueError, match=r"at least 20 / 455 null stds, 0\.044\. Got 0\.01"):
        found.share(0.01)


@pytest.mark.parametrize("rate", [0.0, 1.0, 5.0, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\)\. Got .*pass 0\.05"):
        significant_share({"w": np.ones(3)}, rate)


def test_samples_that_do_not_fit_are_refused() -> None:
    samples = noise(0)
    other = Samples(jax.tree.map(lambda leaf: leaf[:, :, :1], samples.params))
    for given_, nulls in ((other, [samples]), (samples, [other])):
        with pytest.raises(ValueError, match="All axes of a group must have one length"):
            compare_with_nulls(given_, nulls, NETWORK.symmetry)
