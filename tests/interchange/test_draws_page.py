"""The page "Your draws" runs as it stands, but for fewer draws."""

from importlib.util import find_spec

import pytest
from pages import blocks, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Chain .* has zero within-chain variance"),
]

PAGE = "draws.md"
FEWER = {
    "num_warmup=500, num_samples=500": "num_warmup=5, num_samples=8, progress_bar=False",
    "NUTS(model)": "NUTS(model, max_tree_depth=3)",
    "jax.random.split(key, 1000)": "jax.random.split(key, 8)",
    "n_samples=1000, warmup_steps=500": "n_samples=16, warmup_steps=5, epochs=2",
}
MOST_LINES = 10
"""From the object of a library to the summary."""


def assert_aligned(tree, unit: str, size: int) -> None:
    assert {"posterior", "permutations", "reference"} <= set(tree.children)
    assert tree["posterior"].sizes[unit] == size
    assert list(tree["posterior"][unit].values) == list(range(size))


def test_numpyro_blackjax_and_arviz(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("numpyro")
    monkeypatch.chdir(tmp_path)
    setup, numpyro, mclmc_setup, blackjax, netcdf, arviz = blocks(PAGE, fewer=FEWER)
    for code in (numpyro, blackjax, arviz):
        assert len(code.strip().splitlines()) <= MOST_LINES
    has_netcdf = find_spec("h5netcdf") is not None
    names = run(
        PAGE, "\n".join([setup, numpyro, mclmc_setup, blackjax, *[netcdf, arviz] * has_netcdf])
    )
    assert_aligned(names["tree"], "b1_2", 20)
    printed = capsys.readouterr().out
    for unit in ("w3[19]", "b1[19]", *["b2[19]"] * has_netcdf):
        assert unit in printed


def test_a_folder_of_trained_networks(tmp_path, monkeypatch) -> None:
    pytest.importorskip("torch")
    if find_spec("torchax") is None:
        pytest.skip("needs torchax")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(PAGE, "torch")
    assert len(code.partition("samples = ")[2].strip().splitlines()) <= MOST_LINES
    names = run(PAGE, code)
    assert names["samples"].num_chains == 8
    assert set(names["tree"]["posterior"].sizes) >= {"chain", "draw"}


def test_bde(capsys) -> None:
    pytest.importorskip("bde")
    (code,) = blocks(PAGE, "bde", FEWER)
    assert len(code.partition("apply, ")[2].strip().splitlines()) <= MOST_LINES
    names = run(PAGE, code)
    assert names["samples"].num_chains == 2
    assert "hidden_0.bias[7]" in capsys.readouterr().out
