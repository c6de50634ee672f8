"""Runs of a network that the user wrote: every step, the report, and what the key says of it."""

from pathlib import Path
from typing import Any

import pytest
from tiny_runs import results_of, take_all_steps, tiny_config

from onebasin.report import write_report
from onebasin.run.config import ConfigError, load_config
from onebasin.run.run import open_setup
from onebasin.run.setup import set_up
from onebasin.store.errors import StoreError

pytestmark = pytest.mark.slow

MODULE = """
import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)


def apply(params, x):
    hidden = jax.nn.ACTIVATION(jnp.einsum("bi,ui->bu", x, params["layer.weight"])
                               + params["layer.bias"][None])
    return jnp.einsum("bu,ku->bk", hidden, params["head.weight"])


def make():
    params = {
        "layer.weight": rng.normal(size=(6, 64)).astype(np.float32) / 8,
        "layer.bias": rng.normal(size=6).astype(np.float32),
        "head.weight": rng.normal(size=(10, 6)).astype(np.float32),
    }
    return apply, params, rng.normal(size=(4, 64)).astype(np.float32)


def nothing():
    return None
"""
OWN = ("network.kind=own", "network.hidden=[64]")


def module(folder: Path, monkeypatch: Any, name: str, activation: str = "relu") -> str:
    """The name of a function that makes a network, in a new module that can be imported."""
    (folder / f"{name}.py").write_text(MODULE.replace("ACTIVATION", activation), "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    return f"{name}:make"


@pytest.mark.parametrize("matching", [pytest.param("weights", marks=pytest.mark.long), "mixed"])
def test_a_run_of_an_own_network_takes_every_step(tmp_path, monkeypatch, matching: str) -> None:
    name = module(tmp_path, monkeypatch, f"own_nets_{matching}")
    changes = (*OWN, f"network.function={name}", f"alignment.matching={matching}")
    run = take_all_steps(tmp_path / "run", tiny_config("digits", *changes))
    setup = open_setup(run)
    assert setup.posterior.network.symmetry.sizes == {"layer": 6}
    results = results_of(run)
    assert results.prune is not None
    write_report(run, setup)
    assert name in (run.path / "report.html").read_text("utf-8")


def test_a_run_does_not_go_on_with_another_network_of_the_same_name(tmp_path, monkeypatch) -> None:
    from onebasin.run.begin import check_run, open_run

    name = module(tmp_path, monkeypatch, "own_nets_first")
    config = tiny_config("digits", *OWN, f"network.function={name}")
    open_run(tmp_path / "run", set_up(config))
    check_run(tmp_path / "run", set_up(config))
    import own_nets_first  # pyright: ignore[reportMissingImports]

    other = MODULE.replace("ACTIVATION", "tanh")
    exec(other, vars(own_nets_first))  # as if the file had been edited
    with pytest.raises(StoreError, match=r"network\.function"):
        check_run(tmp_path / "run", set_up(config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("network.kind=own",), "needs network.function"),
        (("network.function=nets:make",), "Got also network.function"),
        (
            ("network.kind=own", "network.function=nets:make", "method.kind=last_layer_laplace"),
            "which layer is the last one",
        ),
    ],
)
def test_a_config_of_an_own_network_says_what_it_needs(changes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("digits", changes)


def test_a_function_that_makes_no_network_is_told_in_one_line(tmp_path, monkeypatch) -> None:
    name = module(tmp_path, monkeypatch, "own_nets_nothing").replace("make", "nothing")
    config = load_config("digits", ["network.kind=own", f"network.function={name}"])
    with pytest.raises(ValueError, match="must return a Network, or apply, params and inputs"):
        set_up(config)
