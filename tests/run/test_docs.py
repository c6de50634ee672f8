"""Every key of a config and of results.json has a meaning, and the documentation lists it."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from onebasin.run import docs, representations
from onebasin.run.config import RunConfig
from onebasin.run.docs import fields_of, with_tables, write_tables
from onebasin.run.nested import Section, flat
from onebasin.run.representations import Family, Representation
from onebasin.run.results import Results

PAGES = Path(__file__).parents[2] / "docs"


def every_section(section: type[Section]) -> set[type[Section]]:
    inner = {field.inner for field in fields_of(section) if field.inner}
    return {section}.union(*map(every_section, inner))


SECTIONS = sorted(every_section(Results), key=lambda section: section.__name__)


def keys_in(table: str) -> list[str]:
    return re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_field_has_a_meaning_that_is_a_sentence(section: type[Section]) -> None:
    for field in fields_of(section):
        assert re.fullmatch(r"[A-Z`].+\.", field.meaning), field.name


def test_sections_of_the_config_are_among_those_whose_fields_have_a_meaning() -> None:
    assert every_section(RunConfig) < set(SECTIONS)
    assert len(SECTIONS) > 30


def test_a_field_without_a_meaning_would_be_found() -> None:
    class Part(Section):
        """A part."""

        told: int
        """What it is."""
        untold: int

    class Whole(Part):
        more: int
        """More of
        it."""
        part: Part

    meanings = {field.name: field.meaning for field in fields_of(Whole)}
    assert meanings == {
        "told": "What it is.", "untold": "", "more": "More of it.", "part": "A part.",
    }  # fmt: skip


@pytest.mark.parametrize("page", ["numbers.md", "runs.md"])
def test_the_documentation_says_what_the_types_say(page: str) -> None:
    text = (PAGES / page).read_text("utf-8")
    assert "<!-- generated: " in text
    assert text == with_tables(text), "Run `make docs-tables`."


def test_tables_stand_in_the_documentation_alone_and_all_of_them_do() -> None:
    places = [
        name
        for page in PAGES.rglob("*.md")
        for name in re.findall("<!-- generated: (.+) -->", page.read_text("utf-8"))
    ]
    assert sorted(places) == ["config", "methods", "representations", "results"]


def test_a_page_that_is_behind_is_written_anew_and_its_own_text_stays(tmp_path: Path) -> None:
    text = "# Mine\n<!-- generated: config -->\n| old |\n<!-- end of generated -->\nMine too.\n"
    page = tmp_path / "folder" / "page.md"
    page.parent.mkdir()
    page.write_text(text)
    write_tables(tmp_path)
    written = page.read_text()
    assert "| old |" not in written
    assert "| `method.num_draws` | `250` | whole number ≥ 4 | " in written
    assert written.startswith("# Mine\n<!-- generated: config -->\n\n| key |")
    assert written.endswith("|\n\n<!-- end of generated -->\nMine too.\n")
    assert with_tables(written) == written


def test_the_table_of_configs_lists_every_key_once() -> None:
    config = RunConfig().model_dump(mode="json")
    assert keys_in(docs.config_table()) == list(flat(config))


def test_the_tables_of_results_list_every_field() -> None:
    named = keys_in(docs.results_tables())
    missing = {
        field.name
        for section in every_section(Results) - every_section(RunConfig)
        for field in fields_of(section)
        if not field.inner and not any(key.split(".")[-1] == field.name for key in named)
    }
    assert not missing


def test_the_table_of_representations_has_one_of_every_kind() -> None:
    constants = {one for one in vars(representations).values() if isinstance(one, Representation)}
    assert constants < set(docs.evaluated())
    assert {one.family for one in docs.evaluated()} == set(get_args(Family))
    assert keys_in(docs.representations_table()) == [one.key for one in docs.evaluated()]


@pytest.mark.parametrize(
    ("key", "default", "values"),
    [
        ("data.target", "", "text or whole number"),
        ("data.separator", "", r"`,`, `;`, `\t`, `\|`, ` `"),
        ("data.num_train", "", "whole number ≥ 1"),
        ("data.validation", "`0.1`", "number > 0 and < 1"),
        ("network.hidden", "`[64]`", "list of whole numbers ≥ 1"),
        ("posterior.prior_std", "`1.0`", "number > 0 or table of numbers > 0"),
        ("posterior.noise_std", '`"inferred"`', "number > 0 or `inferred`"),
        ("method.start", "", "`prior`, `init`, `map`, `ensemble`"),
        (
            "evaluation.keeps",
            f"`{json.dumps(RunConfig().evaluation.keeps)}`",
            "list of numbers > 0 and ≤ 1",
        ),
    ],
)
def test_defaults_and_ranges_are_said_in_words(key: str, default: str, values: str) -> None:
    assert f"| `{key}` | {default} | {values} | " in docs.config_table()


def test_a_number_that_may_be_missing_is_said_to_be_null() -> None:
    tables = docs.results_tables()
    assert "| `transpositions.between_chains` | number or `null` | " in tables
    assert "| `interval` | list of 2 numbers or `null` | " in tables
    assert "| `connectivity.after_recomputed` | [Barriers](#barriers) or `null` | " in tables
    assert "| `null_floor.by_array.NAME.std` | number | " in tables
