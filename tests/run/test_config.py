"""The config: every key checked, every mistake named, every default inside its range."""

from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given, strategies as st

from onebasin.pruning.prune import KEEPS
from onebasin.run.config import (
    BUILT_IN,
    ConfigError,
    RunConfig,
    check_config,
    load_config,
)
from onebasin.run.kinds import KINDS, keys_of
from onebasin.run.networks import KEYS
from onebasin.run.run_directory import RunDirectory
from onebasin.run.sections import NetworkConfig


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_config_is_valid(name: str) -> None:
    assert load_config(name) == RunConfig.model_validate(BUILT_IN[name])


def test_the_defaults_are_the_digits() -> None:
    assert load_config("digits") == RunConfig()
    assert RunConfig().data.name == "digits"


def test_the_default_shares_are_those_of_the_papers_protocol() -> None:
    assert RunConfig().evaluation.keeps == KEEPS


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_config_survives_its_run_directory(tmp_path: Path, name: str) -> None:
    config = load_config(name, ["posterior.prior_std={hidden=1.0, out=0.5}"])
    run = RunDirectory.create(tmp_path, config.model_dump(mode="json"))
    assert check_config(run.config) == config
    RunDirectory.resume(tmp_path, config.model_dump(mode="json"))


def test_a_config_file_holds_changes_to_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("seed = 5\n[network]\nhidden = [16, 8]\n")
    config = load_config(str(path))
    assert (config.seed, config.network.hidden) == (5, (16, 8))
    assert config.method == RunConfig().method


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("metod.num_draws=10", r"no key 'metod'\. Did you mean 'method'\?"),
        ("hmc.num_draws=10", r"no key 'hmc'\. The section of the sampler is called 'method'\."),
        ("method.num_drwas=10", r"no key 'method\.num_drwas'\. Did you mean 'num_draws'\?"),
        ("network.activations=tanh", r"no key 'network\.activations'\. Did you mean 'activation'"),
        ("vi.learningrate=0.1", r"no key 'vi\.learningrate'\. Did you mean 'learning_rate'\?"),
        ("compact.zzz=1", r"no key 'compact\.zzz'\. Known keys: ranks\."),
        (
            "zzz=1",
            r"no key 'zzz'\. Known keys: seed, data, network, posterior, method, .*evaluation\.",
        ),
    ],
)
def test_an_unknown_key_is_answered_with_the_one_that_was_meant(change, message) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("digits", [change])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "digit",
            r"digits, digits-deep, diabetes, mnist-small.*Got 'digit', .*Did you mean 'digits'\?",
        ),
        ("mnist-smal", r"Did you mean 'mnist-small'\?"),
        ("nowhere.toml", r"Got 'nowhere\.toml', which is none of these\.$"),
    ],
)
def test_an_unknown_config_is_answered_with_the_one_that_was_meant(name, message) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(name)


