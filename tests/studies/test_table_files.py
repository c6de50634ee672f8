"""Tables as CSV: what is written comes back, and files that do not fit are refused."""

import math
import struct

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from onebasin.store import StoreError
from onebasin.studies.tables import read_table, table_of, where, write_table

COLUMNS = {"text": str, "count": int, "size": float, "is_whole": bool}
TEXTS = (
    "1_000", "007", "nan", "", " ", "x\ny", "x\ry", "x\r\ny", "\r", 'a "quoted" one', '"', "'",
    "a,b", "naïve ±, 重み", "\ufeff", "\u2028", "NA", "None", "True", "1.0", "#", "\\", "\0",
)  # fmt: skip

texts = st.one_of(st.sampled_from(TEXTS), st.text())
rows = st.fixed_dictionaries(
    {
        "text": texts,
        "count": st.integers(-(2**63), 2**63 - 1),
        "size": st.one_of(st.none(), st.floats()),
        "is_whole": st.booleans(),
    }
)


def bits(table: pd.DataFrame) -> list[tuple]:
    """The values of every row, floats by their bits: all NaN are alike."""
    same = [math.nan if math.isnan(size) else size for size in table["size"]]
    sizes = [struct.pack("d", size) for size in same]
    return list(zip(table["text"], table["count"], sizes, table["is_whole"], strict=True))


@given(rows=st.lists(rows, max_size=5))
def test_a_table_comes_back_as_it_was_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    table = table_of(rows, COLUMNS)
    write_table(path, table)
    found = read_table(path, COLUMNS)
    assert bits(found) == bits(table)
    assert [row[0] for row in bits(found)] == [row["text"] for row in rows]
    assert found.dtypes.to_dict() == table.dtypes.to_dict()


@pytest.mark.parametrize("text", TEXTS)
def test_text_alone_comes_back_whatever_it_is(tmp_path, text):
    write_table(tmp_path / "table.csv", table_of([{"a": text}, {"a": "b"}], {"a": str}))
    assert list(read_table(tmp_path / "table.csv", {"a": str})["a"]) == [text, "b"]


def test_names_of_columns_may_be_any_text(tmp_path):
    columns = {"a, b": float, 'c "d"': str, "é": int}
    table = table_of([{"a, b": 0.1, 'c "d"': "x", "é": 1}], columns)
    write_table(tmp_path / "table.csv", table)
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv", columns), table)


def test_a_file_of_other_line_ends_or_order_of_columns_is_the_same_table(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"size,text\r\n0.5,a\r\nnan,b\r\n")
    found = read_table(tmp_path / "table.csv", {"text": str, "size": float})
    pd.testing.assert_frame_equal(found, pd.DataFrame({"text": ["a", "b"], "size": [0.5, None]}))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"text": "a", "size": 1.0}, "Got row 2 without 'count'"),
        ({"text": "a", "count": 1, "size": 1.0, "seed": 0}, "Got row 2 with 'seed'"),
        ({"text": None, "count": 1, "size": 1.0}, "Got row 2 without 'text'"),
        ({"text": "a", "count": None, "size": None}, "Got row 2 without 'count'"),
    ],
)
def test_rows_of_other_columns_are_refused(row, words):
    columns = {"text": str, "count": int, "size": float}
    with pytest.raises(ValueError, match=words):
        table_of([{"text": "a", "count": 1, "size": 1.0}, row], columns)


@pytest.mark.parametrize("count", [0.5, "many"])
def test_values_of_another_type_are_refused(count):
    with pytest.raises(ValueError):  # noqa: PT011 - pandas says it
        table_of([{"count": count}], {"count": int})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "must be a CSV file.*No such file"),
        ("", "without 'count' and without 'size'"),
        ("count,size\n1,\xe9", "must be a CSV file.*utf-8"),
        ('count,size\n1,"0.5\n', "must be a CSV file.*unexpected end"),
        ("count\n1\n", "without 'size'"),
        ("count,length\n1,0.5\n", "without 'size' and with 'length'"),
        ("count,size,size\n1,0.5,0.5\n", "with a column twice"),
        ("count,size\n1,0.5\n2\n", "1 values for 2 columns in row 2"),
        ("count,size\n1,0.5,\n", "3 values for 2 columns in row 1"),
        ("count,size\n1,0.5\n\n2,0.5\n", "0 values for 2 columns in row 2"),
        ("count,size\n1,0.5\n1_000,0.5\n", "'1_000' for the int 'count' in row 2"),
        ("count,size\n1.0,0.5\n", "'1.0' for the int 'count' in row 1"),
        ("count,size\n,0.5\n", "'' for the int 'count' in row 1"),
        (f"count,size\n{2**63},0.5\n", f"'{2**63}' for the int 'count' in row 1"),
        ("count,size\n1,half\n", "'half' for the float 'size' in row 1"),
        ("count,size\n1,1_0\n", "'1_0' for the float 'size' in row 1"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(StoreError, match=words) as caught:
        read_table(path, {"count": int, "size": float})
    assert str(path) in str(caught.value)
    assert "--again" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_neither_true_nor_false_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("is_whole\nTrue\nyes\n")
    with pytest.raises(StoreError, match="'yes' for the bool 'is_whole' in row 2"):
        read_table(tmp_path / "table.csv", {"is_whole": bool})


def test_rows_are_found_by_values_of_every_type():
    some = [{"text": str(n % 2), "count": n % 3, "size": n / 2, "is_whole": True} for n in range(6)]
    table = table_of(some, COLUMNS)
    assert list(where(table, text="1", count=2)["size"]) == [2.5]
    assert list(where(table, size=0.5, is_whole=True)["count"]) == [1]
    assert where(table, count=3).empty
