"""The tables of keys in the documentation, generated from the types of configs and results.

`python -m onebasin.run.docs docs` updates every table, between the comments that mark its place.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from onebasin.run import representations as known
from onebasin.run.config import RunConfig
from onebasin.run.kinds import KINDS, MethodName, keys_of
from onebasin.run.methods import with_defaults
from onebasin.run.nested import Section
from onebasin.run.results import STEPS, Results
from onebasin.run.sections import MethodConfig
from onebasin.store.files import write_text

_PLACE = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)
_PLAIN = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text"}
_CONFIG = "[its keys](runs.md#every-key)"
_QUOTE = '"'
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


class Field(NamedTuple):
    """A field of a section: its name in files, its type, its default and its meaning.

    `inner` is the section that the field holds, alone or in a list or table. For a plain value
    `inner` is None.
    """

    name: str
    kind: Any
    default: Any
    meaning: str
    inner: type[Section] | None


def fields_of(section: type[Section]) -> list[Field]:
    """The fields of a section, each with the text under it.

    A field without a text gets the first line of the section that it holds.
    """
    hints, texts = get_type_hints(section, include_extras=True), _texts(section)
    found: list[Field] = []
    for name, info in section.model_fields.items():
        inner = next(_sections(hints[name]), None)
        meaning = texts.get(name) or (_summary(inner) if inner else "")
        default = None if info.is_required() else info.get_default()
        found.append(Field(info.alias or name, hints[name], default, meaning, inner))
    return found


def with_tables(text: str) -> str:
    """A page of the documentation with the tables that its comments name.

    Raises: KeyError if a comment names an unknown table.
    """
    return _PLACE.sub(lambda place: f"{place[1]}\n{_TABLES[place[2]]()}\n{place[3]}", text)


def write_tables(folder: Path) -> None:
    """Update the tables in every page of a folder."""
    for page in sorted(folder.rglob("*.md")):
        text = page.read_text("utf-8")
        if with_tables(text) != text:
            write_text(page, with_tables(text))


def config_table() -> str:
    """Every key of a config, with its default, its values and its meaning."""
    rows = [
        (f"`{name}`", _default(field.default), _values(field.kind), field.meaning)
        for name, field in _leaves(RunConfig, shared=())
    ]
    return _table(("key", "default", "values", "meaning"), rows)


def results_tables() -> str:
    """Every key of results.json: one table for each step, and one for each section used twice."""
    counts = Counter(_uses(Results))
    shared = [section for section, count in counts.items() if count > 1]
    whole = [field for field in fields_of(Results) if field.name not in STEPS]
    parts = [_keys((field.name, field) for field in whole)]
    for field in fields_of(Results):
        if field.inner and field.name in STEPS:
            parts.append(f"### `{field.name}`\n\n{_keys(_leaves(field.inner, shared))}")
    for section in shared:
        heading = f"### {section.__name__}\n\n{_summary(section)}\n\n"
        parts.append(heading + _keys(_leaves(section, shared)))
    return "\n".join(parts)


def representations_table() -> str:
    """The representations that a run of the default config evaluates, with their meaning."""
    rows = [(f"`{one.key}`", one.meaning, f"{one.values_per_weight:,}") for one in evaluated()]
    return _table(("key", "what it is", "values_per_weight"), rows)


def evaluated() -> tuple[known.Representation, ...]:
    """The representations of a run of the default config, with one low rank and one kept-draws."""
    config = RunConfig()
    method, rank = config.method, config.compact.ranks[-1]
    return (
        known.all_draws(method.kind, method.num_chains * method.num_draws),
        known.one_chain(method.kind, method.num_draws),
        known.DIRECT,
        known.COMPACT,
        known.COMPACT_MEAN,
        known.REFINED,
        known.low_rank(rank, is_tempered=False),
        known.low_rank(rank, is_tempered=True),
        known.kept_draws(config.evaluation.kept[-1]),
        known.members(config.ensemble.num_members),
        known.COMPACT_ENSEMBLE,
        known.VI,
    )


def methods_table() -> str:
    """The samplers of a run, and the keys that each reads with the default of each."""
    rows = [
        (f"`{kind}`", about.title, "yes" if about.is_exact else "no", _settings(kind))
        for kind, about in KINDS.items()
    ]
    return _table(("`method.kind`", "sampler", "exact", "further keys and their defaults"), rows)


def _settings(kind: MethodName) -> str:
    found = with_defaults(MethodConfig(kind=kind))
    named = [
        key for key in keys_of(kind) if key not in ("kind", "num_chains", "num_draws", "most_draws")
    ]
    return ", ".join(f"`{key}` {_default(getattr(found, key))}".strip() for key in named)


_TABLES = {
    "config": config_table,
    "methods": methods_table,
    "results": results_tables,
    "representations": representations_table,
}


def _texts(section: type[Section]) -> dict[str, str]:
    """The texts under the fields of a section and of its base classes."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, Section):
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
            assert isinstance(body, ast.ClassDef)
            for field, text in pairwise(body.body):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    words = ast.literal_eval(text.value).split()
                    found[ast.unparse(field.target)] = " ".join(words)
    return found


