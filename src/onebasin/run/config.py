"""The config of a run: every choice with its default, checked before anything runs."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from onebasin._words import did_you_mean
from onebasin.data.load import is_data_file
from onebasin.run.kinds import keys_of
from onebasin.run.nested import Section
from onebasin.run.networks import KEYS, unread_keys
from onebasin.run.sections import (
    AlignmentConfig,
    CompactConfig,
    DataConfig,
    EnsembleConfig,
    EvaluationConfig,
    MethodConfig,
    NetworkConfig,
    PosteriorConfig,
    RefinementConfig,
    VIConfig,
)

_SHORTEST_CYCLE = 5


class ConfigError(ValueError):
    """A config that cannot be run: an unknown name or key, or a value out of range."""


class RunConfig(Section):
    """Everything that a run depends on; with the library's versions it fixes every number."""

    seed: Annotated[int, Field(ge=0)] = 0
    """The seed of all random numbers of the run."""
    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    posterior: PosteriorConfig = PosteriorConfig()
    method: MethodConfig = MethodConfig()
    ensemble: EnsembleConfig = EnsembleConfig()
    vi: VIConfig = VIConfig()
    alignment: AlignmentConfig = AlignmentConfig()
    compact: CompactConfig = CompactConfig()
    refinement: RefinementConfig = RefinementConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


BUILT_IN: dict[str, dict[str, Any]] = {
    "digits": {},
    "digits-deep": {"network": {"hidden": (32, 32)}},
    "diabetes": {
        "data": {"name": "diabetes"},
        "network": {"hidden": (32,)},
        "method": {"num_draws": 400},
        "vi": {"batch_size": 256},
    },
    "mnist-small": {
        "data": {"name": "mnist", "num_train": 10_000, "num_test": 2_000, "pool": 2},
        "network": {"hidden": (32,)},
        "method": {"num_draws": 200},
    },
    "mnist-resnet20": {
        "data": {"name": "mnist", "num_train": 2_000, "num_test": 500, "pool": 2},
        "network": {"kind": "resnet20"},
        "method": {
            "num_chains": 2,
            "num_draws": 4,
            "most_draws": 4,
            "num_warmup": 6,
            "num_steps": 3,
            "thin": 1,
            "start": "map",
        },
        "ensemble": {"num_members": 3, "num_steps": 250, "batch_size": 128},
        "vi": {"num_steps": 150, "batch_size": 128, "init_std": 0.01},
        "compact": {"ranks": (2,)},
        "refinement": {"num_steps": 30, "num_particles": 1},
        "evaluation": {
            "num_gaussian_draws": 8,
            "kept": (1, 2, 4),
            "num_thinnings": 4,
            "keeps": (1.0, 0.5, 0.2, 0.1),
        },
    },
}
"""The built-in configs by name. Each holds only the values that differ from the defaults."""


def load_config(
    name_or_path: str, changes: Sequence[str] = (), seed: int | None = None
) -> RunConfig:
    """A built-in config or a TOML file, with `key=value` changes such as `method.num_draws=100`.

    The path of a table or of an `.npz` archive stands for the config that only names it.

    Raises: ConfigError for an unknown name, a missing or wrong file, an unknown key or value.
    """
    values: dict[str, Any] = _base(name_or_path)
    for change in changes:
        values = _set(values, change)
    if seed is not None:
        values = values | {"seed": seed}
    return check_config(values)


def check_config(values: Mapping[str, Any]) -> RunConfig:
    """The config of nested values.

    Raises: ConfigError that names the first wrong key, the rule and the value that was given.
    """
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    _check_network(config)
    _check_method(config)
    chosen = config.alignment
    if chosen.matching == "gaussian" and chosen.reference not in ("mean", "chains"):
        raise ConfigError(
            'alignment.reference must be "mean" or "chains" if alignment.matching is "gaussian", '
            f"because relabelling begins with that mean. Got {chosen.reference!r}."
        )
    largest = config.method.num_chains * config.method.num_draws - 1
    for rank in config.compact.ranks:
        if rank > largest:
            raise ConfigError(
                f"compact.ranks must lie in [1, {largest}] (the number of draws - 1). Got {rank}."
            )
    return config


def _check_network(config: RunConfig) -> None:
    kind, unread = config.network.kind, unread_keys(config.network)
    if unread:
        raise ConfigError(
            f"A network of kind {kind!r} reads {', '.join(f'network.{n}' for n in KEYS[kind])}. "
            f"Got also {', '.join(f'network.{name}' for name in unread)}. Leave it out."
        )
    if kind == "own" and config.network.function is None:
        raise ConfigError(
            'A network of kind "own" needs network.function, such as my_nets:make. Got none.'
        )
    if kind == "own" and config.method.kind == "last_layer_laplace":
        raise ConfigError(
            'method.kind must not be "last_layer_laplace" for a network of kind "own": which layer '
            "is the last one is known of built-in networks alone. Take laplace."
        )


