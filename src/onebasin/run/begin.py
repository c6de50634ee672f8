"""Run directories that know what they were begun with."""

import shutil
from pathlib import Path

from onebasin.run.cache import Key, cached, check_is_keyed, check_key, key_of
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup


def open_run(path: Path, setup: Setup, *, again: bool = False) -> RunDirectory:
    """The run directory of a setup, gone on with where it is there and made where it is not.

    Its key is written when it is made, so that whatever is found there later is of one config, of
    the same data and of one version. `again` deletes the run that is there.

    Raises: StoreError where a run of another key, one without a key, or anything else lies there.
    """
    values = setup.config.model_dump(mode="json")

    def make() -> RunDirectory:
        if (path / "config.toml").exists():
            shutil.rmtree(path)
        return RunDirectory.create(path, values)

    if not again and (path / "config.toml").exists():
        check_is_keyed(path)  # or it would be taken for interrupted, and deleted
    # Nothing is saved: steps write their files when they are taken.
    return cached(
        path,
        _key(setup),
        make,
        lambda path: RunDirectory.resume(path, values),
        lambda path, run: None,
        again=again,
    )


def check_run(path: Path, setup: Setup) -> None:
    """Raise StoreError where a run was begun with another config, other data or another version."""
    mend = (
        f"Name another folder, or begin anew with `onebasin step sample {path} --again`, which "
        "deletes what is there."
    )
    check_key(path, _key(setup), mend)


def _key(setup: Setup) -> Key:
    return key_of(setup.config, setup.dataset)
