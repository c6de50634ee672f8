"""Open a run directory, and check that its key fits the present config, data and version."""

import shutil
from pathlib import Path

from onebasin.run.cache import Key, cached, check_is_keyed, check_key, key_of
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup


def open_run(path: Path, setup: Setup, *, again: bool = False) -> RunDirectory:
    """The run directory of a setup: an existing one is resumed, a missing one is created.

    The key is written when the directory is created. So everything in the directory comes from one
    config, the same data and one version. `again` deletes an existing run first.

    Raises: StoreError if the folder holds a run with another key, a run without a key, or other
    files.
    """
    values = setup.config.model_dump(mode="json")

    def make() -> RunDirectory:
        if (path / "config.toml").exists():
            shutil.rmtree(path)
        return RunDirectory.create(path, values)

    if not again and (path / "config.toml").exists():
        check_is_keyed(path)  # without this check, the run would look interrupted and be deleted
    # `save` does nothing: each step writes its own files.
    return cached(
        path,
        _key(setup),
        make,
        lambda path: RunDirectory.resume(path, values),
        lambda path, run: None,
        again=again,
    )


def check_run(path: Path, setup: Setup) -> None:
    """Raise StoreError if a run began with another config, other data or another version."""
    mend = (
        f"Name another folder, or start again with `onebasin step sample {path} --again`, which "
        "deletes the old run."
    )
    check_key(path, _key(setup), mend)


def _key(setup: Setup) -> Key:
    return key_of(setup.config, setup.dataset)
