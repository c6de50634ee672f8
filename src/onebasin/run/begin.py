"""Open a run directory, and check that its key fits the present config, data and version."""

import shutil
from pathlib import Path

from onebasin.run.cache import KEY, Key, check_key, key_of, write_key
from onebasin.run.manifest import BEGIN, WHOLE, load_manifest, state_of, text_sha256
from onebasin.run.named import network_sha256
from onebasin.run.run_directory import CONFIG, LOCK, RunDirectory, writing
from onebasin.run.setup import Setup
from onebasin.store.files import write_text


def open_run(path: Path, setup: Setup, *, again: bool = False) -> RunDirectory:
    """The run directory of a setup: an existing one is resumed, a missing one is created.

    The key is written when the directory is created. So everything in the directory comes from one
    config, the same data and one version. `again` deletes an existing run first.

    Raises: StoreError if the folder holds a run with another key, a run without a key, or other
    files, or if another process writes to it.
    """
    values = setup.config.model_dump(mode="json")
    if not (path / CONFIG).exists():
        RunDirectory.check_free(path)
    with writing(path):
        if again and (path / CONFIG).exists():
            _empty(path)
        if (path / CONFIG).exists():
            RunDirectory(path).check_intact(BEGIN)
            check_key(path, _key(setup))
            return RunDirectory.resume(path, values)
        write_key(path, _key(setup))  # before the config, which makes the folder a run
        return RunDirectory.create(path, values)


def check_run(path: Path, setup: Setup) -> None:
    """Raise StoreError if a run began with another config, other data or another version."""
    mend = (
        f"Name another folder, or start again with `onebasin step sample {path} --again`, which "
        "deletes the old run."
    )
    RunDirectory(path).check_intact(BEGIN)
    check_key(path, _key(setup), mend)


def restore(path: Path, setup: Setup) -> None:
    """Write the config and the key of a run again if they are damaged or missing.

    Nothing is written if the setup is another one than that with which the run began.
    """
    recorded = load_manifest(path).steps.get(BEGIN, {})
    config = RunDirectory.config_text(setup.config.model_dump(mode="json"))
    for name, text in {CONFIG: config, KEY: _key(setup).as_json()}.items():
        sha = text_sha256(text)
        if recorded.get(name) == sha and state_of(path / name, [sha]) != WHOLE:
            write_text(path / name, text)


def _empty(path: Path) -> None:
    """Delete everything in a run directory but its lock, which is held. The config goes last."""
    for inside in path.iterdir():
        if inside.is_dir():
            shutil.rmtree(inside)
        elif inside.name not in (CONFIG, LOCK):
            inside.unlink()
    (path / CONFIG).unlink()


def _key(setup: Setup) -> Key:
    arguments: dict[str, str] = {}
    if setup.config.network.kind == "own":  # the config has its name alone
        network, dataset = setup.posterior.network, setup.dataset
        arguments["network.function"] = network_sha256(network, dataset.num_features)
    return key_of(setup.config, setup.dataset, **arguments)
