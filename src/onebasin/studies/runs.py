"""The runs over data and seeds that the studies `compact` and `compare` read.

A run is resumed if its config, its data and the version of the library are the same.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from onebasin.data.fingerprint import fingerprint
from onebasin.run.begin import open_run
from onebasin.run.cache import Key
from onebasin.run.config import RunConfig, load_config
from onebasin.run.results import CompareResults, Step, SummarizeResults
from onebasin.run.run import take_step
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup, set_up
from onebasin.studies.names import Scale

_STEPS: tuple[Step, ...] = ("sample", "align", "summarize", "compare")
_COMMON = (
    "compact.ranks=[]", "evaluation.num_gaussian_draws=200", "evaluation.kept=[1,2,4]",
    # The sampler of the committed tables, whatever a run does by default.
    "method.target_acceptance=0.8", "method.adapt_mass=false", "method.thin=1",
)  # fmt: skip
_DIGITS = (
    "method.num_draws=60", "method.most_draws=60", "method.thin=2", "method.num_warmup=100",
    "ensemble.num_members=6", "ensemble.num_steps=800", "vi.num_steps=2000",
)  # fmt: skip
_MNIST = (
    "data.num_train=3000", "method.num_draws=60", "method.most_draws=60", "method.thin=1",
    "method.num_warmup=80", "method.num_steps=40",
    "ensemble.num_members=6", "ensemble.num_steps=1000", "vi.num_steps=2000",
)  # fmt: skip
_SMOKE = (
    "network.hidden=[8]", "method.num_chains=2", "method.num_draws=6", "method.most_draws=6",
    "method.num_warmup=4", "method.num_steps=4",
    "ensemble.num_members=2", "ensemble.num_steps=20", "vi.num_steps=20",
    "refinement.num_steps=20",
    "evaluation.num_gaussian_draws=8", "evaluation.num_thinnings=2",
)  # fmt: skip
# The paper has one chain with a fixed step size of 1e-3. Here four chains adapt their step sizes.
_FULL = (
    "data.num_train=59968", "data.num_test=10000", "data.pool=1", "network.hidden=[512]",
    "method.num_steps=500", "method.num_draws=250", "method.most_draws=250", "method.thin=10",
    "method.num_warmup=100",
    "ensemble.num_members=5", "ensemble.num_steps=30000", "ensemble.batch_size=100",
    "ensemble.learning_rate=1e-3", "vi.num_steps=30000", "vi.batch_size=100",
    "vi.learning_rate=1e-3",
)  # fmt: skip
_RUNS: dict[Scale, tuple[int, dict[str, tuple[str, ...]]]] = {
    "smoke": (2, {"digits": _SMOKE}),
    "small": (5, {"digits": _DIGITS, "mnist-small": _MNIST}),
    "full": (3, {"mnist-small": _FULL}),
}


class FinishedRun(NamedTuple):
    """A run whose steps up to the comparison are done."""

    data: str
    seed: int
    directory: RunDirectory
    setup: Setup
    summarize: SummarizeResults
    compare: CompareResults


def run_configs(scale: Scale) -> list[tuple[str, RunConfig]]:
    """The configs of all runs, with the name of their data."""
    num_seeds, changes = _RUNS[scale]
    return [
        (_data_name(config), config)
        for name, some in changes.items()
        for seed in range(num_seeds)
        for config in [load_config(name, [*_COMMON, *some], seed)]
    ]


def _data_name(config: RunConfig) -> str:
    return config.data.name if config.data.pool == 1 else f"{config.data.name}, pooled"


def runs_key(scale: Scale) -> Key:
    """The key of the runs of a scale: all configs, and their data."""
    configs = {f"{data}, seed {config.seed}": config for data, config in run_configs(scale)}
    return Key(
        arguments={"scale": scale},
        config={name: config.model_dump(mode="json") for name, config in configs.items()},
        data={name: fingerprint(set_up(config).dataset) for name, config in configs.items()},
    )


def finished_runs(
    scale: Scale, folder: Path, on_progress: ProgressCallback, *, again: bool = False
) -> Iterator[FinishedRun]:
    """Every run, after its missing steps are done. With `again` each run starts again.

    Raises: StoreError if the folder holds a run with another config, other data or another
    version.
    """
    configs = run_configs(scale)
    for number, (data, config) in enumerate(configs):
        setup = set_up(config)
        path = folder / f"{scale}-{config.data.name}-{config.seed}"
        directory = open_run(path, setup, again=again)
        where = f"{data}, seed {config.seed} ({number + 1} of {len(configs)})"

        def on_stage(what: str, fraction: float, details: str, where: str = where) -> None:
            on_progress(f"{where}: {what}", fraction, details)

        for step in _STEPS:
            if not directory.is_done(step):
                take_step(directory, step, setup, on_stage)
        results = directory.load_results()
        assert results is not None
        assert results.summarize is not None
        assert results.compare is not None
        yield FinishedRun(data, config.seed, directory, setup, results.summarize, results.compare)
