"""Tables as people have them: what each habit gives, or the line that refuses it."""

import gzip
import random

import numpy as np
import pytest

from onebasin.data import DataError, load_dataset
from onebasin.data.fingerprint import fingerprint
from onebasin.data.options import TableOptions
from onebasin.data.tables import read_table

PLAIN = [[1.5, 2], [3, 4], [5, 6]]
"""The inputs `a` and `b` of three rows. Their targets are 0.5, 1.5 and 2.5."""
BODY = "1.5,2,0.5\n3,4,1.5\n5,6,2.5\n"
TEXT = "a,b,goal\n" + BODY


def semicolons(text: str) -> str:
    return text.replace(",", ";").replace(".", ",")


PLAIN_FILES: dict[str, tuple[bytes | str, dict, str]] = {
    "commas": (TEXT, {}, ""),
    "semicolons": (TEXT.replace(",", ";"), {}, "semicolons"),
    "tabs": (TEXT.replace(",", "\t"), {}, "tabs"),
    "vertical bars": (TEXT.replace(",", "|"), {}, "vertical bars"),
    "spaces": (TEXT.replace(",", "   "), {}, "spaces"),
    "semicolons and decimal commas": (semicolons(TEXT), {}, "decimal commas"),
    "tabs and decimal commas": (semicolons(TEXT).replace(";", "\t"), {}, "'goal' has decimal comm"),
    "decimal commas in quotes": ('a,b,goal\n"1,5",2,"0,5"\n3,4,"1,5"\n5,6,"2,5"\n', {}, "decimal"),
    "a comma in a name": (semicolons(TEXT).replace("a;", "a, in cm;"), {}, "semicolons"),
    "a separator that is told": (TEXT.replace(",", ";"), {"separator": ";"}, "semicolons"),
    "a first line that tells it": ("sep=;\n" + semicolons(TEXT), {}, "semicolons"),
    "a byte order mark": (TEXT.encode("utf-8-sig"), {}, ""),
    "UTF-16": (TEXT.encode("utf-16"), {}, "UTF-16"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), {}, "UTF-16"),
    "Windows-1252": (TEXT.replace("a,", "größe,").encode("cp1252"), {}, "Windows-1252"),
    "CR LF": (TEXT.replace("\n", "\r\n"), {}, ""),
    "CR": (TEXT.replace("\n", "\r"), {}, ""),
    "no last line break": (TEXT.strip(), {}, ""),
    "quotes": ('"a","b","goal"\n"1.5","2","0.5"\n3,4,1.5\n5,6,2.5', {}, ""),
    "spaces before quotes": ('"a", "b", "goal"\n"1.5", "2", "0.5"\n3,4,1.5\n5,6,2.5', {}, ""),
    "spaces around cells": (TEXT.replace(",", " , "), {}, ""),
    "blank lines": (TEXT.replace("\n", "\n\n \n"), {}, ""),
    "rows of separators": (TEXT + ",,\n,,\n", {}, "2 rows without any value"),
    "comments above": ("# made by hand\n# twice\n" + TEXT, {}, "2 comment lines at the top"),
    "comments between": (TEXT.replace("3,4", "# lunch\n3,4"), {}, "1 comment line between"),
    "names in a comment": ("# a,b,goal\n" + BODY, {}, "the last comment line"),
    "an index of pandas": (",a,b,goal\n0,1.5,2,0.5\n1,3,4,1.5\n7,5,6,2.5", {}, "is an index"),
    "an index, read and written": (
        "Unnamed: 0,a,b,goal\n0,1.5,2,0.5\n1,3,4,1.5\n2,5,6,2.5", {}, "'Unnamed: 0', is an index",
    ),
    "counted columns of pandas": (",0,1,2\n0,1.5,2,0.5\n1,3,4,1.5\n2,5,6,2.5", {}, "is an index"),
    "row names of R": ("a b goal\nx 1.5 2 0.5\ny 3 4 1.5\nz 5 6 2.5\n", {}, "is an index"),
    "closing separators": (TEXT.replace("\n", ",\n"), {}, "neither a name nor values"),
    "closing separators of rows": (TEXT.replace("5\n", "5,\n"), {}, "at the end of every row"),
    "no header": (BODY, {"header": False}, ""),
    "percent": ("a,b,goal\n1.5%,2,.5\n3 %,4,1.5\n5%,6,2.5\n", {}, "'a' is in per cent"),
    "units": ("a,b,goal\n1.5 kg,2,.5\n3kg,4,1.5\n5 kg,6,2.5\n", {}, "'a' has the unit 'kg'"),
    "money": ("a,b,goal\n$1.5,$2,.5\n$3,$4,1.5\n$5,$6,2.5\n", {}, "'b' has the unit '$'"),
    "scientific notation": ("a,b,goal\n15e-1,2E0,5e-1\n3,4,1.5\n0.5e+1,6,2.5\n", {}, ""),
    "a column left out": ("a,note,b,goal\n1.5,x,2,.5\n3,y,4,1.5\n5,z,6,2.5", {"drop": ["note"]},
                          "left out, as was asked: 'note'"),
    "columns that are named": ("a,note,b,goal\n1.5,x,2,.5\n3,y,4,1.5\n5,z,6,2.5",
                               {"columns": ["a", "b"]}, "'note'"),
    "rows that are dropped": (TEXT + "NA,1,1\n2,?,1\n3,3,\n", {"missing": "drop"},
                              "1 in column 'a', 1 in column 'b', 1 in column 'goal', in 3 of 6"),
    "a target elsewhere": ("goal,a,b\n.5,1.5,2\n1.5,3,4\n2.5,5,6\n", {"target": "goal"}, ""),
}  # fmt: skip
"""Files that all hold the plain table, with options, and what must be said about each."""


