"""The samplers of a run: the keys, defaults and starts of each, and what is said of them."""

import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from tiny_runs import results_of, tiny_config

import onebasin.methods
from onebasin.methods import inits, sample
from onebasin.report import write_report
from onebasin.report.findings import Findings
from onebasin.report.summary import summary
from onebasin.run.begin import open_run
from onebasin.run.config import ConfigError, RunConfig, check_config, load_config
from onebasin.run.kinds import KINDS, MethodName, keys_of
from onebasin.run.methods import method_of, with_defaults
from onebasin.run.representations import all_draws, method_names, one_chain
from onebasin.run.run import take_steps
from onebasin.run.run_directory import RunDirectory
from onebasin.run.sections import MethodConfig
from onebasin.run.setup import Setup, set_up, silent
from onebasin.run.steps.sample import draw_by_sampler
from onebasin.run.trust import Convergence, Diagnostics, SamplerHealth, cautions, warning_of
from onebasin.store import load_samples

KEYS = MethodConfig.model_fields.keys() - {"kind"}
VALUES = {"start": "ensemble", "schedule": "polynomial", "adapt_mass": "false", "jitter": "0.5"}
VALUES |= {"target_acceptance": "0.3", "most_draws": "900"}
"""A value of each key that is not its default; 7 of the others."""

EXACT = ["hmc", "nuts", "adjusted_mclmc"]