@pytest.mark.parametrize("content", [b"seed = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"must be TOML\. Got .*bad\.toml"):
        load_config(str(tmp_path / "bad.toml"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("method.num_draws=many", r"method\.num_draws: .*valid integer.*Got 'many'\.$"),
        ("method.num_draws=4.5", r"method\.num_draws: .*fractional part\. Got 4\.5\.$"),
        ("method.adapt_mass=perhaps", r"method\.adapt_mass: .*boolean.*Got 'perhaps'\.$"),
        ("data.name=3", r"data\.name: .*valid string\. Got 3\.$"),
        ("network.hidden=64", r"network\.hidden: .*valid tuple\. Got 64\.$"),
        ("method=3", r"method: .*Got 3\.$"),
        ("seed.x=3", r"seed: .*valid integer\. Got \{'x': 3\}\.$"),
        ("posterior.prior_std=wide", r"posterior\.prior_std: .*valid number.*Got 'wide'\.$"),
        ("posterior.prior_std={out=-1.0}", r"posterior\.prior_std\.out: .*greater than 0"),
        ("posterior.noise_std=infrred", r"posterior\.noise_std: .*Got 'infrred'\.$"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_its_key(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("digits", [change])


@pytest.mark.parametrize("reference", ["first", "densest"])
def test_relabelling_needs_a_mean_to_begin_from(reference: str) -> None:
    changes = ["alignment.matching=gaussian", f"alignment.reference={reference}"]
    with pytest.raises(ConfigError, match=rf'"mean" or "chains".*Got \'{reference}\'\.$'):
        load_config("digits", changes)


def test_further_mistakes_are_counted() -> None:
    with pytest.raises(ConfigError, match=r"Got 0\. \(2 more\.\)$"):
        load_config("digits", ["method.thin=0", "vi.num_steps=0", "seed=-1"])


COUNTS = [
    "data.num_train", "data.num_test", "data.pool", "data.max_levels", "method.num_chains",
    "method.thin", "method.num_steps",
    "ensemble.num_steps", "ensemble.batch_size", "vi.num_steps", "vi.batch_size",
    "vi.num_particles", "alignment.num_inputs", "evaluation.num_gaussian_draws",
    "evaluation.num_thinnings", "refinement.num_steps", "refinement.num_particles",
    "network.width", "network.depth", "network.heads", "network.patch", "method.max_steps",
    "method.max_depth", "method.batch_size", "method.collect_every",
]  # fmt: skip
POSITIVE = [
    "posterior.prior_std", "posterior.noise_std", "posterior.temperature", "method.step_size",
    "ensemble.learning_rate",
    "vi.learning_rate", "vi.init_std", "method.energy_variance",
    "method.momentum_decoherence_length", "method.learning_rate", "method.least_precision",
]  # fmt: skip
SHARES = ["data.validation", "data.test", "method.target_acceptance"]
CHOICES = [
    "data.task", "data.missing", "data.separator", "data.decimal", "network.kind",
    "network.activation", "network.norm", "method.start",
    "alignment.matching", "alignment.reference", "method.kind", "method.schedule",
    "posterior.prior", "posterior.likelihood",
]  # fmt: skip
TUPLES = ["network.hidden", "compact.ranks", "evaluation.kept", "evaluation.keeps"]
# The smallest value of the rest.
LEAST = {"seed": 0, "method.num_draws": 4, "method.num_warmup": 0, "ensemble.num_members": 2}
LEAST |= {"refinement.predictive": 0, "refinement.elbo": 0, "refinement.pull": 0}
LEAST |= {"method.jitter": 0, "method.friction": 0, "method.num_burn_in": 0}
LEAST |= {"method.num_collected": 2}
READ_BY = {"width": "lstm", "depth": "convnet", "norm": "resnet20", "heads": "vit", "patch": "vit"}
"""A kind of network that reads a key which the others do not."""
FREE = [
    "data.name", "data.target", "data.standardize", "data.header", "data.columns", "data.drop",
    "data.categories", "method.adapt_mass", "alignment.signs",
    "method.most_draws", "network.function", "posterior.degrees_of_freedom",
]  # fmt: skip


def all_keys() -> set[str]:
    keys = set()
    for name, value in RunConfig():
        is_section = isinstance(value, pydantic.BaseModel)
        keys |= {f"{name}.{key}" for key, _ in value} if is_section else {name}
    return keys


def test_the_most_draws_are_at_least_as_many_as_the_least() -> None:
    few = ["method.num_draws=50"]
    assert load_config("digits", [*few, "method.most_draws=50"]).method.limit == 50
    assert load_config("digits", few).method.limit == 200
    with pytest.raises(ConfigError, match=r"most_draws must be at least 50 .*\. Got 49\."):
        load_config("digits", [*few, "method.most_draws=49"])


def test_the_range_of_every_key_is_tested_below() -> None:
    assert all_keys() == {*COUNTS, *POSITIVE, *SHARES, *CHOICES, *TUPLES, *LEAST, *FREE}


def value_of(config: RunConfig, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config


def kind_that_reads(key: str) -> list[str]:
    """A change of the config, so that it reads a key."""
    section, _, name = key.partition(".")
    if section == "network":
        return [f"network.kind={READ_BY.get(name, 'mlp')}"]
    if section == "method":
        readers = [kind for kind in KINDS if name in keys_of(kind)]
        return [f"method.kind={readers[0]}"]
    return []


def assert_range(key: str, good: list, bad: list) -> None:
    for value in good:
        changes = [*kind_that_reads(key), f"{key}={value}"]
        assert str(value_of(load_config("digits", changes), key)) == str(value)
    for value in bad:
        with pytest.raises(ConfigError, match=rf"^{key}[.\d]*: Input should be .*Got"):
            load_config("digits", [f"{key}={value}"])


@pytest.mark.parametrize("key", COUNTS)
def test_counts_begin_at_one(key: str) -> None:
    assert_range(key, good=[1, 50], bad=[0, -1])


@pytest.mark.parametrize("key", POSITIVE)
def test_stds_and_rates_are_positive_and_finite(key: str) -> None:
    assert_range(key, good=[1e-6, 100.0], bad=[0.0, -1.0, "inf", "nan"])


@pytest.mark.parametrize("key", SHARES)
def test_shares_lie_between_zero_and_one(key: str) -> None:
    assert_range(key, good=[0.01, 0.99], bad=[0.0, 1.0, "nan"])


@pytest.mark.parametrize("key", CHOICES)
def test_choices_are_from_a_list(key: str) -> None:
    assert_range(key, good=[], bad=["none-of-these"])


@pytest.mark.parametrize("key", LEAST)
def test_the_smallest_value_is_allowed_and_one_less_is_not(key: str) -> None:
    changes = ["compact.ranks=[1]", *kind_that_reads(key), f"{key}={LEAST[key]}"]
    assert value_of(load_config("digits", changes), key) == LEAST[key]
    assert_range(key, good=[], bad=[LEAST[key] - 1])


@pytest.mark.parametrize("key", ["network.hidden", "evaluation.keeps"])
def test_lists_that_a_run_cannot_do_without_are_not_empty(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key}: Tuple should have at least 1 item"):
        load_config("digits", [f"{key}=[]"])


@pytest.mark.parametrize("change", ["evaluation.keeps=[1.0, 10.0]", "compact.ranks=[0]"])
def test_every_item_of_a_list_is_checked(change: str) -> None:
    with pytest.raises(ConfigError, match=rf"{change.split('=')[0]}\.\d: Input should be"):
        load_config("digits", [change])


@pytest.mark.parametrize("kind", KEYS)
def test_a_network_reads_its_own_keys_and_no_others(kind: str) -> None:
    others = {"hidden": "[8]", "activation": "tanh", "norm": "layer", "function": "nets:make"}
    for key in NetworkConfig.model_fields.keys() - {"kind"}:
        changes = [f"network.kind={kind}", f"network.{key}={others.get(key, 4)}"]
        if key in KEYS[kind]:
            read = getattr(load_config("digits", changes).network, key)
            assert read != getattr(NetworkConfig(), key)
        else:
            reads = rf"kind '{kind}' reads network\..*Got also network\.{key}\. Leave it out"
            with pytest.raises(ConfigError, match=reads):
                load_config("digits", changes)


def test_a_student_prior_in_a_config_has_a_std() -> None:
    assert_range("posterior.degrees_of_freedom", good=[2.1, 100.0], bad=[2.0, -1.0, "inf"])


def test_a_list_of_columns_may_be_one_name() -> None:
    data = load_config("digits", ["data.drop=id", 'data.columns=["a", "b"]']).data
    assert (data.drop, data.columns) == (("id",), ("a", "b"))


@pytest.mark.parametrize("name", ["my.csv", "my.tsv.gz", "my.parquet", "my.npz"])
def test_the_path_of_data_is_the_config_that_only_names_them(name: str) -> None:
    changes = ["data.target=goal", "seed=3"]
    assert load_config(name, changes) == load_config("digits", [f"data.name={name}", *changes])


def test_a_rank_beyond_the_draws_is_refused_before_anything_is_drawn() -> None:
    changes = ["method.num_chains=1", "method.num_draws=5"]
    assert load_config("digits", [*changes, "compact.ranks=[4]"]).compact.ranks == (4,)
    with pytest.raises(ConfigError, match=r"compact\.ranks must lie in \[1, 4\] .*Got 5\."):
        load_config("digits", changes)


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("seed=7", "seed", 7),
        ("method.step_size=1e-2", "method.step_size", 0.01),
        ("method.adapt_mass=true", "method.adapt_mass", True),
        ("network.hidden=[16, 8]", "network.hidden", (16, 8)),
        ("network.activation=tanh", "network.activation", "tanh"),
        ('network.activation="tanh"', "network.activation", "tanh"),
        ("data.name=a=b.csv", "data.name", "a=b.csv"),
        ("posterior.prior_std.out=0.5", "posterior.prior_std", {"out": 0.5}),
    ],
)
def test_changes_are_read_as_toml_and_bare_words_as_strings(change, key, value) -> None:
    assert value_of(load_config("digits", [change]), key) == value


def test_changes_are_made_in_their_order_and_the_seed_comes_last() -> None:
    config = load_config(
        "diabetes", ["method.num_draws=10", "method.num_draws=20", "seed=1"], seed=2
    )
    assert (config.method.num_draws, config.seed) == (20, 2)
    assert config.network.hidden == (32,)


@given(st.integers(4, 10**6), st.floats(1e-6, 1e6))
def test_any_number_survives_being_written_as_a_change(count: int, std: float) -> None:
    config = load_config("digits", [f"method.num_draws={count}", f"vi.init_std={std!r}"])
    assert (config.method.num_draws, config.vi.init_std) == (count, std)


def test_changes_leave_the_built_in_configs_alone() -> None:
    before = load_config("diabetes")
    load_config("diabetes", ["method.num_draws=10", "network.hidden=[2]"])
    assert load_config("diabetes") == before


@pytest.mark.parametrize("change", ["seed", "=3", ""])
def test_a_change_without_key_or_value_is_refused(change: str) -> None:
    with pytest.raises(ConfigError, match=rf"Expected KEY=VALUE, .*\. Got {change!r}"):
        load_config("digits", [change])


def test_a_value_has_no_keys_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("method = 3\n")
    with pytest.raises(ConfigError, match=r"method is a single value and has no key 'num_draws'"):
        load_config(str(tmp_path / "mine.toml"), ["method.num_draws=10"])


def test_a_config_does_not_change_once_made() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        RunConfig().method.num_draws = 10
