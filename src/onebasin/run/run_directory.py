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
    """Where everything of one run lies.

    Files are written whole or not at all, except sample stores, which say when they are whole.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        if not (self.path / _CONFIG).is_file():
            raise StoreError(
                f"A run directory holds a {_CONFIG}. Got {self.path}, which has none. "
                f"Make one with `onebasin step sample {self.path} --config CONFIG`."
            )

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any]) -> "RunDirectory":
        """A new run directory with its resolved config.

        Raises: StoreError where the path is a file or a folder that holds anything.
        """
        cls.check_free(path)
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / _CONFIG, tomli_w.dumps(_without_none(config)))
        return cls(path)

    @classmethod
    def check_free(cls, path: Path | str) -> None:
        """Raise StoreError where the path is a file or a folder that holds anything."""
        path = Path(path)
        if path.exists() and not path.is_dir():
            raise StoreError(f"A run directory must be a folder. Got the file {path}.")
        if path.exists() and any(path.iterdir()):
            what = "another run" if (path / _CONFIG).exists() else "other files"
            raise StoreError(
                f"A run needs a new or empty folder. Got {path}, which holds {what}. "
                "Name another with --out, or go on with that run by --resume."
            )

    @classmethod
    def resume(cls, path: Path | str, config: Mapping[str, Any]) -> "RunDirectory":
        """The run directory of an earlier run with the same config, unfinished stores removed.

        Raises: StoreError where its config is another.
        """
        run = cls(path)
        wanted = _without_none(config)
        if run.config != wanted:
            changed = ", ".join(changes(run.config, wanted))
            raise StoreError(
                f"A run is resumed with the config it began with. Got other values for "
                f"{changed} than in {run.path / _CONFIG}. Name another with --out."
            )
        for store in (run.path / "samples").glob("*.zarr"):
            delete_unfinished(store)
        for partial in run.path.rglob("*.partial"):
            partial.unlink()
        return run

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config as written."""
        try:
            return tomllib.loads((self.path / _CONFIG).read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.path / _CONFIG} must be TOML. Got: {error}.") from error

    def load_results(self) -> Results | None:
        """Everything found so far; None before the first step.

        Raises: StoreError for results of another schema, or damaged ones.
        """
        path = self.path / _RESULTS
        if not path.exists():
            return None
        try:
            return Results.from_json(path.read_text("utf-8"), str(path))
        except UnicodeDecodeError as error:
            raise StoreError(f"{path} must be text. Got: {error}. Delete it.") from error

    def save_results(self, results: Results) -> None:
        """Replace results.json."""
        write_text(self.path / _RESULTS, results.as_json())

    def is_done(self, step: Step) -> bool:
        """Whether a step has ended: its section is among the results."""
        results = self.load_results()
        return results is not None and results.of_step(step) is not None

    def samples(self, name: str) -> Path:
        """Where the samples of a method lie."""
        return self._folder("samples") / f"{name}.zarr"

    def alignment(self, name: str) -> Path:
        """Where the alignment of a method's samples lies."""
        return self._folder("alignment") / f"{name}.safetensors"

    def compact(self, name: str) -> Path:
        """Where a Gaussian lies."""
        return self._folder("compact") / f"{name}.safetensors"

    def figure(self, name: str) -> Path:
        """Where a figure lies."""
        return self._folder("figures") / f"{name}.png"

    @property
    def report(self) -> Path:
        """Where the page lies."""
        return self.path / "report.html"

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder


def _without_none(config: Any) -> Any:
    """TOML has no null: what is None is left out and takes its default when read."""
    if isinstance(config, Mapping):
        return {key: _without_none(value) for key, value in config.items() if value is not None}
    return list(config) if isinstance(config, tuple) else config
