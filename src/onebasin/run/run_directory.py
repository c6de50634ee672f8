"""A run directory: the config, samples, alignments, Gaussians, results and report of one run."""

import errno
import tomllib
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from onebasin.run.cache import KEY
from onebasin.run.manifest import (
    ALL_STEPS,
    BEGIN,
    DAMAGED,
    REPORT,
    RESULTS,
    WHOLE,
    Manifest,
    is_in_store,
    load_manifest,
    mend,
    save_manifest,
    state_of,
    text_sha256,
)
from onebasin.run.nested import changes
from onebasin.run.results import STEPS, Results, Step
from onebasin.store.draws import delete_unfinished
from onebasin.store.errors import StoreError
from onebasin.store.files import file_sha256, write_text
from onebasin.store.lock import take_lock

CONFIG, LOCK = "config.toml", "lock"
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
_BEFORE_CONFIG = {LOCK, KEY, f"{KEY}.partial", f"{CONFIG}.partial"}
_WRITTEN = (
    "samples/*.zarr/zarr.json", "alignment/*.safetensors", "compact/*.safetensors",
    "weights*.safetensors", "predictions.csv", "figures/*.png", "report.html",
)  # fmt: skip


class RunDirectory:
    """The folder of one run, with the path of each of its files.

    Files are written completely or not at all. Sample stores are the exception: each records how
    far it is, and when it is complete. The manifest records the files of every finished step, and
    the next step checks them before it reads them. The folders of a run belong to onebasin: what a
    step has not finished is deleted when the step is taken again.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        if not (self.path / CONFIG).is_file():
            raise StoreError(
                f"A run directory must hold a {CONFIG}. Got {self.path}, which has none. "
                f"Make one with `onebasin step sample {self.path} --config CONFIG`."
            )

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any]) -> "RunDirectory":
        """A new run directory that holds a resolved config.

        Raises: StoreError if the path is a file, or a folder that is not empty.
        """
        cls.check_free(path)
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / CONFIG, cls.config_text(config))
        run = cls(path)
        run.record_begin()
        return run

    @staticmethod
    def config_text(config: Mapping[str, Any]) -> str:
        """The text of config.toml."""
        return tomli_w.dumps(_without_none(config))

    @classmethod
    def check_free(cls, path: Path | str) -> None:
        """Raise StoreError if the path is a file, or a folder that is not empty.

        A folder is free as well if a run was interrupted before its config was written.
        """
        path = Path(path)
        if path.exists() and not path.is_dir():
            raise StoreError(f"A run directory must be a folder. Got the file {path}.")
        if path.exists() and not {file.name for file in path.iterdir()} <= _BEFORE_CONFIG:
            what = "another run" if (path / CONFIG).exists() else "other files"
            raise StoreError(
                f"A run needs a new or empty folder. Got {path}, which holds {what}. "
                "Name another folder with --out, or go on with that run by "
                f"`onebasin resume {path}`."
            )

    @classmethod
    def resume(cls, path: Path | str, config: Mapping[str, Any]) -> "RunDirectory":
        """The directory of an earlier run with the same config, without its unfinished files.

        Stores into which the sampler drew stay, because sampling goes on with them.

        Raises: StoreError if the config of the run differs, or a store is damaged.
        """
        run = cls(path)
        wanted = _without_none(config)
        if run.config != wanted:
            changed = ", ".join(changes(run.config, wanted))
            raise StoreError(
                f"A run can only be resumed with the config it began with. Got other values for "
                f"{changed} than in {run.path / CONFIG}. Name another folder with --out."
            )
        for store in (run.path / "samples").glob("*.zarr"):
            delete_unfinished(store)
        for partial in run.path.rglob("*.partial"):
            partial.unlink()
        run.record_begin()
        return run

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, as the file holds it.

        Raises: StoreError if the file is damaged.
        """
        self.check_intact(BEGIN)
        try:
            return tomllib.loads((self.path / CONFIG).read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.path / CONFIG} must be TOML. Got: {error}.") from error

    def load_results(self) -> Results | None:
        """The results of all steps that are done. None before the first step.

        A step is done if its files are recorded as well. Those of an interrupted step are not.

        Raises: StoreError if the results have another schema or are damaged.
        """
        path, manifest = self.path / RESULTS, load_manifest(self.path)
        if not path.exists():
            return None
        if manifest.results and state_of(path, manifest.results) != WHOLE:
            raise self._damaged(RESULTS, STEPS[0], DAMAGED)
        try:
            results = Results.from_json(path.read_text("utf-8"), str(path))
        except UnicodeDecodeError as error:
            raise StoreError(f"{path} must be text. Got: {error}. Delete the file.") from error
        unrecorded: list[Step] = [step for step in STEPS if step not in manifest.steps]
        if unrecorded:
            return results.with_step(unrecorded[0], None)
        if REPORT not in manifest.steps:
            return results.model_copy(update={"report_seconds": None})
        return results

    def save_results(self, results: Results) -> None:
        """Replace results.json, and record the files of the steps that are done with these results.

        Files that no step has recorded are those of the last one of the steps.
        """
        text, known = results.as_json(), load_manifest(self.path)
        done = [*([BEGIN] if BEGIN in known.steps else []), *results.seconds]
        steps = {step: known.steps.get(step, {}) for step in done}
        if steps.keys() - known.steps.keys():
            steps[[*steps][-1]] = self._sha256_of(self._unrecorded(Manifest(steps=steps)))
        old = [sha for sha in known.results if state_of(self.path / RESULTS, [sha]) == WHOLE]
        either = dict.fromkeys([*old, text_sha256(text)])
        save_manifest(self.path, Manifest(steps=steps, results=tuple(either)))
        write_text(self.path / RESULTS, text)

    def begin(self, step: str, results: Results) -> None:
        """Make the directory ready for a step: nothing of it and of later steps is left.

        Args:
            step: A step, or `report`.
            results: The results of the steps before it, which are saved.

        Raises: StoreError if a file of an earlier step is damaged or missing.
        """
        self.check_intact(*ALL_STEPS[: ALL_STEPS.index(step)])
        self.save_results(results)
        for name in self._unrecorded(load_manifest(self.path)):
            if not is_in_store(name):
                (self.path / name).unlink()

    def record_begin(self) -> None:
        """Record the files that a run begins with, unless they are recorded."""
        known = load_manifest(self.path)
        if BEGIN not in known.steps:
            files = [name for name in (CONFIG, KEY) if (self.path / name).exists()]
            steps = {BEGIN: self._sha256_of(files), **known.steps}
            save_manifest(self.path, Manifest(steps=steps, results=known.results))

    def check_intact(self, *steps: str) -> None:
        """Raise StoreError if a file that some steps recorded is damaged or missing."""
        manifest = load_manifest(self.path)
        for step in steps:
            for name, sha in manifest.steps.get(step, {}).items():
                state = state_of(self.path / name, [sha])
                if state != WHOLE:
                    raise self._damaged(name, step, state)

    def _damaged(self, name: str, step: str, state: str) -> StoreError:
        return StoreError(
            f"Every file of a run must be as it was written. Got {self.path / name}, which is "
            f"{state}. {mend(self.path, step, name)}"
        )

    def _sha256_of(self, names: Iterable[str]) -> dict[str, str]:
        return {name: file_sha256(self.path / name) for name in names}

    def _unrecorded(self, manifest: Manifest) -> list[str]:
        """The files that steps have written, and that are not in a manifest."""
        files = [file for pattern in _WRITTEN for file in sorted(self.path.glob(pattern))]
        names = [file.relative_to(self.path).as_posix() for file in files]
        return [name for name in names if name not in manifest.files]

    def is_done(self, step: Step) -> bool:
        """Whether a step is done: its section is in the results."""
        results = self.load_results()
        return results is not None and results.of_step(step) is not None

    def samples(self, name: str) -> Path:
        """The path of the samples of a method."""
        return self._folder("samples") / f"{name}.zarr"

    def alignment(self, name: str) -> Path:
        """The path of the alignment of a method's samples."""
        return self._folder("alignment") / f"{name}.safetensors"

    def compact(self, name: str) -> Path:
        """The path of a Gaussian."""
        return self._folder("compact") / f"{name}.safetensors"

    def figure(self, name: str) -> Path:
        """The path of a figure."""
        return self._folder("figures") / f"{name}.png"

    @property
    def weights(self) -> Path:
        """The path of the table of weights."""
        return self.path / "weights.safetensors"

    @property
    def balanced_weights(self) -> Path:
        """The path of the table of balanced weights, which only networks with scales have."""
        return self.path / "weights-balanced.safetensors"

    @property
    def predictions(self) -> Path:
        """The path of the predictions for the test set."""
        return self.path / "predictions.csv"

    @property
    def report(self) -> Path:
        """The path of the report."""
        return self.path / "report.html"

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def writing(run: Path) -> Generator[None]:
    """Write to the run at a path, which no other process does at the same time.

    Raises: StoreError if another process writes to the run, or if the disk takes no more.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        with take_lock(
            run / LOCK,
            f"One process at a time may write to a run directory. Got {run}, to which another "
            "process writes. Wait until it ends, or name another folder.",
        ):
            yield
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        raise StoreError(
            f"A run directory must lie on a disk that can be written to and has room. Got {run}: "
            f"{error.strerror}. All finished steps and committed draws are intact. Mend the disk, "
            f"and go on with `onebasin resume {run}`."
        ) from error


def _without_none(config: Any) -> Any:
    """A config without its None values. TOML has no null, and a missing key gets its default."""
    if isinstance(config, Mapping):
        return {key: _without_none(value) for key, value in config.items() if value is not None}
    return list(config) if isinstance(config, tuple) else config
