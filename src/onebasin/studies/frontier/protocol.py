"""The protocol of the frontier at every scale: seeds, steps, and changes to the config."""

from collections.abc import Sequence
from typing import NamedTuple

from onebasin.run.config import ConfigError, RunConfig, load_config
from onebasin.studies.names import Scale


class Protocol(NamedTuple):
    """How much is computed.

    The frontier evaluates `num_seeds` seeds. Each refinement takes `num_steps` steps. Factors for
    each array are fitted in `num_sweeps` sweeps over the arrays. With 0 sweeps all arrays have the
    best common factor.
    """

    num_seeds: int
    num_steps: int
    num_sweeps: int = 2


PROTOCOLS: dict[Scale, Protocol] = {
    "smoke": Protocol(num_seeds=2, num_steps=20, num_sweeps=0),
    "small": Protocol(num_seeds=5, num_steps=1500),
    "full": Protocol(num_seeds=10, num_steps=1500),
}
"""The protocol of each scale, unless the user asks for other numbers."""

_SMOKE = (
    "method.num_chains=2", "method.num_draws=8", "method.most_draws=8", "method.num_warmup=4",
    "method.num_steps=4", "method.thin=1",
    "evaluation.num_gaussian_draws=8", "evaluation.num_thinnings=2",
)  # fmt: skip
_SMOKE_NETWORKS = {
    "mlp": ("network.hidden=[8]",),
    "convnet": ("network.width=2", "network.depth=2"),
    "resnet20": ("network.width=2",),
    "vit": ("network.width=4", "network.depth=1"),
    "lstm": ("network.width=4",),
}


def frontier_config(name_or_path: str, scale: Scale, changes: Sequence[str] = ()) -> RunConfig:
    """The config of the frontier. At scale "smoke" it has few draws of a small network.

    `changes` apply at every scale.

    Raises: ConfigError as in `load_config`, or if the sampler is not HMC.
    """
    config = load_config(name_or_path, changes)
    if config.method.kind != "hmc":
        raise ConfigError(
            'method.kind must be "hmc" for the frontier, whose rows are named after it. '
            f"Got {config.method.kind!r}."
        )
    if scale != "smoke":
        return config
    smaller = (*_SMOKE, *_SMOKE_NETWORKS[config.network.kind])
    return load_config(name_or_path, [*smaller, *changes])
