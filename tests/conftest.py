"""What holds under every test: signatures are checked, ranks never promote, keys are fixed."""

import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

# Compiling takes most of the tests' time: what one process has compiled, all others read.
_COMPILED = {
    "JAX_COMPILATION_CACHE_DIR": str(Path(__file__).parents[1] / ".jax_cache"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    # Tests compile for longer than they run, in their own process and in commands alike.
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
}
if version("jaxlib").startswith("0.10."):
    # The older of two emitters compiles in half the time. Later versions have only one.
    _COMPILED["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"
for _name, _value in _COMPILED.items():
    os.environ.setdefault(_name, _value)

from jaxtyping import install_import_hook  # noqa: E402


def _checked_modules() -> list[str]:
    """All but discovery, which hands no arrays on: checks were a third of its tests' time."""
    source = Path(find_spec("onebasin").origin).parent
    files = [file.relative_to(source) for file in source.rglob("*.py")]
    return [
        ".".join(("onebasin", *file.with_suffix("").parts))
        for file in files
        if "discovery" not in file.parts
    ]


# Before anything of onebasin is imported: its signatures are checked as it runs.
install_import_hook(_checked_modules(), "beartype.beartype")

import gc  # noqa: E402
import io  # noqa: E402
import sys  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Iterator  # noqa: E402

import jax  # noqa: E402
import jaxtyping  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from PIL import Image  # noqa: E402
from tiny_runs import make_finished_runs  # noqa: E402

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("fast", max_examples=25, deadline=None, derandomize=True, database=None)
settings.load_profile("fast")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have counted with `record_property("counted", {...})`, all together."""
    totals: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            totals.update(dict(report.user_properties).get("counted", {}))
    for what, number in totals.items():
        terminalreporter.write_line(f"{number:>9,} {what}")


@pytest.fixture(scope="module", autouse=True)
def _little_memory() -> Iterator[None]:
    """What a module has traced is forgotten behind it: else every test is slower than the last."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture(scope="session")
def finished_runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tiny runs, made once for all workers; tests leave them as they are."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if hasattr(request.config, "workerinput") else own) / "finished-runs"
    make_finished_runs(folder)
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure is a single pixel, because drawing takes most of a report.

    Titles and texts of figures are on the page as ever. The finished runs have their figures.
    """
    pixel = io.BytesIO()
    Image.new("L", (1, 1)).save(pixel, "png")
    monkeypatch.setattr("onebasin.plots.exhibit.Exhibit.png", lambda *_: pixel.getvalue())


@pytest.fixture
def key() -> jax.Array:
    """One fixed key; split it where a test needs more."""
    return jax.random.key(2401_00611)


@pytest.fixture(scope="module")
def strict_dtypes() -> Iterator[None]:
    """No silent dtype promotion. Not for all tests: BlackJAX divides integers by floats."""
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture
def float64() -> Iterator[None]:
    """JAX computes in float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Signatures are not checked: as users have it, and where checks take most of the time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True, scope="module")
def modules_of_users() -> Iterator[None]:
    """Files of tests call the modules of made-up users alike, and must not get each other's."""
    names = ("my_module", "my_nets", "nets")
    for name in names:
        sys.modules.pop(name, None)
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in names:
        sys.modules.pop(name, None)
