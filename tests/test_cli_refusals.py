"""The command line without a run: bad configs, data and networks are one line each."""

from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, command, onebasin

pytestmark = pytest.mark.slow


def test_bad_input_is_one_line_and_an_exit_code():
    assert_refused(command("run", "digitz"), "'digits'")


BAD_CONFIGS = {
    "unknown name": (["digitz"], ["'digits'"]),
    "old section": (["digits", "--set=hmc.num_draws=3"], ["no key 'hmc'", "called 'method'"]),
    "unknown key": (["digits", "--set=method.num_drawz=3"], ["method.num_drawz", "Did you mean"]),
    "wrong type": (["digits", "--set=method.num_draws=many"], ["method.num_draws", "many"]),
    "out of range": (["digits", "--set=method.target_acceptance=2"], ["target_acceptance", "2"]),
    "no value": (["digits", "--set=method.num_draws"], ["KEY=VALUE"]),
    "missing file": (["nowhere.toml"], ["nowhere.toml"]),
    "unknown prior": (["digits", "--set=posterior.prior_std={kernal=1.0}"], ["kernal"]),
    "missing data": (["digits", "--set=data.name=nowhere.csv"], ["nowhere.csv"]),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_bad_config_is_one_line_and_writes_nothing(case, tmp_path):
    arguments, words = BAD_CONFIGS[case]
    out = tmp_path / "out"
    assert_refused(onebasin("run", *arguments, "--out", out), *words)
    assert not out.exists()


def _table(tmp_path: Path, **arrays: np.ndarray) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return path


def _inputs(num_rows: int = 40) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(num_rows, 3)).astype(np.float32)


def _bad_data(case: str, tmp_path: Path) -> tuple[Path, list[str]]:
    inputs, labels = _inputs(), np.arange(40) % 2
    if case == "NaN":
        inputs[3, 1] = np.nan
        return _table(tmp_path, inputs=inputs, targets=labels), ["finite"]
    if case == "labels out of range":
        return _table(tmp_path, inputs=inputs, targets=labels * 5), ["0..", "5"]
    if case == "one class only":
        return _table(tmp_path, inputs=inputs, targets=labels * 0), ["class"]
    path = tmp_path / "data.npz"
    path.write_text("this is no archive")
    return path, ["data.npz"]


@pytest.mark.parametrize("case", ["NaN", "labels out of range", "one class only", "not an npz"])
def test_bad_data_is_one_line_and_writes_nothing(case, tmp_path):
    path, words = _bad_data(case, tmp_path)
    out = tmp_path / "out"
    done = onebasin("run", "digits", "--out", out, f"--set=data.name={path}")
    assert_refused(done, *words)
    assert not out.exists()


NETWORK = """
import jax.numpy as jnp

def perceptron():
    apply = lambda params, x: jnp.tanh(x @ params["first"]) @ params["second"]
    return apply, {"first": jnp.ones((3, 5)), "second": jnp.ones((5, 2))}, jnp.ones((4, 3))
"""


def test_the_symmetry_of_a_named_network_is_printed(tmp_path):
    (tmp_path / "nets.py").write_text(NETWORK)
    done = onebasin("symmetry", "nets:perceptron", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "first:1, second:0" in done.stdout
    assert "Not permuted: second, axis 1 (reaches the output)." in done.stdout


BAD_SYMMETRIES = {
    "nothing": ([], ["Got neither"]),
    "two networks": (["nets:net", "--torch=nets:Net", "--input=1,3"], ["--torch and --input"]),
    "no input": (["--torch=nets:Net"], ["Got --torch."]),
    "an input of no module": (["nets:net", "--input=1,3"], ["MODULE:FUNCTION and --input"]),
    "no function": (["nets"], ["MODULE:FUNCTION", "'nets'"]),
    "unknown function": (["nets:perceptrom"], ["Did you mean 'perceptron'?"]),
    "no class": (["--torch=nets", "--input=1,3"], ["MODULE:CLASS", "'nets'"]),
    "unknown module": (["--torch=nowhere:Net", "--input=1,3"], ["No module named 'nowhere'"]),
    "unknown class": (["--torch=nets:Net", "--input=1,3"], ["must have a class 'Net'"]),
    "not a shape": (["--torch=nets:Net", "--input=1x3"], ["1,3,32,32 or int:1,16", "Got '1x3'"]),
    "no size": (["--torch=nets:Net", "--input=int:"], ["'int:'"]),
    "not a module": (["--torch=nets:perceptron", "--input=1,3"], ["Got tuple"]),
}


@pytest.mark.parametrize("case", BAD_SYMMETRIES)
def test_a_network_that_cannot_be_read_is_one_line(case, tmp_path):
    (tmp_path / "nets.py").write_text(NETWORK)
    arguments, words = BAD_SYMMETRIES[case]
    assert_refused(onebasin("symmetry", *arguments, cwd=tmp_path), *words)