@pytest.fixture
def read(tmp_path):
    def read(content, name="mine.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, TableOptions(**options))

    return read


@pytest.mark.parametrize("habit", PLAIN_FILES)
def test_a_habit_gives_the_plain_table_and_is_said(read, habit):
    content, options, said = PLAIN_FILES[habit]
    source = read(content, **options)
    np.testing.assert_array_equal(source.inputs, PLAIN)
    np.testing.assert_array_equal(source.targets, [0.5, 1.5, 2.5])
    assert said in " ".join(source.notes)
    assert bool(source.notes) == bool(said)
    np.testing.assert_array_equal(source.rows, [1, 2, 3])


COLUMNS: dict[str, tuple[str, list[str], list[list[float]], str]] = {
    "English thousands": ('"1,234.5"|"12,000"|7', ["x"], [[1234.5], [12000], [7]], "thousands"),
    "English thousands alone": ('"1,234"|"12,000"|700', ["x"], [[1234], [12000], [700]], "thous"),
    "German thousands": ('"1.234,5"|"1.234"|"7,25"', ["x"], [[1234.5], [1234], [7.25]], "decimal"),
    "Swiss thousands": ("1'234.5|12'000|7", ["x"], [[1234.5], [12000], [7]], "thousands"),
    "spaces in thousands": ("1 234|12 000|7", ["x"], [[1234], [12000], [7]], "thousands"),
    "three decimals": ("1.234|2.500|7.125", ["x"], [[1.234], [2.5], [7.125]], ""),
    "a typographic minus": ("−1|2|−3.5", ["x"], [[-1], [2], [-3.5]], ""),
    "booleans": ("true|FALSE|True", ["x"], [[1], [0], [1]], "1 for true or yes"),
    "yes and no": ("yes|No|YES", ["x"], [[1], [0], [1]], "1 for true or yes"),
    "text": ("red|blue|red", ["x=blue", "x=red"], [[0, 1], [1, 0], [0, 1]], "one input for each"),
    "text with quotes": ('"a ""b"""|"c, d"|e', ['x=a "b"', "x=c, d", "x=e"],
                         np.eye(3).tolist(), "each of 3 values"),
    "one value": ("red|red|red", ["x=red"], [[1], [1], [1]], "one input"),
    "a constant": ("4|4|4", ["x"], [[4], [4], [4]], ""),
    "huge whole numbers": ("123456789012345678901|1|2", ["x"],
                           [[123456789012345678901.0], [1], [2]], "rounded to 16 digits"),
    "dates": ("1970-01-02|1970-02-01|1969-12-31", ["x"], [[1], [31], [-1]], "days since"),
    "dates with times": ("1970-01-02 12:00|1970-01-02T06:00:00Z|1970-01-01", ["x"],
                         [[1.5], [1.25], [0]], "days since"),
    "German dates": ("02.01.1970|01.02.1970|31.12.1969", ["x"], [[1], [31], [-1]], "days since"),
    "American dates": ("1/2/1970|2/1/1970|12/31/1969", ["x"], [[1], [31], [-1]], "days since"),
    "sizes with letters": ("1A|2B|3C", ["x=1A", "x=2B", "x=3C"], np.eye(3).tolist(), "3 values"),
}  # fmt: skip
"""The cells of a column `x`, the inputs that they become, their values, and what must be said."""


@pytest.mark.parametrize("habit", COLUMNS)
def test_a_column_becomes_inputs_with_names(read, habit):
    cells, names, values, said = COLUMNS[habit]
    rows = [f"{cell},{i}.25" for i, cell in enumerate(cells.split("|"))]
    source = read("\n".join(["x,goal", *rows]))
    assert source.feature_names == tuple(names)
    np.testing.assert_array_equal(source.inputs, values)
    assert said in " ".join(source.notes)
    assert bool(source.notes) == bool(said)


REFUSED: dict[str, tuple[bytes | str, dict, str]] = {
    "no header": (BODY, {}, "pass header=False"),
    "no header with text": ("5.1,setosa\n4.9,setosa\n7,other\n", {}, "pass header=False"),
    "one column": ("a\n1\n2\n", {}, "at least 2 columns"),
    "an empty file": ("", {}, "Got 0 rows"),
    "comments alone": ("# nothing\n", {}, "Got 0 rows"),
    "two equal names": ("a,a,goal\n1,2,3\n", {}, "Got 'a' more than once"),
    "a ragged row": (TEXT + "1,2\n", {}, "Got 2, and the first difference is in row 4"),
    "an open quote": (TEXT + '"1,2,3\n', {}, "closed quotes. Got after line 4"),
    "missing values": ("a,b,goal\nNA,2,.5\n3,n/a,1.5\n?,-,.25\n", {},
                       "2 in column 'a', 2 in column 'b', in 3 of 3 rows, the first 'NA' in row 1"),
    "missing targets": ("a,goal\n1,2.5\n2,\n3,4.5\n", {"missing": "impute"},
                        "no missing targets. Got 1 in column 'goal', in 1 of 3 rows"),
    "nothing but missing rows": ("a,b,goal\nNA,1,2\n1,NA,2\n", {"missing": "drop"}, "rows without"),
    "an empty column": ("a,b,goal\nNA,1,2\nNA,1,2.5\n", {"missing": "impute"}, "drop=['a']"),
    "infinity": (TEXT + "inf,1,2.5\n", {}, "first in row 4, column 'a' (line 5)"),
    "a typing error": (TEXT + "l0,1,2.5\n", {}, "Got 'l0' in row 4, column 'a' (line 5)"),
    "units that differ": ("a,goal\n1 kg,1.5\n500 g,2.5\n", {}, "Got 'g', 'kg' in column 'a'"),
    "dates without an order": ("a,goal\n1/2/1970,1.5\n2/1/1970,2.5\n", {}, "YYYY-MM-DD"),
    "dates with two orders": ("a,goal\n13/2/1970,1.5\n2/13/1970,2.5\n", {}, "YYYY-MM-DD"),
    "no such day": ("a,goal\n1970-02-31,1.5\n1970-01-01,2.5\n", {}, "days that exist"),
    "ambiguous commas": ("a;goal\n1,234;1\n2,500;0\n", {}, "Pass decimal='.' or decimal=','"),
    "free text": ("\n".join(["a,goal", *(f"text no {i},{i}.5" for i in range(30))]), {},
                  "Got 30 in column 'a' of mine.csv. Leave it out with drop=['a']"),
    "labels from 1": ("a,goal\n1,1\n2,2\n3,3\n", {}, "Pass task='classification' if they are la"),
    "an unknown column": (TEXT, {"drop": ["gaol"]}, "Did you mean 'goal'?"),
    "a target that is dropped": (TEXT, {"drop": ["goal"], "target": "goal"}, "not name the target"),
    "no input": ("a,goal\n1,2\n", {"drop": ["a"]}, "must have an input"),
    "a spreadsheet": (b"PK\x03\x04\x14\x00\x06\x00", {}, "must be text"),
    "a name that categories give": ("x,x=b,goal\na,1,1.5\nb,2,2.5\n", {}, "Got 'x=b' as a column"),
}  # fmt: skip
"""Files that are refused, with options, and words of the line that says why."""


@pytest.mark.parametrize("habit", REFUSED)
def test_a_habit_that_cannot_be_read_is_one_line(read, habit):
    content, options, words = REFUSED[habit]
    with pytest.raises(DataError) as caught:
        read(content, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


TARGETS = {
    "text": ("no|yes|no", {}, [0, 1, 0], ("no", "yes")),
    "booleans": ("True|False|True", {}, [1, 0, 1], ("False", "True")),
    "labels from 1": ("1|2|10", {"task": "classification"}, [0, 1, 2], ("1", "2", "10")),
    "labels as floats": ("1.0|2.0|1.0", {"task": "classification"}, [0, 1, 0], ("1", "2")),
    "postal codes": ("1|22|1", {"categories": ["goal"]}, [0, 1, 0], ("1", "22")),
}
"""Target cells, options, the labels that they become, and the names of the classes."""


@pytest.mark.parametrize("habit", TARGETS)
def test_targets_become_classes_with_names(tmp_path, habit):
    cells, options, labels, names = TARGETS[habit]
    rows = [f"{i}.5,{cell}" for i, cell in enumerate(cells.split("|") * 6)]
    (tmp_path / "mine.csv").write_text("\n".join(["a,goal", *rows]))
    data = load_dataset(tmp_path / "mine.csv", **options)
    assert (data.class_names, data.target_name, data.feature_names) == (names, "goal", ("a",))
    for part in (data.train, data.validation, data.test):
        wanted = [(labels * 6)[row - 1] for row in part.rows]
        np.testing.assert_array_equal(part.targets, wanted)


def test_values_that_are_missing_are_imputed_from_the_training_rows_alone(tmp_path):
    rng = np.random.default_rng(0)
    rows = [[f"{rng.normal():.3f}", rng.choice(["u", "v", "w"]), f"{i}.5"] for i in range(60)]
    for row in range(0, 60, 7):
        rows[row][row % 2] = "NA"
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["x,kind,goal", *map(",".join, rows)]))
    data = load_dataset(path, missing="impute", standardize=False)
    train = [rows[row - 1] for row in data.train.rows]
    median = np.median([float(row[0]) for row in train if row[0] != "NA"])
    kinds = [row[1] for row in train if row[1] != "NA"]
    most = max("uvw", key=kinds.count)
    for part in (data.train, data.validation, data.test):
        for inputs, number in zip(part.inputs, part.rows, strict=True):
            x, kind, _ = rows[number - 1]
            wanted = [median if x == "NA" else float(x)]
            wanted += [float((most if kind == "NA" else kind) == one) for one in "uvw"]
            np.testing.assert_allclose(inputs, wanted, rtol=1e-6)
    assert sum("of the training rows" in note for note in data.notes) == 2