def _summary(section: type[Section]) -> str:
    return (inspect.getdoc(section) or "").partition("\n\n")[0].replace("\n", " ")


def _sections(kind: Any) -> Iterator[type[Section]]:
    if isinstance(kind, type) and issubclass(kind, Section):
        yield kind
    for part in get_args(kind):
        yield from _sections(part)


def _uses(section: type[Section]) -> Iterator[type[Section]]:
    """Every section below one, once for each field that holds it.

    Configs are left out, because they have their own table.
    """
    seen: set[type[Section]] = {RunConfig}
    todo = [section]
    while todo:
        for field in fields_of(todo.pop(0)):
            if field.inner is not None:
                yield field.inner
                if field.inner not in seen:
                    seen.add(field.inner)
                    todo.append(field.inner)


def _leaves(
    section: type[Section], shared: Iterable[type[Section]], prefix: str = ""
) -> Iterator[tuple[str, Field]]:
    """The fields of a section by their whole names. A shared section counts as one field."""
    for field in fields_of(section):
        name = f"{prefix}{field.name}"
        if field.inner is None or field.inner in shared:
            yield name, field
        else:
            yield from _leaves(field.inner, shared, f"{name}{_item(field.kind)}.")


def _item(kind: Any) -> str:
    """The suffix of a name that stands for an item of a list or a table."""
    return {tuple: "[]", dict: ".NAME"}.get(get_origin(kind), "")


def _keys(named: Iterable[tuple[str, Field]]) -> str:
    rows = ((f"`{name}`", _values_or_null(field.kind), field.meaning) for name, field in named)
    return _table(("key", "values", "meaning"), rows)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _default(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


def _values_or_null(kind: Any) -> str:
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return f"{_values(kind)}{' or `null`' if NoneType in get_args(plain) else ''}"


def _values(kind: Any) -> str:
    """The values that a type allows, in words. None is left out, because TOML does not have it."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = [rule for extra in parts[1:] for rule in _bounds(extra)]
        return " ".join([_values(parts[0]), " and ".join(bounds)]).strip()
    if origin is Literal:
        return ", ".join(f"`{json.dumps(one).strip(_QUOTE)}`" for one in parts)
    if origin in (Union, UnionType):
        return " or ".join(_values(part) for part in parts if part is not NoneType)
    if origin is tuple:
        items = _plural(_values(parts[0]))
        return f"list of {items}" if parts[-1] is Ellipsis else f"list of {len(parts)} {items}"
    if origin is dict:
        return f"table of {_plural(_values(parts[1]))}"
    if issubclass(kind, Section):
        is_config = kind is RunConfig  # the config has its own table
        return _CONFIG if is_config else f"[{kind.__name__}](#{kind.__name__.lower()})"
    return _PLAIN[kind]


def _plural(words: str) -> str:
    return re.sub(r"\b(number|text)\b", r"\1s", words)


def _bounds(extra: Any) -> Iterator[str]:
    for rule in extra.metadata if isinstance(extra, FieldInfo) else ():
        for name, sign in _BOUNDS.items():
            if hasattr(rule, name):
                yield f"{sign} {getattr(rule, name):g}"


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]))
