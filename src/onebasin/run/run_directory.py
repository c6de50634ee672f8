"""A run directory: the config, samples, alignments, Gaussians, results and report of one run."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from onebasin.run.nested import changes
from onebasin.run.results import Results, Step
from onebasin.store.draws import delete_unfinished
from onebasin.store.errors import StoreError
from onebasin.store.files import write_text

_CONFIG, _RESULTS = "config.toml", "results.json"


class RunDirectory:
    """The folder of one run, with the path of each of its files.

    Files are written completely or not at all. Sample stores are the exception: each records how
    far it is, and when it is complete.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        if not (self.path / _CONFIG).is_file():
            raise StoreError(
                f"A run directory must hold a {_CONFIG}. Got {self.path}, which has none. "
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
        write_text(path / _CONFIG, tomli_w.dumps(_without_none(config)))
        return cls(path)

    @classmethod
    def check_free(cls, path: Path | str) -> None:
        """Raise StoreError if the path is a file, or a folder that is not empty."""
        path = Path(path)
        if path.exists() and not path.is_dir():
            raise StoreError(f"A run directory must be a folder. Got the file {path}.")
        if path.exists() and any(path.iterdir()):
            what = "another run" if (path / _CONFIG).exists() else "other files"
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
                f"{changed} than in {run.path / _CONFIG}. Name another folder with --out."
            )
        for store in (run.path / "samples").glob("*.zarr"):
            delete_unfinished(store)
        for partial in run.path.rglob("*.partial"):
            partial.unlink()
        return run

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, as the file holds it."""
        try:
            return tomllib.loads((self.path / _CONFIG).read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.path / _CONFIG} must be TOML. Got: {error}.") from error

    def load_results(self) -> Results | None:
        """The results so far. None before the first step.

        Raises: StoreError if the results have another schema or are damaged.
        """
        path = self.path / _RESULTS
        if not path.exists():
            return None
        try:
            return Results.from_json(path.read_text("utf-8"), str(path))
        except UnicodeDecodeError as error:
            raise StoreError(f"{path} must be text. Got: {error}. Delete the file.") from error

    def save_results(self, results: Results) -> None:
        """Replace results.json."""
        write_text(self.path / _RESULTS, results.as_json())

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
    def report(self) -> Path:
        """The path of the report."""
        return self.path / "report.html"

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder


def _without_none(config: Any) -> Any:
    """A config without its None values. TOML has no null, and a missing key gets its default."""
    if isinstance(config, Mapping):
        return {key: _without_none(value) for key, value in config.items() if value is not None}
    return list(config) if isinstance(config, tuple) else config
