"""The cells of the study: a base cell, cells that differ from it by one factor, and other data."""

from collections.abc import Iterator
from typing import NamedTuple

from onebasin.run.config import RunConfig, load_config
from onebasin.studies.names import Scale

BASE = "base"
_DRAWS = ("method.num_draws=250", "method.most_draws=250")
_FACTORS: dict[str, dict[str, tuple[str, ...]]] = {
    BASE: {"": ()},
    "examples": {n: (f"data.num_train={n}",) for n in ("100", "400")},
    "width": {n: (f"network.hidden=[{n}]",) for n in ("16", "128")},
    "prior std": {
        "0.3": ("posterior.prior_std=0.3",),
        # Both layers of the base cell read 64 units.
        "1/sqrt(fan-in)": ("posterior.prior_std={kernel=0.125, bias=1.0}",),
        "3": ("posterior.prior_std=3.0",),
    },
    "temperature": {t: (f"posterior.temperature={t}",) for t in ("0.25", "4")},
}
_DATA: dict[str, tuple[str, tuple[str, ...]]] = {
    "mnist, pooled": ("mnist-small", ("data.num_train=1000", "data.num_test=1000", *_DRAWS)),
    "energy": ("diabetes", ("data.name=uci.npz", "data.target=energy")),
    "concrete": ("diabetes", ("data.name=uci.npz", "data.target=concrete")),
}
_SMOKE = (
    "network.hidden=[8]", "data.num_train=100", "method.num_chains=2", "method.num_draws=20",
    "method.most_draws=20", "method.num_warmup=8", "method.num_steps=4",
)  # fmt: skip
_NUM_SEEDS = 3


class Cell(NamedTuple):
    """One posterior with one seed: `factor` has another `level` than in the base cell."""

    data: str
    factor: str
    level: str
    config: RunConfig

    @property
    def name(self) -> str:
        """The cell in words."""
        return f"{self.data}, {self.factor} {self.level}".strip() + f", seed {self.config.seed}"


def cells(scale: Scale) -> Iterator[Cell]:
    """The cells of a scale, seed after seed. The other scales than smoke are the same."""
    if scale == "smoke":
        for seed in range(2):
            yield Cell("digits", BASE, "", load_config("digits", _SMOKE, seed))
            colder = [*_SMOKE, "posterior.temperature=0.25"]
            yield Cell("digits", "temperature", "0.25", load_config("digits", colder, seed))
        return
    for seed in range(_NUM_SEEDS):
        for factor, levels in _FACTORS.items():
            for level, changes in levels.items():
                config = load_config("digits", [*_DRAWS, *changes], seed)
                yield Cell("digits", factor, level, config)
        for data, (base, changes) in _DATA.items():
            yield Cell(data, "data", data, load_config(base, changes, seed))
