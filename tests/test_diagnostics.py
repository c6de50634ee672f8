"""Diagnostics: what R-hat, effective sample sizes and E-BFMI say of chains that are known."""

import json

import numpy as np
import pytest

from onebasin.diagnostics import Converged, convergence, sampler_health, weight_convergence
from onebasin.samples import Samples


def independent(num_chains: int = 4, num_draws: int = 500, num_quantities: int = 20) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((num_chains, num_draws, num_quantities))


def autoregressive(coefficient: float, num_draws: int = 4000) -> np.ndarray:
    noise = independent(4, num_draws, 5)
    values = noise.copy()
    for draw in range(1, num_draws):
        values[:, draw] = coefficient * values[:, draw - 1] + noise[:, draw]
    return values


def test_independent_draws_have_an_rhat_of_one_and_count_in_full() -> None:
    found = convergence(independent())
    assert found["rhat_median"] == pytest.approx(1, abs=0.005)
    assert found["rhat_max"] == pytest.approx(1, abs=0.02)
    assert found["ess_median"] == pytest.approx(2000, rel=0.15)
    assert 0.7 * 2000 < found["ess_min"] <= found["ess_median"]


def test_chains_around_different_means_have_a_large_rhat_and_count_for_little() -> None:
    found = convergence(independent() + 5 * np.arange(4)[:, None, None])
    assert found["rhat_median"] > 1.5
    assert found["ess_median"] < 20


def test_one_bad_quantity_shows_in_the_worst_and_not_in_the_median() -> None:
    values = independent()
    values[..., 7] += 5 * np.arange(4)[:, None]
    found = convergence(values)
    assert found["rhat_median"] < 1.01
    assert found["rhat_max"] > 1.5
    assert found["ess_min"] < 20


def test_the_effective_size_of_an_autoregressive_chain_has_its_closed_form() -> None:
    found = convergence(autoregressive(0.6))
    assert found["ess_median"] == pytest.approx(16_000 * (1 - 0.6) / (1 + 0.6), rel=0.15)


def test_one_chain_is_split_so_that_a_drift_shows() -> None:
    steady, drifting = independent(1), independent(1) + np.linspace(0, 5, 500)[:, None]
    assert convergence(steady)["rhat_median"] == pytest.approx(1, abs=0.01)
    assert convergence(drifting)["rhat_median"] > 1.3
    assert convergence(steady)["ess_median"] == pytest.approx(500, rel=0.25)


@pytest.mark.parametrize(
    "values",
    [
        independent(4, 3),
        independent(1, 7),
        np.ones((4, 20, 3)),
        np.tile(np.arange(4.0)[:, None, None], (1, 20, 3)),
    ],
    ids=["3 draws", "7 draws of one chain", "constants", "chains stuck apart"],
)
def test_nothing_is_said_where_there_is_nothing_to_say(values) -> None:
    found = convergence(values)
    names = ("rhat_median", "rhat_max", "ess_median", "ess_min")
    assert found == dict.fromkeys(names)


def test_quantities_that_never_vary_are_left_out() -> None:
    values = independent()
    with_dead = np.concatenate([values, np.zeros_like(values)], axis=-1)
    assert convergence(with_dead) == convergence(values)


@pytest.mark.parametrize("num_draws", [4, 5, 10])
def test_whatever_stuck_chains_give_can_be_written_to_json(num_draws: int) -> None:
    values = independent(2, num_draws)
    values[0] = 1.0
    values[1, : num_draws // 2] = 0.0
    values[1, num_draws // 2 :] = 1.0
    json.dumps(convergence(values), allow_nan=False)
    energy = np.stack([np.ones(num_draws), np.full(num_draws, np.inf)])
    samples = Samples({"w": values}, {"energy": energy})
    json.dumps(sampler_health(samples), allow_nan=False)


def test_at_most_two_hundred_quantities_are_looked_at() -> None:
    values = independent(2, 50, 1000)
    values[..., 1::5] = np.arange(50)[:, None]  # in none of the 200 evenly spaced ones but few
    chosen = np.unique(np.linspace(0, 999, 200).astype(int))
    assert convergence(values) == convergence(values[..., chosen])


def test_weights_are_judged_one_by_one_over_all_arrays() -> None:
    values = independent(num_quantities=6).astype(np.float32)
    params = {"a": values[..., :4].reshape(4, 500, 2, 2), "b": values[..., 4:]}
    assert weight_convergence(Samples(params)) == convergence(values)


def test_the_health_of_a_sampler_counts_divergences_and_averages_the_rest() -> None:
    rng = np.random.default_rng(1)
    stats = {
        "diverging": rng.random((2, 50)) < 0.1,
        "acceptance_rate": rng.random((2, 50)),
        "step_size": np.repeat([[0.1], [0.3]], 50, axis=1),
        "energy": rng.standard_normal((2, 50)),
    }
    found = sampler_health(Samples({"w": np.zeros((2, 50, 1))}, stats))
    assert found["num_divergent"] == stats["diverging"].sum()
    assert found["acceptance_rate"] == pytest.approx(stats["acceptance_rate"].mean())
    assert found["step_size"] == pytest.approx(0.2)


def test_the_energy_statistic_is_the_lowest_of_betancourts_over_chains() -> None:
    energy = np.cumsum(np.random.default_rng(2).standard_normal((3, 200)), axis=1)
    samples = Samples({"w": np.zeros((3, 200, 1))}, {"energy": energy})
    by_hand = (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1, ddof=0)
    assert sampler_health(samples)["bfmi_min"] == pytest.approx(by_hand.min(), rel=0.02)


def test_samples_without_statistics_say_nothing_of_the_sampler() -> None:
    found = sampler_health(Samples({"w": np.zeros((2, 5, 1))}))
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("rhat", "ess", "words"),
    [
        (1.02, 400.0, None),
        (1.021, 400.0, "the worst R-hat is 1.021 (at most 1.02 is asked)"),
        (1.0, 399.0, "the smallest effective sample size is 399 (at least 400 is asked)"),
        (1.3, 9.0, "the worst R-hat is 1.300 (at most 1.02 is asked) and the smallest"),
        (None, 500.0, "could not be computed"),
        (1.0, None, "could not be computed"),
    ],
)
def test_draws_have_converged_or_it_is_said_why_not(rhat, ess, words: str | None) -> None:
    problem = Converged().problem({"rhat_max": rhat, "ess_min": ess})
    assert (problem is None) if words is None else (problem is not None and words in problem)


@pytest.mark.parametrize("wrong", [{"rhat": 1.0}, {"rhat": np.inf}, {"ess": 0.0}, {"ess": -3.0}])
def test_a_bound_that_no_draws_could_meet_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))} must .* Got "):
        Converged(**wrong)


def test_a_quantity_that_varies_from_chain_to_chain_alone_is_no_convergence() -> None:
    values = independent()
    values[..., 3] = np.array([0.0, 0.0, 1.0, 1.0])[:, None]
    found = convergence(values)
    assert found["rhat_max"] is None
    assert found["rhat_median"] == pytest.approx(1, abs=0.01)
    assert Converged(rhat=1e9, ess=1.0).problem(found) is not None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_no_convergence(bad: float) -> None:
    values = independent()
    values[1, 50:, 3] = bad
    assert Converged(rhat=1e9, ess=1.0).problem(convergence(values)) is not None