@pytest.mark.parametrize("name", ["mine.csv.gz", "mine.tsv.gz", "mine.txt", "mine.TSV"])
def test_other_endings_hold_the_same_table(read, name):
    content = TEXT.encode()
    source = read(gzip.compress(content) if name.endswith("gz") else content, name)
    np.testing.assert_array_equal(source.inputs, PLAIN)
    assert source.name == "mine"


def test_a_damaged_archive_is_one_line(read):
    for content in (b"no archive", gzip.compress(TEXT.encode())[:-9]):
        with pytest.raises(DataError, match=r"must be a file that can be read"):
            read(content, "mine.csv.gz")


def test_a_parquet_file_holds_the_same_table(tmp_path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    frame = pd.DataFrame(PLAIN, columns=["a", "b"]).assign(kind=list("xyx"), goal=[1, None, 3])
    frame["goal"] = frame["goal"].astype("Int64")
    frame.to_parquet(tmp_path / "mine.parquet")
    options = TableOptions(missing="drop", task="regression")
    source = read_table(tmp_path / "mine.parquet", options)
    np.testing.assert_array_equal(source.inputs, [[1.5, 2, 1], [5, 6, 1]])
    np.testing.assert_array_equal(source.targets, [1, 3])
    assert source.feature_names == ("a", "b", "kind=x")


def test_a_file_that_is_no_parquet_is_one_line(read):
    with pytest.raises(DataError, match=r"needs PyArrow|must be a Parquet file"):
        read(TEXT, "mine.parquet")


def test_a_fingerprint_tells_the_names_and_the_options_of_a_table(tmp_path):
    lines = [f"{i}.5,{i * i % 7},{i / 4}" for i in range(20)]
    found = set()
    for header in ("a,b,goal", "b,a,goal", "a,b,aim"):
        (tmp_path / "mine.csv").write_text("\n".join([header, *lines]))
        found.add(fingerprint(load_dataset(tmp_path / "mine.csv")))
        (tmp_path / "other.csv").write_text("\n".join([header, *lines]).replace(",", ";"))
        assert fingerprint(load_dataset(tmp_path / "other.csv")) in found
    assert len(found) == 3


def test_options_of_tables_are_refused_for_other_data():
    with pytest.raises(DataError, match=r"drop must be left out for data that are not a table"):
        load_dataset("digits", drop=["a"])
    with pytest.raises(DataError, match=r"Did you mean 'impute'"):
        TableOptions(missing="imputed").check()
    with pytest.raises(DataError, match=r"drop must be a list of column names.*Pass \['a'\]"):
        TableOptions(drop="a").check()


def mutated(rng: random.Random, content: bytes) -> bytes:
    """A valid table with a few random changes: to bytes, cells, lines and separators."""
    odd = ["", "NA", "inf", "1e999", '"', ",", ";", "\t", "#", "1.234,5", "50%", "yes", "'", "−1"]
    odd += [
        "\x00",
        "\ufeff",
        "2020-13-01",
        "9" * 400,
        "a\nb",
        "1 kg",
        "-",
        "=",
        "\\",
        "é",
        "1/2/19",
    ]
    for _ in range(rng.randint(1, 6)):
        lines = content.split(b"\n")
        place = rng.randrange(len(lines))
        cells = lines[place].split(b",")
        match rng.randrange(7):
            case 0:
                cells[rng.randrange(len(cells))] = rng.choice(odd).encode()
            case 1:
                cells.insert(rng.randrange(len(cells) + 1), rng.choice(odd).encode())
            case 2:
                cells.pop(rng.randrange(len(cells)))
            case 3:
                lines.insert(place, rng.choice(odd).encode())
            case 4:
                old, new = rng.choice([(",", ";"), (".", ","), ("\n", "\r\n"), (",", " ")])
                content = content.replace(old.encode(), new.encode())
                continue
            case 5:
                at = rng.randrange(len(content) + 1)
                content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
                continue
            case _:
                lines.pop(place)
                content = b"\n".join(lines) or b"\n"
                continue
        if place < len(lines) and b",".join(cells) != lines[place]:
            lines[place] = b",".join(cells)
        content = b"\n".join(lines)
    return content


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.long)])
def test_a_mutated_table_is_read_or_refused_in_one_line(tmp_path, count):
    rng = random.Random(count)
    messages: list[str] = []
    for number in range(count):
        rows = [
            f"{rng.gauss(0, 3):.2f},{rng.choice(['u', 'v'])},{rng.randint(0, 1)},{rng.random():.3f}"
            for _ in range(12)
        ]
        content = mutated(rng, "\n".join(["x,kind,flag,goal", *rows]).encode())
        path = tmp_path / f"{number}.csv"
        path.write_bytes(content)
        missing = rng.choice(["refuse", "impute", "drop"])
        try:
            data = load_dataset(path, missing=missing, header=rng.random() < 0.9)
        except DataError as error:
            messages.append(str(error))
            continue
        for part in (data.train, data.validation, data.test):
            assert np.isfinite(part.inputs).all(), content
            assert np.isfinite(part.targets).all(), content
    assert not [message for message in messages if len(message.splitlines()) != 1]
    assert len(messages) < 0.9 * count
