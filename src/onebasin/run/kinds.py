"""The samplers of a run by `method.kind`: their titles, whether they are exact, and their keys."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

MethodName: TypeAlias = Literal[
    "hmc",
    "nuts",
    "mclmc",
    "adjusted_mclmc",
    "sgld",
    "sghmc",
    "swag",
    "laplace",
    "last_layer_laplace",
]
"""The value of `method.kind`, which is also the name of the builder in `onebasin.methods`."""

_COMMON = ("kind", "num_chains", "num_draws", "start")
_CHAIN = ("thin", "num_warmup")
_UNTIL_CONVERGED = (*_CHAIN, "most_draws")
_HAMILTONIAN = (*_UNTIL_CONVERGED, "step_size", "target_acceptance", "adapt_mass")
_STOCHASTIC = (*_CHAIN, "step_size", "schedule", "batch_size")
_OF_BATCHES = {"start": "init", "schedule": "constant", "batch_size": 128}
_OF_MODES = {"start": "map"}


class MethodKind(NamedTuple):
    """A sampler of a run.

    `keys` are those that not every kind reads. `defaults` are values of a run that the config
    leaves out. A key without a default there has the default of the builder. `is_exact` is False
    for a sampler whose draws have a bias that does not vanish with their number. `is_fit` is True
    if each chain draws independently from a Gaussian that was fitted before.
    """

    title: str
    keys: tuple[str, ...]
    defaults: Mapping[str, Any]
    is_exact: bool = False
    is_fit: bool = False


KINDS: dict[MethodName, MethodKind] = {
    "hmc": MethodKind(
        "HMC",
        (*_HAMILTONIAN, "num_steps", "jitter"),
        {"start": "init", "thin": 2, "num_warmup": 150},
        is_exact=True,
    ),
    "nuts": MethodKind(
        "NUTS", (*_HAMILTONIAN, "max_depth"), {"start": "init", "thin": 1}, is_exact=True
    ),
    "mclmc": MethodKind(
        "MCLMC",
        (
            *_UNTIL_CONVERGED,
            "num_steps",
            "step_size",
            "energy_variance",
            "momentum_decoherence_length",
        ),
        {"start": "init", "thin": 1},
    ),
    "adjusted_mclmc": MethodKind(
        "adjusted MCLMC",
        (
            *_UNTIL_CONVERGED,
            "max_steps",
            "step_size",
            "target_acceptance",
            "momentum_decoherence_length",
        ),
        {"start": "init", "thin": 1},
        is_exact=True,
    ),
    "sgld": MethodKind(
        "SGLD",
        _STOCHASTIC,
        {**_OF_BATCHES, "thin": 100, "num_warmup": 5000, "step_size": 1e-5},
    ),
    "sghmc": MethodKind(
        "SGHMC",
        (*_STOCHASTIC, "num_steps", "friction"),
        {**_OF_BATCHES, "thin": 10, "num_warmup": 500, "step_size": 1e-3},
    ),
    "swag": MethodKind(
        "SWAG",
        ("learning_rate", "num_burn_in", "num_collected", "collect_every", "batch_size"),
        {**_OF_MODES, "learning_rate": 1e-5, "batch_size": 128},
        is_fit=True,
    ),
    "laplace": MethodKind("Laplace", ("least_precision",), _OF_MODES, is_fit=True),
    "last_layer_laplace": MethodKind(
        "last-layer Laplace", ("least_precision",), _OF_MODES, is_fit=True
    ),
}
"""Every sampler of a run."""

METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)


def keys_of(kind: MethodName) -> tuple[str, ...]:
    """The keys of the section `method` that a sampler reads."""
    return *_COMMON, *KINDS[kind].keys


def title_of(kind: MethodName) -> str:
    """The name of a sampler as people read it."""
    return KINDS[kind].title
