"""The pruning study: controls differ in one thing, and claims follow from the curves."""

import jax
import numpy as np
import pytest

from onebasin import _trees
from onebasin.intervals import t_interval
from onebasin.studies.pruning.cell import Posteriors, fit
from onebasin.studies.pruning.claims import (
    CLAIMED,
    CURVES,
    FEW,
    PAIRS,
    claims_of,
    comparisons,
)
from onebasin.studies.pruning.measure import KEEPS, cells, findings, measure
from onebasin.studies.pruning.scores import (
    curvature,
    dark_inputs,
    scores_at_start,
    scores_in_basin,
    scores_misaligned,
)
from onebasin.studies.tables import table_of, where
from onebasin.types import Params

pytestmark = pytest.mark.long  # a study is made for these tests


@pytest.fixture(scope="module")
def fitted() -> Posteriors:
    return fit(next(cells("smoke")))


@pytest.fixture(scope="module")
def measured(fitted: Posteriors) -> tuple[list[dict], dict]:
    return measure(next(cells("smoke")), fitted)


@pytest.fixture(scope="module")
def fisher(fitted: Posteriors) -> Params:
    return curvature(fitted, fitted.aligned.flatten(), "posterior")


def made_up_curves(num_seeds: int) -> list[dict]:
    """Every score that is compared, with accuracies that nobody trained for."""
    rng = np.random.default_rng(0)
    named = sorted({(pair.networks, s) for pair in PAIRS for s in (pair.score, pair.baseline)})
    return [
        {
            "data": "digits", "num_inputs": 64, "width": width, "seed": seed,
            "networks": networks, "score": score, "keep": keep,
            "accuracy": float(rng.uniform()), "nll": 1.0,
        }
        for width in (8, 16)
        for seed in range(num_seeds)
        for networks, score in named
        for keep in KEEPS
    ]  # fmt: skip


def test_every_score_begins_with_the_whole_network(measured) -> None:
    whole: dict = {}
    for row in measured[0]:
        if row["keep"] == 1:
            whole.setdefault(row["networks"], set()).add(row["accuracy"])
    assert set(whole) == {"members", "starts", "HMC mean", "VI mean"}
    for accuracies in whole.values():
        # Permuted networks sum in another order, and a tie may fall to the other side.
        assert max(accuracies) - min(accuracies) < 0.02


def test_every_pair_that_is_compared_is_measured_at_every_share(measured) -> None:
    found = {(row["networks"], row["score"], row["keep"]) for row in measured[0]}
    for pair in PAIRS:
        for score in (pair.score, pair.baseline):
            assert {keep for n, s, keep in found if (n, s) == (pair.networks, score)} == set(KEEPS)


def test_a_cell_says_how_its_chains_fared(measured) -> None:
    row = measured[1]
    shares = [row[f"std_share_{name}"] for name in ("arrays", "inputs_and_outputs", "units")]
    assert sum(shares) == pytest.approx(1)
    assert 0 < row["acceptance_rate"] <= 1
    assert 0 < row["share_dark_inputs"] < 1
    assert abs(row["std_correlation_chains"]) <= 1


def test_every_claim_has_all_seeds() -> None:
    found = findings(made_up_curves(3), [])
    assert len(found.claims) == len(CLAIMED)
    assert {claim.num_seeds for claim in found.claims} == {3}


def test_a_misaligned_control_has_the_same_stds_and_the_same_network_in_another_order(
    fitted: Posteriors, fisher: Params
) -> None:
    ours, control = (scores(fitted, fisher, 2) for scores in (scores_in_basin, scores_misaligned))
    first, second = ours.scores["std"], control.scores["std misaligned"]
    jax.tree.map(np.testing.assert_array_equal, first, second)
    flat = [np.sort(_trees.ravel_batch(p.params, 0)) for p in (ours, control)]
    np.testing.assert_array_equal(*flat)
    assert not np.array_equal(
        ours.params["hidden_0"]["kernel"], control.params["hidden_0"]["kernel"]
    )


def test_dark_inputs_go_first_and_all_others_keep_their_order(
    fitted: Posteriors, fisher: Params
) -> None:
    scores = scores_in_basin(fitted, fisher, 2).scores
    dark = dark_inputs(fitted)
    changed, plain = scores["std dark first"], scores["std"]
    assert (changed["hidden_0"]["kernel"][dark] == -np.inf).all()
    np.testing.assert_array_equal(
        changed["hidden_0"]["kernel"][~dark], plain["hidden_0"]["kernel"][~dark]
    )
    np.testing.assert_array_equal(changed["out"]["kernel"], plain["out"]["kernel"])


def test_an_averaged_std_is_one_number_for_all_weights_of_an_input(
    fitted: Posteriors, fisher: Params
) -> None:
    averaged = scores_in_basin(fitted, fisher, 2).scores["std averaged"]
    assert (np.ptp(averaged["hidden_0"]["kernel"], axis=1) == 0).all()
    assert np.ptp(averaged["hidden_0"]["kernel"]) > 0


def test_a_chains_own_start_is_scored_by_that_chain_alone(fitted: Posteriors) -> None:
    std = scores_at_start(fitted, 1).scores["std"]
    expected = jax.tree.map(lambda leaf: -leaf, fitted.draws.select_chains(1).std())
    jax.tree.map(np.testing.assert_allclose, std, expected)


def test_a_comparison_is_the_mean_difference_over_seeds_with_its_interval() -> None:
    curves = made_up_curves(4)
    table = comparisons(table_of(curves, CURVES))
    found = where(table, width=16, score="std", baseline="random").to_dict("records")
    assert [row["keep"] for row in found] == [*map(str, KEEPS), "few"]
    by_hand: dict = {}
    for row in curves:
        if (
            row["width"] == 16
            and row["networks"] == "members"
            and row["score"] in ("std", "random")
        ):
            sign = 1 if row["score"] == "std" else -1
            by_hand.setdefault(row["keep"], np.zeros(4))[row["seed"]] += sign * row["accuracy"]
    for row in found:
        values = (
            np.mean([by_hand[keep] for keep in FEW], axis=0)
            if row["keep"] == "few"
            else by_hand[float(row["keep"])]
        )
        assert row["difference"] == pytest.approx(values.mean())
        low, high = t_interval(values)
        assert (row["low"], row["high"]) == pytest.approx((float(low), float(high)))
        assert row["num_seeds"] == 4


def test_a_claim_holds_where_a_score_is_always_better_and_fails_where_it_is_always_worse() -> None:
    curves = made_up_curves(3)
    better = {"std": 0.5, "random": 0.3, "std misaligned": 0.7}
    for row in curves:
        row["accuracy"] = better.get(row["score"], 0.1) + 0.01 * row["seed"] * (
            row["score"] == "std"
        )
    verdicts = {claim.claim: claim.verdict for claim in claims_of(table_of(curves, CURVES))}
    words = {pair[:2]: f"{text} (digits, 64 inputs)" for pair, text in CLAIMED.items()}
    assert verdicts[words["std", "random"]] == "supported"
    assert verdicts[words["std", "std misaligned"]] == "not supported"
