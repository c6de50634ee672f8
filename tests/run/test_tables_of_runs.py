"""What a run of a table says before it begins, and the predictions that it leaves."""

import csv

import numpy as np
import pytest
from commands import assert_refused, onebasin
from tiny_runs import tiny_changes

from onebasin.prediction import CategoricalPredictive, MixturePredictive
from onebasin.run.config import load_config
from onebasin.run.describe import describe
from onebasin.run.run import open_setup
from onebasin.run.setup import set_up
from onebasin.run.steps.predictions import save_predictions
from onebasin.store.draws import load_samples

pytestmark = pytest.mark.slow

TABLE = "a;b;kind\n" + "".join(f"{i}%;{i * i % 7},5;{'xyz'[i % 3]}\n" for i in range(30))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(TABLE)
    return path


def lines_of(path):
    with path.open(newline="") as file:
        header, *lines = csv.reader(file, strict=True)
    return header, lines


def test_a_run_of_a_table_says_what_it_takes_it_for(table):
    assert describe(set_up(load_config(str(table)))) == [
        f"Data: {table}",
        "Task: classification of column 'kind', 3 classes: x, y, z",
        "Inputs: 2: a, b",
        "Examples: 22 train, 2 validation, 6 test",
        "Network: 2-64-3 relu",
        "Note: Cells are separated by semicolons.",
        "Note: Column 'a' is in per cent. Its signs are left out.",
        "Note: Column 'b' has decimal commas.",
        "Each of these can be changed, for example with --set data.target=NAME.",
    ]


def test_a_run_of_built_in_data_says_nothing():
    assert describe(set_up(load_config("diabetes"))) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TABLE.replace("\n3%", "\nNA"), ["no missing values", "data.missing in a config"]),
        (TABLE.replace("x", "x;x"), ["must have 3 cells"]),
        ("1;2\n3;4\n", ["pass header=False (data.header=false in a config)"]),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line_and_writes_nothing(table, text, words):
    table.write_text(text)
    out = table.with_name("out")
    assert_refused(onebasin("run", table, "--out", out), *words)
    assert not out.exists()


def test_predictions_are_those_of_all_draws_in_the_order_of_the_file(run, config):
    setup = open_setup(run)
    draws = load_samples(run.samples(config.method.kind), setup.template).flatten()
    header, lines = lines_of(run.predictions)
    test = setup.dataset.test
    assert [int(line[0]) for line in lines] == sorted(test.rows.tolist())
    order, predictive = np.argsort(test.rows), setup.predict(draws)
    numbers = np.array([line[1:] for line in lines], float)
    if setup.dataset.task == "classification":
        assert header == ["row", "target", "predicted", *map("probability of {}".format, range(10)),
                          "entropy"]  # fmt: skip
        probs = predictive.probs[order]
        entropies = -(probs * np.log(probs)).sum(axis=1)
        wanted = [test.targets[order], probs.argmax(axis=1), *probs.T, entropies]
    else:
        assert header == ["row", "target", "mean", "std"]
        points = np.linspace(-2000, 2500, 90_001)
        density = predictive.density(np.tile(points, (len(test), 1)))
        mean = np.trapezoid(density * points, points)
        variance = np.trapezoid(density * (points - mean[:, None]) ** 2, points)
        wanted = [setup.test_targets[order], mean[order], np.sqrt(variance)[order]]
    np.testing.assert_allclose(numbers, np.array(wanted).T, rtol=1e-4, atol=1e-6)


def test_predictions_name_classes_and_rows_of_the_table(table, tmp_path):
    table.write_text(TABLE.replace("\n3%", "\nNA"))
    changes = ["data.missing=drop", *tiny_changes("digits")]
    setup = set_up(load_config(str(table), changes))
    test = setup.dataset.test
    probs = np.eye(3)[test.targets] * 0.7 + 0.1
    save_predictions(tmp_path / "p.csv", setup, CategoricalPredictive(np.log(probs[None])))
    header, lines = lines_of(tmp_path / "p.csv")
    assert header[3:6] == ["probability of x", "probability of y", "probability of z"]
    kinds = [line.split(";")[2] for line in TABLE.splitlines()[1:]]
    for row, target, predicted, *_ in lines:
        assert target == predicted == kinds[int(row) - 1]


def test_a_std_of_predictions_holds_noise_and_doubt(table, tmp_path):
    setup = set_up(load_config(str(table), ["data.target=a", "data.task=regression"]))
    means = np.stack([np.full(6, 1.0), np.full(6, 5.0)])
    save_predictions(tmp_path / "p.csv", setup, MixturePredictive(means, np.array([1.0, 7.0])))
    _, lines = lines_of(tmp_path / "p.csv")
    assert {tuple(line[2:]) for line in lines} == {("3", f"{29**0.5:.6g}")}
    assert [line[1] for line in lines] == [str(int(line[0]) - 1) for line in lines]
