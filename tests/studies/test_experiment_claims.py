"""Claims of experiments on made-up tables: right where the effect is there, and where it is not."""

import numpy as np
import pandas as pd
import pytest

from onebasin.studies.compact import measure as compact
from onebasin.studies.dynamics import measure as dynamics
from onebasin.studies.transpositions import claims as transpositions_claims, stability

SEEDS = range(3)


def _verdicts(claims) -> dict[str, str]:
    assert len({claim.claim for claim in claims}) == len(claims)
    return {claim.claim: claim.verdict for claim in claims}


def _twins(matched, barrier, undone):
    rng = np.random.default_rng(0)
    tables = {"twins": [], "barriers": [], "replanted": []}
    for seed in SEEDS:
        for planted in (0, 5, 10, 15):
            found = matched(planted)
            tables["twins"].append(
                {"seed": seed, "planted": planted, "matched_weights": found}
                | {"matched_activations": found}
            )
            for stage, value in {"trained": barrier(planted), "undone": undone}.items():
                tables["barriers"].append(
                    {"seed": seed, "planted": planted, "stage": stage, "part": "test"}
                    | {"quantity": "loss", "midpoint": value + 1e-6 * rng.random()}
                )
            tables["replanted"] += [
                {"seed": seed, "planted": planted, "midpoint": barrier(planted) + noise}
                for noise in (-0.2, 0.2)
            ]
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def test_transpositions_that_stay_and_cost_are_supported():
    tables = _twins(lambda planted: planted, lambda planted: planted / 10, 0.0)
    assert set(_verdicts(transpositions_claims.claims_of(tables)).values()) == {"supported"}


def test_transpositions_that_change_and_cost_nothing_are_not_supported():
    tables = _twins({0: 12, 5: 3, 10: 11, 15: 4}.get, lambda planted: 1 / (1 + planted), 0.3)
    assert set(_verdicts(transpositions_claims.claims_of(tables)).values()) == {"not supported"}


@pytest.mark.parametrize(("excess", "expected"), [(0, "supported"), (2, "not supported")])
def test_a_map_is_stable_where_no_cell_exceeds_what_was_planted(excess, expected):
    rows = [
        {"optimizer": "sgd", "depth": 1, "learning_rate": rate, "epochs": 1, "seed": seed}
        | {"excess_weights": excess, "excess_activations": excess, "undone_midpoint": excess / 10}
        for rate in (1e-3, 1e-1)
        for seed in SEEDS
    ]
    assert set(_verdicts(stability.stability_claims(pd.DataFrame(rows))).values()) == {expected}


def test_a_pair_that_training_lost_counts_as_unstable():
    rows = [
        {"optimizer": "sgd", "depth": 1, "learning_rate": 1e-3, "epochs": 1, "seed": seed}
        | {"excess_weights": None, "excess_activations": None, "undone_midpoint": None}
        for seed in SEEDS
    ]
    *kept, undone = stability.stability_claims(pd.DataFrame(rows))
    assert set(_verdicts(kept).values()) == {"not supported"}
    assert undone.verdict == "undecided"  # what is lost has no barrier


def _pairs(after):
    rows = [
        {"seed": seed, "epoch": epoch, "rebasin": rebasin}
        | {"transpositions": 12.0, "random_transpositions": 12.6}
        | {"test_loss_barrier": barrier, "distance": distance}
        for seed in SEEDS
        for epoch in (0, 1, 2, 3)
        for rebasin, barrier, distance in (("before", 1.0, 10.0), ("weights", *after(epoch)))
    ]
    return pd.DataFrame(rows)


def test_rebasin_that_removes_the_barrier_is_supported():
    found = _verdicts(dynamics.claims_of(_pairs(lambda epoch: (0.003 * (3 - epoch), 5.0))))
    assert set(found.values()) == {"supported"}


def test_rebasin_that_changes_nothing_is_not_supported():
    found = dynamics.claims_of(_pairs(lambda epoch: (1.0 + 0.001 * (epoch - 3), 10.0)))
    verdicts = [claim.verdict for claim in found]
    assert verdicts == ["supported"] + ["not supported"] * 4


def test_compact_claims_follow_the_order_of_total_variations():
    order = ("kept-2", "vi", "compact-mean", "ensemble", "compact-chain-own", "compact")
    order = (*order, "compact-first", "direct-chain-own", "direct")
    rows = [
        {"data": "digits", "seed": seed, "representation": name}
        | {"total_variation": 0.1 * place, "agreement": 1 - 0.1 * place}
        | {"accuracy": 1 - 0.1 * place, "nll": 1.0 * place, "values_per_weight": 2}
        for seed in SEEDS
        for place, name in enumerate(order)
    ]
    found = [claim.verdict for claim in compact.claims_of(pd.DataFrame(rows))]
    yes, no = "supported", "not supported"
    assert found == [yes, yes, yes, no, no, no, no, yes, yes, yes]
