"""cached: a stored result is read again, or refused with a one-line error.

A folder with the result of a computation also holds a `key.json`, which is written last. The key
lists every argument, the config, a fingerprint of the data and the version of the library.
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

KEY = "key.json"
_MEND = "Name another folder with --out, or pass --again to replace it."
_MAX_LENGTH, _MAX_DIFFERENCES = 40, 4


class Key(Section):
    """Everything that a result depends on. `data` has the fingerprint of each data set by name."""

    arguments: dict[str, Any] = Field(default={})
    config: dict[str, Any] = Field(default={})
    data: dict[str, str] = Field(default={})
    version: str = Field(default_factory=lambda: onebasin.__version__)

    def as_json(self) -> str:
        """The text of key.json."""
        return self.model_dump_json(indent=1) + "\n"


def key_of(config: BaseModel, dataset: Dataset, **arguments: Any) -> Key:
    """The key of a result that is computed from a config, its data and some arguments."""
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
    """The result of `compute`, read from its folder if it was stored there with the same key.

    Args:
        folder: The folder of the result. It need not exist yet.
        key: Everything that the result depends on.
        compute: Computes the result. It is called if the folder has no key. So the files of an
            interrupted computation are not used.
        load: Reads the result from the folder.
        save: Writes the result to the folder, which exists by then.
        again: Whether to compute and save in any case. The old key is removed first.

    Raises:
        StoreError: If the key in the folder differs or is damaged. Nothing is overwritten.

    Examples:
        >>> cached(folder, key_of(config, dataset, num_steps=10), compute, load, save)
    """
    if not again and is_keyed(folder):
        check_key(folder, key)
        return load(folder)
    (folder / KEY).unlink(missing_ok=True)
    value = compute()
    folder.mkdir(parents=True, exist_ok=True)
    save(folder, value)
    write_key(folder, key)
    return value


def write_key(folder: Path, key: Key) -> None:
    """Write the key of a result into its folder."""
    write_text(folder / KEY, key.as_json())


def is_keyed(folder: Path) -> bool:
    """Whether a folder holds a complete result."""
    return (folder / KEY).exists()


def check_is_keyed(folder: Path, mend: str = _MEND) -> None:
    """Raise StoreError if a folder with a result has no key: an earlier version wrote it."""
    if not is_keyed(folder):
        raise StoreError(
            f"A stored result needs a {KEY}, which lists the settings it was made with. Got "
            f"{folder} without one: an earlier version wrote it. {mend}"
        )


def check_key(folder: Path, key: Key, mend: str = _MEND) -> None:
    """Raise a one-line StoreError if the key in a folder differs, is damaged or is missing.

    The message names the differences. `mend` is its last sentence: how the user can go on.
    """
    check_is_keyed(folder, mend)
    path = folder / KEY
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
            f"A stored result can only be used with the settings it was made with. Got "
            f"{', '.join(shown)}{rest} for {folder}. {mend}"
        )


def key_differences(old: Key, new: Key) -> list[str]:
    """The differences between two keys, in words. Empty if the keys are equal."""
    # Both keys go through JSON, so that a tuple and a list count as equal.
    old, new = (Key.model_validate_json(key.model_dump_json()) for key in (old, new))
    changed = changes(old.config, new.config) | changes(old.arguments, new.arguments)
    found = [
        f"{name} {_shortened(now)} instead of {_shortened(then)}"
        for name, (then, now) in sorted(changed.items())
    ]
    # Other settings often select other data. Then the data file itself may be unchanged.
    if old.data != new.data and not found:
        found.append("data that has changed since")
    if old.version != new.version:
        found.append(f"version {new.version} instead of {old.version}")
    return found


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
