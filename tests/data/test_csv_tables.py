"""One's own tables: columns, targets, and cells that are named where they are wrong."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from onebasin.data import DataError, load_dataset
from onebasin.data.options import TableOptions
from onebasin.data.tables import read_table


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "mine.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def table(target, rows=20, header="a,b,goal"):
    return header + "\n" + "".join(f"{i},{i * i / 7},{target(i)}\n" for i in range(rows))


def test_the_last_column_is_the_target(write):
    dataset = load_dataset(write(table(lambda i: i / 3)))
    assert (dataset.name, dataset.task, dataset.num_features) == ("mine", "regression", 2)


@pytest.mark.parametrize("target", ["a", 0, -3])
def test_a_named_or_counted_column_is_the_target(write, target):
    source = read_table(write(table(lambda i: -i)), TableOptions(target, None))
    np.testing.assert_array_equal(source.targets, np.arange(20))
    np.testing.assert_array_equal(source.inputs[:, 1], -np.arange(20))


def test_text_targets_are_class_names(write):
    dataset = load_dataset(write(table(lambda i: ("setosa", "iris")[i % 2])))
    assert dataset.task == "classification"
    assert dataset.class_names == ("iris", "setosa")


def test_whole_numbers_are_class_labels(write):
    assert load_dataset(write(table(lambda i: i % 4))).num_classes == 4


def test_whole_numbers_are_a_regression_where_asked(write):
    assert load_dataset(write(table(lambda i: i + 3)), task="regression").task == "regression"


def test_spaces_blank_lines_quotes_and_a_byte_order_mark_do_no_harm(write):
    text = '\ufeff"a", b ,"the, goal"\r\n\r\n1, 2 ,x\r\n"3",4,y\r\n\r\n'
    source = read_table(write(text), TableOptions("the, goal", None))
    np.testing.assert_array_equal(source.inputs, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(source.targets, ["x", "y"])


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False, width=32)] * 3), min_size=1
    )
)
def test_written_numbers_are_read_back_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "mine.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("a", "b", "c"), *rows])
    source = read_table(path, TableOptions("b", "regression"))
    np.testing.assert_array_equal(source.inputs, np.array(rows)[:, [0, 2]])
    np.testing.assert_array_equal(source.targets, np.array(rows)[:, 1])


@pytest.mark.parametrize("cell", ["1_000", "twelve", "1,5,2"])
def test_a_cell_that_is_no_number_is_named_by_row_and_column(write, cell):
    text = f'a,b,goal\n1,2,3\n\n4,"{cell}",6\n'
    message = rf"must be numbers. Got '{cell}' in row 2, column 'b' \(line 4\)"
    with pytest.raises(DataError, match=message):
        load_dataset(write(text))


@pytest.mark.parametrize(("line", "count"), [("4,5", 2), ("4,5,6,7", 4)])
def test_a_ragged_row_is_named(write, line, count):
    with pytest.raises(DataError, match=rf"must have 3 cells.*Got {count}, .*row 2, column '"):
        load_dataset(write(f"a,b,goal\n1,2,3\n{line}\n"))


def test_values_that_are_not_finite_are_counted_and_located(write):
    with pytest.raises(DataError, match=r"Got 2 NaN, infinite .* first in row 2, column 'b'"):
        load_dataset(write("a,b,goal\n1,2,3\n4,inf,6\n-inf,8,9\n"))
    with pytest.raises(DataError, match=r"Targets of .* Got 1 NaN.* row 1, column 'goal'"):
        load_dataset(write("a,b,goal\n1,2,1e999\n4,5,6\n"))


def test_a_typing_error_among_numeric_targets_is_not_a_class(write):
    text = table(lambda i: "1O.5" if i == 3 else i / 2)
    with pytest.raises(DataError, match=r"all numbers or all text. Got '1O.5' in row 4, column"):
        load_dataset(write(text))
    assert load_dataset(write(text), task="classification").num_classes == 20


def test_text_targets_are_no_regression(write):
    with pytest.raises(DataError, match=r"all numbers or all text. Got 'x0' in row 1"):
        load_dataset(write(table(lambda i: f"x{i}")), task="regression")


def test_an_empty_target_is_named(write):
    with pytest.raises(DataError, match=r"Got 1 in column 'goal'.* the first '' in row 3, column"):
        load_dataset(write(table(lambda i: "" if i == 2 else "x")))


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", None, "Got 0 rows in all"),
        ("a,b\n", None, "Got 1 rows in all"),
        ("a/b\n1/2\n", None, "at least 2 columns.*commas"),
        ("c,,a\n0,1,2\n", None, "Got none for column 2.*index=False"),
        ("1,2\n3,4\n", None, "must be column names. Got '1' for column 1"),
        ("5.1,3.5,setosa\n4.9,3,setosa\n7,3.2,virginica\n", None, "Got '5.1' for column 1"),
        ("no,0.5,2\nyes,0.25,1\nno,1,3\n", 0, "Got '0.5' for column 2.*Add a header"),
        ("1,2,no\n2,5,yes\n3,4,no\n", None, "Got '1' for column 1.*Add a header"),
        ("a,a,b\n1,2,3\n", None, "must differ. Got 'a' more than once"),
        ("a,goal\n1,2\n", "gaol", "Got 'gaol'. Did you mean 'goal'"),
        ("a,goal\n1,2\n", 2, r"must be a column in \[-2, 1\].*Got 2"),
        ('a,b\n1,"2\n3,4\n', None, "closed quotes. Got after line 1"),
    ],
)
def test_a_table_that_is_none_is_refused(write, text, target, message):
    with pytest.raises(DataError, match=message):
        load_dataset(write(text), target=target)


@pytest.mark.parametrize("header", ["0,1,goal", "1,2,goal", "1990,1991,goal", "goal,7,8"])
def test_columns_may_be_counted(write, header):
    text = table(lambda i: "no" if i % 2 else "yes", header=header)
    if header.startswith("goal"):
        text = "\n".join(",".join(line.split(",")[::-1]) for line in text.splitlines())
        text = text.replace("8,7,goal", header)
    target = header.split(",").index("goal")
    dataset = load_dataset(write(text), target=target)
    assert dataset.class_names == ("no", "yes")
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 20


@pytest.mark.parametrize("content", [b"PK\x03\x04\xff\xfe", b"a,b\n1,\x00\n", b"\xff\xfea"])
def test_a_file_that_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"mine.csv must be text, as its ending says"):
        load_dataset(tmp_path / "mine.csv")


def test_endings_are_read_in_any_case(write):
    path = write(table(lambda i: i % 2))
    assert load_dataset(path.rename(path.with_suffix(".CSV"))).num_classes == 2
