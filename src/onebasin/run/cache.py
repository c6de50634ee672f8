"""cached: the only way to resume. What was computed is read again, or refused in one line.

A folder that holds the result of a computation holds a `key.json` beside it, written last: every
argument, the config, a fingerprint of the data and the version of the library.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

import onebasin
from onebasin.data import Dataset
from onebasin.data.fingerprint import fingerprint
from onebasin.store.errors import StoreError
from onebasin.store.files import write_text

Value = TypeVar("Value")

_KEY = "key.json"
_MEND = "Name another folder with --out, or pass --again to replace it."
_MAX_LENGTH, _MAX_DIFFERENCES = 40, 4


class Key(BaseModel):
    """Everything that a result depends on. `data` are fingerprints by the names of data sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arguments: dict[str, Any] = {}
    config: dict[str, Any] = {}
    data: dict[str, str] = {}
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

    Example:
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


def check_key(folder: Path, key: Key, mend: str = _MEND) -> None:
    """Raise StoreError, in one line, where a folder's key is another one, damaged or missing.

    What differs is named, and `mend` says how to go on. A result without a key was written by an
    earlier version.
    """
    path = folder / _KEY
    if not is_keyed(folder):
        raise StoreError(
            f"A result is used again with the key that says what made it. Got {folder}, which has "
            f"no {_KEY}: an earlier version wrote it. {mend}"
        )
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
    before, after = (_settings(key) for key in (old, new))
    found = [
        f"{name} {_shortened(after.get(name))} instead of {_shortened(before.get(name))}"
        for name in sorted(before | after)
        if before.get(name) != after.get(name)
    ]
    # Other settings often select other data, which says nothing of the file.
    if old.data != new.data and not found:
        found.append("data that has changed since")
    if old.version != new.version:
        found.append(f"version {new.version} instead of {old.version}")
    return found


def _settings(key: Key) -> dict[str, Any]:
    plain = json.loads(key.model_dump_json(include={"arguments", "config"}))
    return _flat(plain["config"]) | _flat(plain["arguments"])


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        is_inner = isinstance(value, Mapping)
        found |= _flat(value, f"{prefix}{name}.") if is_inner else {f"{prefix}{name}": value}
    return found


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
