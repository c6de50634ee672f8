"""The page "Align draws from the command line" runs as it stands, but for fewer draws."""

import re
import shlex

import jax
import pytest
from commands import onebasin
from pages import DOCS, blocks, run

from onebasin.aligned import AlignedFolder

pytestmark = pytest.mark.slow

PAGE = "align-command.md"
FEWER = {
    "num_warmup=500, num_samples=500, num_chains=4": "num_warmup=5, num_samples=8, num_chains=2"
}


def commands(title: str = "") -> list[list[str]]:
    """The commands of the shell blocks under a title, without `onebasin`."""
    text = (DOCS / PAGE).read_text("utf-8")
    found = re.findall(rf"```sh{title}\n(.*?)```", text, re.DOTALL)
    lines = [line for block in found for line in block.strip().splitlines()]
    assert all(line.startswith("onebasin ") for line in lines)
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.long
def test_draws_of_numpyro_are_aligned_from_their_file(tmp_path, monkeypatch):
    pytest.importorskip("numpyro")
    pytest.importorskip("h5netcdf")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (network,) = blocks(PAGE, "my_nets.py")
    (tmp_path / "my_nets.py").write_text(network)
    (sampling,) = blocks(PAGE, "sample", FEWER)
    with jax.numpy_rank_promotion("allow"):
        run(PAGE, sampling.replace("num_chains=2", "num_chains=2, progress_bar=False"))
        for arguments in commands():
            done = onebasin(*arguments)
            assert done.returncode == 0, done.stderr
    found = AlignedFolder("with-data").load_results()
    assert found.draws.num_chains == 2
    assert found.predictions.likelihood == "gaussian"
    assert AlignedFolder("aligned").load_results().predictions is None


def test_the_options_of_the_page_are_those_of_the_command():
    text = (DOCS / PAGE).read_text("utf-8")
    shown = "".join(onebasin("align", "--help").stdout.split())
    options = set(re.findall(r"--[a-z][a-z-]*", text))
    assert {option for option in options if option not in shown} == set()
