"""The folder that `onebasin align` writes: its files, and when they are whole."""

import shutil
from pathlib import Path

from onebasin.aligned.results import AlignedResults
from onebasin.store.errors import StoreError
from onebasin.store.files import write_text

_TREE, _GAUSSIANS, _FIGURES = "aligned.zarr", "gaussians", "figures"
_RESULTS, _REPORT, _SYMMETRY = "results.json", "report.html", "symmetry.json"
_OURS = {_TREE, _GAUSSIANS, _FIGURES, _RESULTS, _REPORT, _SYMMETRY}


class AlignedFolder:
    """The folder of aligned draws, with the path of each of its files.

    The page is written last. A folder without it is one of an alignment that was interrupted.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)

    @property
    def tree(self) -> Path:
        """The Zarr store of the DataTree: aligned draws, permutations, reference, weights."""
        return self.path / _TREE

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / _REPORT

    @property
    def symmetry(self) -> Path:
        """The symmetry as JSON."""
        return self.path / _SYMMETRY

    @property
    def results(self) -> Path:
        """What was found, in numbers."""
        return self.path / _RESULTS

    def gaussian(self, name: str) -> Path:
        """The file of a Gaussian."""
        return self.path / _GAUSSIANS / f"{name}.safetensors"

    def figure(self, name: str) -> Path:
        """The file of a figure."""
        return self.path / _FIGURES / f"{name}.png"

    def check_free(self, sources: tuple[str, ...], again: bool) -> None:
        """Raise StoreError unless the folder can be written.

        It can if it is new or empty, or with `again` if it holds an earlier alignment and nothing
        else. No source may lie in it, because its files are deleted first.
        """
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"--out must name a folder. Got the file {self.path}.")
        held = {file.name.removesuffix(".partial") for file in _files_in(self.path)}
        if held - _OURS:
            raise StoreError(
                f"--out must be a new or empty folder. Got {self.path}, which holds other files, "
                f"such as {min(held - _OURS)}. Name another folder."
            )
        own = self.path.resolve()
        inside = [text for text in sources if Path(text).resolve().is_relative_to(own)]
        if inside:
            raise StoreError(
                f"Draws must lie outside of the folder that is written. Got {inside[0]} in "
                f"{self.path}. Name another folder with --out."
            )
        if held and not again:
            what = "aligned draws" if self.report.is_file() else "an alignment that is unfinished"
            raise StoreError(
                f"--out must be a new or empty folder. Got {self.path}, which holds {what}. Name "
                "another folder, or pass --again to replace it."
            )

    def begin(self) -> None:
        """Make the folder, empty. The page goes first, so that what is left is not taken for whole.

        `check_free` says whether this may be done.
        """
        self.report.unlink(missing_ok=True)
        for file in _files_in(self.path):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        for folder in (_GAUSSIANS, _FIGURES):
            (self.path / folder).mkdir(parents=True)

    def save_results(self, results: AlignedResults) -> None:
        """Write results.json."""
        write_text(self.results, results.as_json())

    def load_results(self) -> AlignedResults:
        """What results.json holds.

        Raises: StoreError if there is none, or it holds something else.
        """
        if not self.results.is_file():
            raise StoreError(
                f"A folder of aligned draws must hold a {_RESULTS}, and a run directory a "
                f"config.toml. Got {self.path}, which has neither. Name the folder that "
                "`onebasin align` or `onebasin run` wrote."
            )
        try:
            text = self.results.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise StoreError(f"{self.results} must be text. Got: {error}. Align again.") from None
        return AlignedResults.from_json(text, str(self.results))


def _files_in(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else []