FEW: dict[str, dict[str, Any]] = {
    "hmc": {"num_warmup": 2, "num_steps": 2},
    "nuts": {"num_warmup": 2, "max_depth": 2},
    "mclmc": {"num_warmup": 2, "num_steps": 2},
    "adjusted_mclmc": {"num_warmup": 2, "max_steps": 2, "step_size": 1e-3},
    "sgld": {"num_warmup": 5, "thin": 5, "schedule": "cyclical", "batch_size": 8},
    "sghmc": {"num_warmup": 2, "thin": 1, "schedule": "polynomial", "num_steps": 2},
    "swag": {"num_burn_in": 1, "num_collected": 2, "start": "init"},
    "laplace": {},
    "last_layer_laplace": {},
}
"""What makes each sampler quick. Whole runs are made by HMC and MCLMC."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_sampler_reads_its_own_keys_and_no_others(kind: MethodName) -> None:
    for key in KEYS:
        changes = [f"method.kind={kind}", f"method.{key}={VALUES.get(key, 7)}"]
        if key in keys_of(kind):
            read = getattr(load_config("digits", changes).method, key)
            assert read != getattr(MethodConfig(kind=kind), key)
        else:
            message = rf"kind '{kind}' reads method\..*Got also method\.{key}\. Leave it out"
            with pytest.raises(ConfigError, match=message):
                load_config("digits", changes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_left_out_has_the_default_of_the_run_or_of_the_builder(kind) -> None:
    found = with_defaults(MethodConfig(kind=kind))
    arguments = inspect.signature(getattr(onebasin.methods, kind)).parameters
    for key in KINDS[kind].keys:
        if key in KINDS[kind].defaults:
            assert getattr(found, key) == KINDS[kind].defaults[key]
        elif key == "most_draws":
            assert found.most_draws == 4 * found.num_draws
        elif key != "least_precision":  # it comes from the prior
            assert getattr(found, key) == arguments[key].default


def test_the_defaults_of_hmc_are_those_that_were_measured() -> None:
    found = with_defaults(RunConfig().method)
    assert {key: getattr(found, key) for key in keys_of("hmc")} == {
        "kind": "hmc", "num_chains": 4, "num_draws": 250, "start": "init", "thin": 2,
        "num_warmup": 150, "num_steps": 60, "step_size": 1e-3, "target_acceptance": 0.65,
        "adapt_mass": True, "jitter": 0.0, "most_draws": 1000,
    }  # fmt: skip


def test_the_exact_samplers_are_those_with_an_acceptance_step() -> None:
    assert [kind for kind, about in KINDS.items() if about.is_exact] == EXACT


@pytest.mark.parametrize("start", ["prior", "init"])
@pytest.mark.parametrize("kind", ["laplace", "last_layer_laplace"])
def test_laplace_needs_a_trained_start(kind: str, start: str) -> None:
    assert load_config("digits", [f"method.kind={kind}"]).method.start == "map"
    with pytest.raises(ConfigError, match=rf'must be "map" or "ensemble" for .*Got \'{start}\''):
        load_config("digits", [f"method.kind={kind}", f"method.start={start}"])


def test_each_chain_that_starts_at_a_member_needs_one_of_its_own() -> None:
    changes = ["method.start=ensemble", "ensemble.num_members=3"]
    assert load_config("digits", [*changes, "method.num_chains=3"]).method.num_chains == 3
    with pytest.raises(ConfigError, match=r"num_chains must lie in \[1, 3\] \(ensemble.*Got 4\."):
        load_config("digits", changes)


def test_the_draw_that_is_kept_is_the_last_of_its_cycle() -> None:
    changes = ["method.kind=sgld", "method.schedule=cyclical", "method.num_warmup=100"]
    load_config("digits", [*changes, "method.thin=50"])
    for thin, message in {
        30: r"multiple of method\.thin, .* Got 100 and 30",
        4: r"in \[5, inf\)",
    }.items():
        with pytest.raises(ConfigError, match=message):
            load_config("digits", [*changes, f"method.thin={thin}"])


def test_the_kind_names_the_draws_and_its_title_is_what_people_read() -> None:
    draws, chain = all_draws("adjusted_mclmc", 8), one_chain("nuts", 4)
    assert (draws.key, draws.label) == ("adjusted_mclmc", "adjusted MCLMC, all draws")
    assert (chain.key, chain.label) == ("nuts-chain", "NUTS, one chain")
    assert method_names("sgld") == {"compact": "SGLD", "compact-ensemble": "ensemble", "vi": "VI"}


def diagnostics(kind: MethodName, rhat: float) -> Diagnostics:
    found = Convergence(rhat_median=1.0, rhat_max=rhat, ess_median=900.0, ess_min=800.0)
    nothing = SamplerHealth(num_divergent=None, acceptance_rate=None, step_size=None, bfmi_min=None)
    return Diagnostics(
        warning=warning_of(kind, found),
        sampler=nothing,
        predictions=found,
        weights_unaligned=found,
        weights_aligned=found,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_sampler_that_is_not_exact_is_said_to_be_an_approximation(kind: MethodName) -> None:
    told = cautions(kind, diagnostics(kind, 1.01))
    title = KINDS[kind].title
    bias = [
        f"{title} is not exact: numbers that compare with {title} compare with an approximation of "
        "the posterior, whose bias R-hat does not show."
    ]
    assert told == ([] if kind in EXACT else bias)


@pytest.mark.parametrize("kind", KINDS)
def test_the_warning_comes_first_and_says_what_to_do(kind: MethodName) -> None:
    found = diagnostics(kind, 1.3)
    first, *others = cautions(kind, found)
    assert KINDS[kind].title in found.warning
    assert "the worst R-hat is 1.300 (at most 1.02 is asked)." in found.warning
    assert first.startswith(found.warning)
    # More draws do not bring together chains that each draw from a Gaussian of its own.
    more = "most_draws" if "most_draws" in KINDS[kind].keys else "num_draws"
    assert ("Raise method.num_chains" if KINDS[kind].is_fit else f"method.{more}") in first
    assert len(others) == (kind not in EXACT)


def test_chains_whose_log_densities_differ_have_not_converged() -> None:
    good, bad = (
        Convergence(rhat_median=rhat, rhat_max=rhat, ess_median=900.0, ess_min=800.0)
        for rhat in (1.0, 1.5)
    )
    assert warning_of("hmc", good, good) is None
    assert "the R-hat of the log density is 1.500" in (warning_of("hmc", good, bad) or "")


@pytest.fixture(scope="module")
def setup() -> Setup:
    return set_up(tiny_config("diabetes", "network.hidden=[2]"))


def with_method(setup: Setup, values: dict[str, Any]) -> Setup:
    config = setup.config.model_copy(update={"method": MethodConfig.model_validate(values)})
    return setup._replace(config=check_config(config.model_dump(mode="json")))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("hmc", "mclmc")])
def test_every_sampler_draws(setup: Setup, kind: MethodName) -> None:
    chosen = with_method(setup, {"kind": kind, "num_chains": 1, "num_draws": 4, **FEW[kind]})
    positions = inits(chosen.posterior.init, 1, key=chosen.key("starts"))
    drawn = sample(
        method_of(chosen),
        positions,
        4,
        thin=chosen.config.method.thin or 1,
        num_chunks=1,
        key=chosen.key(kind),
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(drawn.params))
    names = {"out"} if kind == "last_layer_laplace" else {"out", "hidden_0"}
    moved = {
        name
        for name, layer in drawn.params["weights"].items()
        if (np.ptp(layer["kernel"], axis=1) > 0).any()
    }
    assert moved == names
    if kind == "sgld":
        np.testing.assert_array_equal(drawn.stats["temperature"], 1)  # none from exploring


def test_a_method_that_is_made_again_is_equal(setup: Setup) -> None:
    for kind, values in FEW.items():
        chosen = with_method(setup, {"kind": kind, **values})
        first, second = (jax.tree.structure(method_of(chosen)) for _ in range(2))
        assert first == second, kind


def run_with(finished: Path, out: Path, *changes: str) -> RunDirectory:
    """A new run of digits that has the ensemble and the VI of a finished run already."""
    config = tiny_config("digits")
    setup = set_up(load_config_of(config, *changes))
    run, other = open_run(out, setup), RunDirectory(finished / "digits")
    shutil.copytree(other.samples("ensemble"), run.samples("ensemble"))
    shutil.copy(other.compact("vi-unaligned"), run.compact("vi-unaligned"))
    return run


def load_config_of(config: RunConfig, *changes: str) -> RunConfig:
    """A config with another sampler."""
    method: dict[str, Any] = {"num_chains": 2, "num_draws": 8}
    method |= dict(change.split("=") for change in changes)
    if "most_draws" in KINDS[method["kind"]].keys:
        method["most_draws"] = 8
    return check_config(config.model_dump(mode="json") | {"method": method})


@pytest.mark.slow
def test_chains_begin_at_the_members_of_the_ensemble(finished_runs: Path, tmp_path: Path) -> None:
    changes = ("kind=laplace", "start=ensemble", "least_precision=1e14")
    run = run_with(finished_runs, tmp_path / "run", *changes)
    setup = set_up(check_config(run.config))
    told: list[str] = []
    draw_by_sampler(run, setup, lambda what, *_: told.append(what))
    assert not any("MAP" in what for what in told), "something was trained"
    draws, members = (
        load_samples(run.samples(name), setup.template) for name in ("laplace", "ensemble")
    )
    # Draws of so high a precision are the networks at which the chains began.
    close = lambda draw, member: np.testing.assert_allclose(draw[:, :1], member, atol=1e-5)
    jax.tree.map(close, draws.params, members.params)


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "changes", [("kind=mclmc", "num_warmup=4", "num_steps=3"), ("kind=laplace", "start=ensemble")]
)
def test_a_run_by_a_sampler_that_is_not_exact_is_whole_and_says_so(
    finished_runs: Path, tmp_path: Path, changes: tuple[str, ...]
) -> None:
    run = run_with(finished_runs, tmp_path / "run", *changes)
    setup = set_up(check_config(run.config))
    take_steps(run, setup)
    kind = setup.config.method.kind
    title = KINDS[kind].title
    assert run.samples(kind).exists()
    assert run.alignment(kind).exists()
    keys = [one.representation.key for one in results_of(run).compare.representations]
    assert keys[:2] == [kind, f"{kind}-chain"]
    page = re.sub(r'base64,[^"]*', "", write_report(run, setup, silent).read_text())
    first = summary(Findings(run, setup))[0].text
    assert f"{title} is not exact" in first
    assert f"total variation to {title}" in page
    assert "HMC" not in page
