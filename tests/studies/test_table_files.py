"""Tables as CSV: what is written comes back, and bad tables are refused."""

import pytest
from hypothesis import given, strategies as st

from onebasin.store.errors import StoreError
from onebasin.store.tables import read_table, write_table

names = st.text("abcdefgh_ ,\"'", min_size=1).filter(lambda text: text.strip() == text)
values = st.one_of(
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    names,
)


@given(
    columns=st.lists(names, min_size=1, max_size=4, unique=True),
    rows=st.lists(st.lists(values, min_size=4, max_size=4), min_size=1, max_size=5),
)
def test_a_table_comes_back_as_it_was_written(tmp_path_factory, columns, rows):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    table = [dict(zip(columns, row, strict=False)) for row in rows]
    write_table(path, table)
    found = read_table(path)
    assert found == table
    assert [list(map(type, row.values())) for row in found] == [
        list(map(type, row.values())) for row in table
    ]


def test_an_empty_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="A table must have a row"):
        write_table(tmp_path / "table.csv", [])


def test_rows_of_other_columns_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"Got \['b'\] in row 1"):
        write_table(tmp_path / "table.csv", [{"a": 1}, {"b": 2}])
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1\n")
    with pytest.raises(StoreError, match="a header and rows as long as it"):
        read_table(path)
    with pytest.raises(StoreError, match="must be a CSV file"):
        read_table(tmp_path / "none.csv")