def _check_method(config: RunConfig) -> None:
    chosen = config.method
    keys = keys_of(chosen.kind)
    unread = [name for name, value in chosen if value is not None and name not in keys]
    if unread:
        raise ConfigError(
            f"A method of kind {chosen.kind!r} reads {', '.join(f'method.{n}' for n in keys)}. "
            f"Got also {', '.join(f'method.{name}' for name in unread)}. Leave it out."
        )
    if chosen.limit < chosen.num_draws:
        raise ConfigError(
            f"method.most_draws must be at least {chosen.num_draws} (method.num_draws). "
            f"Got {chosen.most_draws}."
        )
    if chosen.kind in ("laplace", "last_layer_laplace") and chosen.start in ("prior", "init"):
        raise ConfigError(
            f'method.start must be "map" or "ensemble" for {chosen.kind!r}, which measures the '
            f"curvature at a trained network. Got {chosen.start!r}."
        )
    members = config.ensemble.num_members
    if chosen.start == "ensemble" and chosen.num_chains > members:
        raise ConfigError(
            f"method.num_chains must lie in [1, {members}] (ensemble.num_members) if method.start "
            f'is "ensemble", because each chain begins at another member. Got {chosen.num_chains}.'
        )
    _check_cycles(chosen)


def _check_cycles(chosen: MethodConfig) -> None:
    """Check that the draw that is kept is the last of its cycle."""
    thin, num_warmup = chosen.thin, chosen.num_warmup
    if chosen.schedule != "cyclical" or thin is None or num_warmup is None:
        return
    if thin < _SHORTEST_CYCLE:
        raise ConfigError(
            f'method.thin must lie in [{_SHORTEST_CYCLE}, inf) if method.schedule is "cyclical": '
            f"it is the length of a cycle, whose first four fifths only explore. Got {thin}."
        )
    if num_warmup % thin:
        raise ConfigError(
            "method.num_warmup must be a multiple of method.thin, the length of a cycle, if "
            f'method.schedule is "cyclical". Got {num_warmup} and {thin}.'
        )


def _base(name_or_path: str) -> dict[str, Any]:
    if name_or_path in BUILT_IN:
        return BUILT_IN[name_or_path]
    if is_data_file(name_or_path):
        return {"data": {"name": name_or_path}}
    path = Path(name_or_path)
    if not path.is_file():
        raise ConfigError(
            f"A config is a built-in name ({', '.join(BUILT_IN)}), a TOML file or a table. "
            f"Got {name_or_path!r}, which is none of these.{did_you_mean(name_or_path, BUILT_IN)}"
        )
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"A config file must be TOML. Got {path}: {error}.") from None


def _set(values: Mapping[str, Any], change: str) -> dict[str, Any]:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ConfigError(f"Expected KEY=VALUE, for example method.num_draws=100. Got {change!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a word without quotes is a string, as is usual on a command line
    head, _, rest = key.partition(".")
    if not rest:
        return {**values, head: value}
    inner = values.get(head, {})
    if not isinstance(inner, Mapping):
        raise ConfigError(f"{head} is a single value and has no key {rest!r}. Got {change!r}.")
    return {**values, head: _set(inner, f"{rest}={text}")}


def _explain(error: ValidationError) -> str:
    # A union gives one error for each of its types. The deepest is of the type that was meant.
    worst = max(error.errors(), key=lambda one: len(one["loc"]))
    location = [str(part) for part in worst["loc"]]
    if worst["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        hint = did_you_mean(location[-1], known) or f" Known keys: {', '.join(known)}."
        if location == ["hmc"]:
            hint = " The section of the sampler is called 'method'."
        return f"A config has no key {'.'.join(location)!r}.{hint}"
    key = _without_kinds(worst["loc"])
    others = {_without_kinds(one["loc"]) for one in error.errors()}
    count = sum(not key.startswith(other) for other in others)
    more = f" ({count} more.)" if count else ""
    return f"{key}: {worst['msg']}. Got {worst['input']!r}.{more}"


def _without_kinds(location: Sequence[str | int]) -> str:
    """The whole name of a wrong key, without pydantic's names for the types of a union."""
    return ".".join(str(part) for part in location if not re.search(r"constrained|\[", str(part)))


def _known_keys(location: Sequence[str]) -> list[str]:
    section: type[Section] = RunConfig
    for part in location:
        annotation = section.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, Section)):
            return []
        section = annotation
    return list(section.model_fields)
