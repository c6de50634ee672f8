"""cached: the only way to resume. What was computed is read again, or refused in one line.

A folder that holds the result of a computation holds a `key.json` beside it, written last: every
argument, the config, a fingerprint of the data and the version of the library.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field

import onebasin
from onebasin.data import Dataset
from onebasin.data.fingerprint import fingerprint
from onebasin.run.nested import Section, changes
from onebasin.store.errors import StoreError
from onebasin.store.files import write_text

Value = TypeVar("Value")

_KEY = "key.json"
_MEND = "Name another folder with --out, or pass --again to replace it."
_MAX_LENGTH, _MAX_DIFFERENCES = 40, 4


class Key(Section):
    """Everything that a result depends on. `data` are fingerprints by the names of data sets."""

    arguments: dict[str, Any] = Field(default={})
    config: dict[str, Any] = Field(default={})
    data: dict[str, str] = Field(default={})
    version: str = Field(default_factory=lambda: onebasin.__version__)


def key_of(config: BaseModel, dataset: Dataset, **arguments: Any) -> Key:
    """The key of what is computed with a config, its data and some arguments."""
    data = {dataset.name: fingerprint(dataset)}
    return Key(arguments=arguments, config=config.model_dump(mode="json"), data=data)


def cached(
    folder: Path,
    key: Key,
    compute: Callable[[], Value],
    load: Callable[[Path], Value],
    save: Callable[[Path, Value], None],
    *,
    again: bool = False,
) -> Value:
    """What `compute` gives, read from its folder where it was computed with the same key before.

    Args:
        folder: Where the result lies, or will lie.
        key: What the result depends on.
        compute: Gives the result. It is called where the folder has no key: what an interrupted
            computation left there does not count.
        load: Reads the result from the folder.
        save: Writes the result to the folder, which is there.
        again: Compute and save in any case. The old key is removed first.

    Raises:
        StoreError: If the folder's key is another one, or damaged. Nothing is overwritten.

    Examples:
        >>> cached(folder, key_of(config, dataset, num_steps=10), compute, load, save)
    """
    if not again and is_keyed(folder):
        check_key(folder, key)
        return load(folder)
    (folder / _KEY).unlink(missing_ok=True)
    value = compute()
    folder.mkdir(parents=True, exist_ok=True)
    save(folder, value)
    write_text(folder / _KEY, key.model_dump_json(indent=1) + "\n")
    return value


def is_keyed(folder: Path) -> bool:
    """Whether a folder holds a result that is whole."""
    return (folder / _KEY).exists()


def check_is_keyed(folder: Path, mend: str = _MEND) -> None:
    """Raise StoreError where a folder with a result has no key: an earlier version wrote it."""
    if not is_keyed(folder):
        raise StoreError(
            f"A result is used again with the key that says what made it. Got {folder}, which has "
            f"no {_KEY}: an earlier version wrote it. {mend}"
        )


def check_key(folder: Path, key: Key, mend: str = _MEND) -> None:
    """Raise StoreError, in one line, where a folder's key is another one, damaged or missing.

    What differs is named, and `mend` says how to go on.
    """
    check_is_keyed(folder, mend)
    path = folder / _KEY
    try:
        old = Key.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"{path} must be a key that onebasin wrote. Got: {reason}. {mend}"
        ) from None
    differences = key_differences(old, key)
    if differences:
        shown, more = differences[:_MAX_DIFFERENCES], len(differences) - _MAX_DIFFERENCES
        rest = f" and {more} more" if more > 0 else ""
        raise StoreError(
            f"What is there is used again with the settings that made it. Got {', '.join(shown)}"
            f"{rest} for {folder}. {mend}"
        )


def key_differences(old: Key, new: Key) -> list[str]:
    """In words, what differs between two keys; nothing where they are equal."""
    # As JSON holds them: a tuple and a list are the same.
    old, new = (Key.model_validate_json(key.model_dump_json()) for key in (old, new))
    changed = changes(old.config, new.config) | changes(old.arguments, new.arguments)
    found = [
        f"{name} {_shortened(now)} instead of {_shortened(then)}"
        for name, (then, now) in sorted(changed.items())
    ]
    # Other settings often select other data, which says nothing of the file.
    if old.data != new.data and not found:
        found.append("data that has changed since")
    if old.version != new.version:
        found.append(f"version {new.version} instead of {old.version}")
    return found


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
