"""`onebasin align`: draws and checkpoints of one's own, their folder and their report."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray
from commands import assert_refused, command, onebasin

import onebasin as ob
from onebasin.aligned import AlignedFolder, AlignedResults
from onebasin.symmetry import random_permutation

pytestmark = pytest.mark.slow

NETS = '''
import jax.numpy as jnp
import numpy as np


def tanh():
    """Two inputs, five hidden units, one output."""
    normal = np.random.default_rng(1).normal
    params = {"w1": normal(size=(2, 5)), "b1": normal(size=5), "w2": normal(size=(5, 1))}
    params = {name: leaf.astype("float32") for name, leaf in params.items()}
    apply = lambda params, x: jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"]
    return apply, params, np.ones((4, 2), "float32")


def broken():
    raise RuntimeError("no weights here")


def make_module():
    from torch import nn

    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
'''
NUM_CHAINS, NUM_DRAWS, STD = 2, 40, 0.05
TANH = ("--network", "nets:tanh")


@pytest.fixture(autouse=True)
def ranks_promote() -> Iterator[None]:
    """Functions of other people promote ranks as they like."""
    with jax.numpy_rank_promotion("allow"):
        yield


def network() -> ob.Network:
    names: dict = {}
    exec(NETS, names)
    return ob.network(*names["tanh"]())


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two chains of noisy copies of one network, of which the second is permuted."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "nets.py").write_text(NETS)
    rng = np.random.default_rng(0)
    with jax.numpy_rank_promotion("allow"):
        own = network()
        base = jax.tree.map(np.asarray, own.init(jax.random.key(3)))
        noisy = lambda leaf: leaf + STD * rng.normal(size=(NUM_CHAINS, NUM_DRAWS, *leaf.shape))
        draws = jax.tree.map(lambda leaf: noisy(leaf).astype(np.float32), base)
        swapped = random_permutation(own.symmetry, key=jax.random.key(5))
        moved = jax.vmap(lambda one: ob.permute(one, own.symmetry, swapped))(
            jax.tree.map(lambda leaf: leaf[1], draws)
        )
        draws = jax.tree.map(lambda a, b: np.stack([a[0], np.asarray(b)]), draws, moved)
        x = rng.normal(size=(60, 2)).astype(np.float32)
        y = np.asarray(own.apply(base, jnp.asarray(x)))[:, 0] + 0.1 * rng.normal(size=60)
    noise = np.full((NUM_CHAINS, NUM_DRAWS), 0.1, np.float32)
    stats = xarray.Dataset({"lp": (("chain", "draw"), rng.normal(size=(NUM_CHAINS, NUM_DRAWS)))})
    groups = {"posterior": dataset_of(draws | {"noise": noise}), "sample_stats": stats}
    tree = xarray.DataTree.from_dict(groups)
    tree.to_zarr(folder / "draws.zarr", zarr_format=2)
    if find_spec("h5netcdf") is not None:
        tree.to_netcdf(folder / "draws.nc", engine="h5netcdf")
    np.savez(folder / "data.npz", inputs=x, targets=y)
    np.savez(folder / "swapped.npz", **swapped.units)
    return folder


def dataset_of(params: dict[str, np.ndarray]) -> xarray.Dataset:
    dims = lambda name, leaf: ["chain", "draw", *(f"{name}_{n}" for n in range(leaf.ndim - 2))]
    return xarray.Dataset({name: (dims(name, leaf), leaf) for name, leaf in params.items()})


@pytest.fixture(scope="module")
def aligned(planted: Path) -> Path:
    """What `align` writes of the planted draws, with data."""
    with jax.numpy_rank_promotion("allow"):
        done = onebasin(
            "align", "draws.zarr", "--network", "nets:tanh", "--noise", "noise", "--data",
            "data.npz", "--raw", "--prior-std", 1, "--out", "aligned", cwd=planted,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "draws in ArviZ's schema: 2 chains of 40 draws" in done.stderr
    assert "Report: aligned/report.html" in done.stdout
    return planted / "aligned"


def results_in(folder: Path) -> AlignedResults:
    return AlignedFolder(folder).load_results()


def assert_needs_nothing_from_outside(page: str) -> None:
    assert page.isascii()
    for mark in (' src="', ' srcset="', ' href="'):
        values = [part.partition('"')[0] for part in page.split(mark)[1:]]
        assert all(value.startswith(("data:image/png;base64,", "#")) for value in values)
    assert not any(tag in page for tag in ("<script", "<link", "<iframe", "url(", "@import"))


def test_the_symmetry_and_the_transpositions_are_those_that_were_planted(planted, aligned):
    found = results_in(aligned)
    (group,) = found.symmetry.groups
    assert (group.num_units, group.num_signs, set(group.arrays)) == (5, 1, {"w1", "b1", "w2"})
    (units,) = np.load(planted / "swapped.npz").values()
    swaps = ob.Permutation({"units": units}).num_transpositions()["units"]
    assert found.transpositions.between_chains == pytest.approx(float(swaps))
    assert all(one.count == 0 for one in found.transpositions.by_lag)


def test_aligned_stds_are_those_of_the_noise_that_was_planted(aligned):
    found = results_in(aligned)
    assert found.spread.std == pytest.approx(STD, rel=0.15)
    assert found.spread.unaligned_std > 5 * STD
    assert found.null_floor.std == pytest.approx(found.spread.std)
    assert found.null_floor.share_below > 0.9
    assert found.weights.contraction > 0.99  # of a prior std of 1


def test_the_distance_is_that_of_pairs_of_draws(aligned):
    draws = ob.from_arviz(aligned / "aligned.zarr").flatten()
    rows = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in draws.values()], axis=1)
    rows = rows.astype(np.float64)
    pairs = rows[:, None] - rows[None]
    squares = (pairs**2).sum(axis=-1)[~np.eye(len(rows), dtype=bool)]
    assert results_in(aligned).spread.distance == pytest.approx(np.sqrt(squares.mean()), rel=1e-5)


def test_predictions_stay_and_the_mean_network_becomes_good(aligned):
    found = results_in(aligned)
    predictions = found.predictions
    before, after = predictions.scores("draws"), predictions.scores("draws-aligned")
    assert after.nll == pytest.approx(before.nll, abs=1e-4)
    assert after.total_variation < 1e-5
    assert found.alignment.max_function_change < 1e-5
    means = predictions.scores("mean"), predictions.scores("mean-aligned")
    assert means[1].rmse < 0.3 < 0.5 * means[0].rmse
    assert predictions.noise == pytest.approx(0.1)
    assert predictions.basin.aligned.mean < 0.1 * predictions.basin.unaligned.mean


def test_the_datatree_holds_aligned_draws_and_the_table_for_arviz(planted, aligned):
    tree = xarray.open_datatree(aligned / "aligned.zarr", engine="zarr")
    kept = {"posterior", "sample_stats", "permutations", "reference", "floor", "weights"}
    assert set(tree.children) == kept
    assert list(tree["weights"]["array"].values[:5]) == ["b1"] * 5
    again = ob.from_arviz(aligned / "aligned.zarr")
    draws = ob.from_arviz(planted / "draws.zarr", names=["~noise"])
    inputs = jnp.ones((3, 2))
    apply = jax.vmap(jax.vmap(lambda params: network().apply(params, inputs)))
    outputs = [np.asarray(apply(some.load().params)) for some in (again, draws)]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    assert np.isfinite(np.asarray(again.stats["lp"])).all()


def test_the_page_has_the_numbers_and_needs_nothing_from_outside(aligned):
    page, found = (aligned / "report.html").read_text("utf-8"), results_in(aligned)
    assert_needs_nothing_from_outside(page)
    assert f"{found.spread.unaligned_std:.3f} before alignment and {found.spread.std:.3f}" in page
    assert "Units may trade places in 1 group: b1 (5 units, each with a sign)" in page
    assert f"{found.predictions.scores('mean-aligned').rmse:.3f}" in page
    assert "if the draws were made with some of its examples, the scores are too good" in page
    assert page.count("<figure>") == 3 == len(list((aligned / "figures").glob("*.png")))
    assert str(aligned.parent) not in page


def test_report_writes_the_same_page_again(aligned):
    page = (aligned / "report.html").read_bytes()
    (aligned / "report.html").unlink()
    done = onebasin("report", aligned)
    assert done.returncode == 0, done.stderr
    assert (aligned / "report.html").read_bytes() == page


@pytest.fixture(scope="module")
def replaced(planted: Path, aligned: Path) -> Path:
    """An alignment that was interrupted, replaced by one of netCDF (if it can be read) and no data.

    What is refused on the way is tried here.
    """
    out = planted / "replaced"
    shutil.copytree(aligned, out)
    (out / "report.html").unlink()
    (out / "aligned.zarr" / "stale").write_text("old")
    source = "draws.nc" if find_spec("h5netcdf") is not None else "draws.zarr"
    arguments = ("align", source, *TANH, "--names=~noise", "--out", "replaced", "--effort=fast")
    with jax.numpy_rank_promotion("allow"):
        assert_refused(onebasin(*arguments, cwd=planted), "unfinished", "--again")
        inside = ("align", "replaced/aligned.zarr", *TANH, "--out", "replaced", "--again")
        assert_refused(onebasin(*inside, cwd=planted), "must lie outside")
        done = onebasin(*arguments, "--again", cwd=planted)
    assert done.returncode == 0, done.stderr
    return out


def test_a_folder_is_replaced_as_a_whole_with_again_alone(replaced):
    assert not (replaced / "aligned.zarr" / "stale").exists()
    assert results_in(replaced).request.effort == "fast"
    assert (replaced / "report.html").is_file()


def test_without_data_the_page_says_what_is_not_known(replaced, aligned):
    found = results_in(replaced)
    assert found.predictions is None
    assert found.weights.contraction is None
    assert found.spread.std == pytest.approx(results_in(aligned).spread.std, rel=1e-3)
    page = (replaced / "report.html").read_text("utf-8")
    assert_needs_nothing_from_outside(page)
    for words in ("No data were given (--data)", "The std of the prior was not given"):
        assert words in page


def save_checkpoints(folder: Path, count: int) -> None:
    import torch

    names: dict = {}
    exec(NETS, names)
    (folder / "nets.py").write_text(NETS)
    (folder / "runs").mkdir()
    for seed in range(count):
        torch.manual_seed(seed)
        torch.save(names["make_module"]().state_dict(), folder / "runs" / f"net-{seed}.pt")


def test_a_folder_of_checkpoints_is_aligned_as_far_as_single_draws_go(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("torchax")
    save_checkpoints(tmp_path, 50)
    labels = np.arange(40) % 2
    inputs = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", inputs=inputs, targets=labels)
    done = onebasin(
        "align", "runs", "--torch", "nets:make_module", "--input", "1,3", "--data", "data.npz",
        "--out", "out", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "50 networks, each a chain of its own" in done.stderr
    found = results_in(tmp_path / "out")
    assert found.draws.num_chains == 50
    assert [group.num_units for group in found.symmetry.groups] == [4]
    assert found.weights is None
    assert found.convergence.warning is None
    assert found.spread.distance < found.spread.unaligned_distance
    assert found.transpositions.between_chains == pytest.approx(1.9, abs=0.5)  # 4 - H_4
    assert found.predictions.task == "classification"
    assert found.predictions.basin.within is None
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert_needs_nothing_from_outside(page)
    assert "There are too few draws for an R-hat" in page
    assert "Chains have fewer than 8 draws" in page


REFUSED = {
    "no network": (["draws.zarr"], ["Got neither"]),
    "two networks": (["draws.zarr", *TANH, "--torch=nets:Net", "--input=1"], ["--network and"]),
    "unknown function": (["draws.zarr", "--network=nets:tahn"], ["Did you mean 'tanh'?"]),
    "broken function": (["draws.zarr", "--network=nets:broken"], ["RuntimeError: no weights"]),
    "nothing there": (["nowhere.nc", *TANH], ["nowhere.nc", "Mend the path"]),
    "another format": (["data.npz", *TANH], ["data.npz", "checkpoints (.pt"]),
    "mixed formats": (["draws.zarr", "fake.pt", *TANH], ["of one format", "fake.pt"]),
    "damaged": (["fake.pt", *TANH], ["fake.pt"]),
    "pickle": (["fake.pkl", *TANH], ["other pickles run code"]),
    "other sites": (["draws.zarr", *TANH], ["noise", "--names '~noise'"]),
    "missing array": (["draws.zarr", *TANH, "--names=w1", "--names=b1"], ["none called 'w2'"]),
    "unknown name": (["draws.zarr", *TANH, "--names=~noize"], ["'noize'", "Did you mean"]),
    "chains of a store": (["draws.zarr", *TANH, "--chains=2"], ["--chains is for checkpoints"]),
    "unknown effort": (["draws.zarr", *TANH, "--effort=fats"], ["Did you mean 'fast'?"]),
    "no data": (["draws.zarr", *TANH, "--likelihood=gaussian"], ["without --data"]),
    "no noise": (["draws.zarr", *TANH, "--names=~noise", "--data=data.npz"], ["--noise NAME"]),
    "unknown noise": (["draws.zarr", *TANH, "--noise=sigma"], ["'sigma'", "noise"]),
    "prior std": (["draws.zarr", *TANH, "--prior-std=0"], ["--prior-std must be positive"]),
    "other data": (["draws.zarr", *TANH, "--noise=noise", "--data=digits"], ["64 features"]),
    "no free folder": (["draws.zarr", *TANH, "--out=."], ["--out", "holds other files"]),
    "a file": (["draws.zarr", *TANH, "--out=nets.py"], ["Got the file"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_aligned_is_one_line_and_writes_nothing(case, planted):
    (planted / "fake.pt").write_bytes(b"no checkpoint")
    (planted / "fake.pkl").write_bytes(b"no checkpoint")
    arguments, words = REFUSED[case]
    out = () if any(str(one).startswith("--out") for one in arguments) else ("--out", "new")
    assert_refused(onebasin("align", *arguments, *out, cwd=planted), *words)
    assert not (planted / "new").exists()


def test_a_report_needs_a_folder_of_either_kind(tmp_path):
    (tmp_path / "results.json").write_text('{"kind": "align"}')
    assert_refused(onebasin("report", tmp_path), "results.json", "--again")
    (tmp_path / "results.json").unlink()
    assert_refused(onebasin("report", tmp_path), "results.json", "config.toml")
    (tmp_path / "config.toml").write_text("[data]\nname = 'digits'\n")
    assert_refused(onebasin("report", tmp_path), "key.json")


def test_the_real_command_knows_its_version_and_prints_a_symmetry_as_json(planted):
    assert command("--version").stdout.strip() == ob.__version__
    done = onebasin("symmetry", "nets:tanh", "--json", cwd=planted)
    assert done.returncode == 0, done.stderr
    assert ob.Symmetry.from_json(done.stdout).sizes == {"b1": 5}
