"""The table of the frontier: means, intervals and ratios paired by seed, from made-up scores."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from frontier_tables import NUMBERS, made_up_seed

from onebasin.studies.frontier.table import COLUMNS, METRICS, markdown, table_over_seeds
from onebasin.studies.tables import read_table, write_table

SEEDS = [made_up_seed(scale) for scale in (1.0, 1.5, 0.8)]


def row_of(name: str, seeds=SEEDS) -> pd.Series:
    return table_over_seeds(seeds).set_index("representation").loc[name]


def test_every_representation_has_one_row_sorted_by_numbers_and_total_variation() -> None:
    table = table_over_seeds(SEEDS)
    assert sorted(table["representation"]) == sorted(NUMBERS)
    order = list(zip(table["values_per_weight"], table["total_variation"], strict=True))
    assert order == sorted(order)
    assert set(table["num_seeds"]) == {3}


def test_intervals_are_students_over_seeds() -> None:
    row = row_of("compact")
    values = [seed["compact"]["total_variation"] for seed in SEEDS]
    expected = scipy.stats.t.interval(0.95, 2, np.mean(values), scipy.stats.sem(values))
    assert row["total_variation"] == pytest.approx(np.mean(values), rel=1e-12)
    found = (row["total_variation_low"], row["total_variation_high"])
    assert found == pytest.approx(expected, rel=1e-12)


def test_ratios_to_kept_draws_are_paired_by_seed() -> None:
    seeds = [made_up_seed(compact=0.1, kept_2=0.2), made_up_seed(compact=0.6, kept_2=0.3)]
    row = row_of("compact", seeds)
    assert row["kept_ratio"] == pytest.approx((0.5 + 2.0) / 2)
    assert row["kept_ratio"] != pytest.approx((0.1 + 0.6) / (0.2 + 0.3))


def test_each_is_held_against_as_many_kept_draws_as_it_stores_numbers() -> None:
    scores = SEEDS[0]
    for _, row in table_over_seeds(SEEDS[:1]).iterrows():
        kept = f"kept-{row['values_per_weight']}"
        if kept not in scores or row["representation"].startswith("kept-"):
            assert np.isnan(row["kept_ratio"])
        else:
            expected = row["total_variation"] / scores[kept]["total_variation"]
            assert row["kept_ratio"] == pytest.approx(expected)


def test_one_seed_has_means_and_no_intervals() -> None:
    row = row_of("compact", SEEDS[:1])
    assert row["accuracy"] == 0.9
    assert np.isnan([row["accuracy_low"], row["accuracy_high"]]).all()
    assert row["num_seeds"] == 1


def test_a_score_that_one_seed_lacks_is_left_out_whole() -> None:
    lacking = made_up_seed()
    lacking["compact"]["elbo"] = None
    row = row_of("compact", [SEEDS[0], lacking])
    assert np.isnan([row[f"elbo{end}"] for end in ("", "_low", "_high")]).all()
    assert row["accuracy"] == 0.9


def test_scores_are_left_as_they_were_found() -> None:
    seed = made_up_seed()
    table_over_seeds([seed])
    assert seed == made_up_seed()


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_the_table_comes_back_from_a_csv_file(tmp_path, num_seeds: int) -> None:
    table = table_over_seeds(SEEDS[:num_seeds])
    write_table(tmp_path / "frontier.csv", table)
    read = read_table(tmp_path / "frontier.csv", COLUMNS)
    pd.testing.assert_frame_equal(read, table, check_exact=True)


def cells_of(text: str) -> dict[str, dict[str, str]]:
    """The table for people, by representation and heading."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def test_people_read_the_mean_and_half_the_interval() -> None:
    cells, row = cells_of(markdown(table_over_seeds(SEEDS))), row_of("compact")
    half = (row["accuracy_high"] - row["accuracy_low"]) / 2
    assert cells["compact"]["accuracy"] == f"{row['accuracy']:.3f} ± {half:.3f}"
    assert cells["compact"]["ELBO"].startswith("-1,358 ± ")
    assert cells["compact"]["numbers"] == "2"
    assert cells["direct"]["ELBO"] == ""


def test_people_see_no_interval_of_one_seed_and_no_column_without_a_number() -> None:
    cells = cells_of(markdown(table_over_seeds(SEEDS[:1])))
    assert cells["compact"]["TV"] == "0.070"
    assert "RMSE" not in cells["compact"]
    assert set(cells["compact"]) < {"representation", "numbers", *METRICS.values()}
