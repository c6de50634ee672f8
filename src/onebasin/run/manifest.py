"""The manifest of a run: the SHA-256 of every file, by the step that wrote it.

A sample store checks its own files by the record in its `zarr.json`. The manifest has the SHA-256
of that record alone.

A step is done when both the manifest and results.json have it. The manifest is replaced first. So
a crash between the two leaves a step that is not done, and never a file that looks damaged.
"""

from collections.abc import Collection
from hashlib import sha256
from pathlib import Path, PurePosixPath

from pydantic import Field

from onebasin.run.nested import Section
from onebasin.run.results import STEPS
from onebasin.store.errors import StoreError
from onebasin.store.files import file_sha256, write_text

MANIFEST, RESULTS, SAMPLES = "manifest.json", "results.json", "samples"

BEGIN, REPORT = "begin", "report"
ALL_STEPS: tuple[str, ...] = (BEGIN, *STEPS, REPORT)
"""The steps of a run, with the making of its folder and the report."""

WHOLE, MISSING, DAMAGED = "whole", "missing", "damaged, or changed since it was written"


class Manifest(Section):
    """What the files of a run must be. A run without a manifest has an empty one."""

    steps: dict[str, dict[str, str]] = Field(default={})
    """For each finished step, the SHA-256 of each of its files by its path within the run."""
    results: tuple[str, ...] = ()
    """The SHA-256 of results.json. While the file is replaced: of the old one and the new one."""
    checksum: str = ""
    """The SHA-256 of the manifest without its checksum."""

    @property
    def files(self) -> dict[str, str]:
        """The SHA-256 of each file of all finished steps."""
        return {name: sha for files in self.steps.values() for name, sha in files.items()}


def load_manifest(run: Path) -> Manifest:
    """The manifest of the run at a path. It is empty if there is none.

    Raises: StoreError if the manifest is damaged.
    """
    path = run / MANIFEST
    if not path.exists():
        return Manifest()
    try:
        content = path.read_bytes()
        manifest = Manifest.model_validate_json(content)
    except ValueError:  # no JSON, or other JSON
        content, manifest = b"", Manifest()
    if content != _rendered(manifest).encode():
        raise StoreError(
            f"The manifest of a run must be as it was written. Got {path}, which is {DAMAGED}. "
            f"Delete it, and go on with `onebasin resume {run}`: draws are kept, and all other "
            "steps are taken again."
        )
    return manifest


def save_manifest(run: Path, manifest: Manifest) -> None:
    """Replace the manifest of the run at a path."""
    write_text(run / MANIFEST, _rendered(manifest))


def _rendered(manifest: Manifest) -> str:
    text = manifest.model_copy(update={"checksum": ""}).model_dump_json()
    sealed = manifest.model_copy(update={"checksum": text_sha256(text)})
    return sealed.model_dump_json(indent=1) + "\n"


def text_sha256(text: str) -> str:
    """The SHA-256 of the file that holds a text."""
    return sha256(text.encode()).hexdigest()


def state_of(path: Path, wanted: Collection[str]) -> str:
    """In words: whether the file at a path has one of the SHA-256 that are wanted."""
    try:
        return WHOLE if file_sha256(path) in wanted else DAMAGED
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"not readable: {error.strerror or error}"


def is_in_store(name: str) -> bool:
    """Whether a file of a run, by its path within the run, is one of a sample store."""
    return PurePosixPath(name).parts[0] == SAMPLES


def mend(run: Path, step: str, name: str) -> str:
    """How a user mends a file of a step that is damaged or missing, in one sentence or two."""
    resume = f"go on with `onebasin resume {run}`"
    if is_in_store(name):
        store = "/".join(PurePosixPath(name).parts[:2])
        return (
            f"Restore {store} from a copy; or delete {store} and {RESULTS}, and {resume}, which "
            "draws it again."
        )
    if step == BEGIN:
        return (
            f"Write it again with `onebasin run CONFIG --out {run} --resume`, with the config and "
            "the changes that the run began with."
        )
    if name == RESULTS or step == STEPS[0]:
        return f"Delete {RESULTS}, and {resume}: draws are kept, and all other steps are repeated."
    if step == REPORT:
        return f"Repeat the step: `onebasin step {REPORT} {run}`."
    return f"Repeat the step: `onebasin step {step} {run} --again`; then {resume}."
