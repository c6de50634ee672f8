"""Draws in ArviZ's schema, whoever wrote them, become Samples with the same numbers."""

from pathlib import Path

import arviz_base as az
import numpy as np
import pytest
import xarray

import onebasin as ob
from onebasin import _trees

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part"),
]

RNG = np.random.default_rng(0)
DRAWS = {
    "w1": RNG.normal(size=(2, 5, 3, 4)),
    "nn.Dense_0.kernel": RNG.normal(size=(2, 5, 4, 1)).astype(np.float32),
    "log_lik": RNG.normal(size=(2, 5, 7)),
}
STATS = {"lp": RNG.normal(size=(2, 5)), "diverging": np.zeros((2, 5), bool)}


@pytest.fixture(scope="module")
def tree() -> xarray.DataTree:
    """As ArviZ makes it of draws; statistics have a variable that is not one number a draw."""
    stats = {**STATS, "step_sizes": np.ones((2, 5, 3))}
    return az.from_dict({"posterior": DRAWS, "sample_stats": stats})


def assert_draws(samples: ob.Samples) -> None:
    assert set(_trees.named_leaves(samples.params)) == {"w1", "nn/Dense_0/kernel"}
    kernel = samples.params["nn"]["Dense_0"]["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(samples.params["w1"], DRAWS["w1"])
    np.testing.assert_array_equal(kernel, DRAWS["nn.Dense_0.kernel"])


def assert_all(samples: ob.Samples) -> None:
    assert_draws(samples)
    assert set(samples.stats) == set(STATS)
    for name, values in STATS.items():
        np.testing.assert_array_equal(samples.stats[name], values)


def test_a_tree_of_arviz_gives_its_draws_and_statistics(tree) -> None:
    assert_all(ob.from_arviz(tree, names=["~log_lik"]))
    assert_all(ob.from_arviz(tree, names=["w1", "nn.Dense_0.kernel"]))


def test_a_dataset_of_draws_needs_no_groups(tree) -> None:
    draws = tree["posterior"].to_dataset()
    assert_draws(ob.from_arviz(draws, names=["~log_lik"]))
    assert_draws(ob.from_arviz(tree["posterior"], names=["~log_lik"]))
    slashed = draws.rename({"nn.Dense_0.kernel": "nn/Dense_0.kernel"})  # which a tree refuses
    assert_draws(ob.from_arviz(slashed, names=["~log_lik"]))


def test_axes_are_found_by_their_names_in_any_order(tree) -> None:
    draws = tree["posterior"].to_dataset()
    turned = draws.transpose(..., "draw", "chain")
    assert_draws(ob.from_arviz(turned, names=["~log_lik"]))
    renamed = draws.rename(chain="member", draw="step")
    assert_draws(ob.from_arviz(renamed, names=["~log_lik"], chain="member", draw="step"))


def test_draws_of_one_chain_need_no_axis_of_chains(tree) -> None:
    single = tree["posterior"].to_dataset().isel(chain=1)
    samples = ob.from_arviz(single, names=["w1"], chain=None)
    np.testing.assert_array_equal(samples.params["w1"], DRAWS["w1"][1:])
    with pytest.raises(ValueError, match=r"must have the axes .*chain.*pass chain=None"):
        ob.from_arviz(single)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_store_that_arviz_wrote_is_read_by_chunks(tree, tmp_path, zarr_format) -> None:
    path = tmp_path / "theirs.zarr"
    chunks = {"/posterior": {"w1": {"chunks": (1, 3, 3, 4)}}}
    tree.to_zarr(path, zarr_format=zarr_format, encoding=chunks)
    samples = ob.from_arviz(path, names=["~log_lik"])
    assert isinstance(samples.params["w1"], ob.store.StoredArray)
    assert samples.params["w1"].chunk_shape == (1, 3, 3, 4)
    assert_all(samples)
    np.testing.assert_array_equal(samples.draw(1, 4)["w1"], DRAWS["w1"][1, 4])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_store_of_others_is_not_called_half_written_and_never_deleted(
    tree, tmp_path, zarr_format
) -> None:
    path = tmp_path / "theirs.zarr"
    tree.to_zarr(path, zarr_format=zarr_format)
    for read in (ob.load_samples, ob.store.check_samples, ob.store.SampleWriter.resume):
        with pytest.raises(
            ob.store.StoreError, match=r"another library\. Read it by ob.from_arviz"
        ):
            read(path)
    with pytest.raises(ob.store.StoreError):
        ob.store.SampleWriter(path)
    assert_all(ob.from_arviz(path, names=["~log_lik"]))


def test_a_damaged_chunk_of_a_zarr_store_of_others_is_told_when_it_is_read(tree, tmp_path) -> None:
    path = tmp_path / "theirs.zarr"
    tree["posterior"].to_dataset().to_zarr(path, zarr_format=3)  # a Dataset alone, without groups
    samples = ob.from_arviz(path, names=["w1"])
    np.testing.assert_array_equal(samples.params["w1"], DRAWS["w1"])
    chunk = next(file for file in (path / "w1" / "c").rglob("*") if file.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with pytest.raises(ob.store.StoreError, match=r"chunk \(0, 0, 0, 0\) of 'w1'") as error:
        samples.mean()
    one_line(error)


def test_a_store_of_ours_gives_what_load_samples_gives(tmp_path) -> None:
    leaves = {"layer.0": {"kernel": DRAWS["w1"]}, "bias": DRAWS["w1"][..., 0]}
    ob.save_samples(tmp_path / "ours.zarr", ob.Samples(leaves, STATS))
    samples = ob.from_arviz(tmp_path / "ours.zarr")
    assert list(samples.params["layer.0"]) == ["kernel"]
    np.testing.assert_array_equal(samples.params["layer.0"]["kernel"], DRAWS["w1"])
    assert set(ob.from_arviz(tmp_path / "ours.zarr", names=["~bias"]).params) == {"layer.0"}


def test_arrays_of_dask_are_not_read_before_they_are_used(tree) -> None:
    pytest.importorskip("dask")
    samples = ob.from_arviz(tree.chunk({"draw": 2}), names=["~log_lik"])
    assert isinstance(samples.params["w1"], ob.store.StoredArray)
    assert_all(samples)


def test_a_netcdf_file_that_arviz_wrote_is_read(tree, tmp_path) -> None:
    pytest.importorskip("h5netcdf")
    path = tmp_path / "draws.nc"
    tree.to_netcdf(path, engine="h5netcdf")
    samples = ob.from_arviz(str(path), names=["~log_lik"])
    assert_all(samples)
    assert isinstance(samples.params["w1"], np.ndarray)


def test_a_netcdf_file_of_the_older_inference_data_is_read(tree, tmp_path) -> None:
    """Its groups were written one by one into a file."""
    pytest.importorskip("h5netcdf")
    path = tmp_path / "older.nc"
    for mode, name in (("w", "posterior"), ("a", "sample_stats")):
        dataset = tree[name].to_dataset().assign_attrs(arviz_version="0.17.0")
        dataset.to_netcdf(path, mode=mode, group=name, engine="h5netcdf")
    assert_all(ob.from_arviz(path, names=["~log_lik"]))


def test_netcdf_without_h5netcdf_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("onebasin.interchange.arviz.find_spec", lambda name: None)
    (tmp_path / "draws.nc").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ImportError, match=r"onebasin\[netcdf\]"):
        ob.from_arviz(tmp_path / "draws.nc")


def test_an_object_of_the_older_inference_data_is_read(tree) -> None:
    class InferenceData(dict):
        def groups(self) -> list[str]:
            return list(self)

    older = InferenceData({name: node.to_dataset() for name, node in tree.children.items()})
    assert_all(ob.from_arviz(older, names=["~log_lik"]))


def test_params_get_the_shape_of_like(tree) -> None:
    like = [np.zeros((3, 4)), {"kernel": np.zeros((4, 1))}]
    draws = tree["posterior"].to_dataset().rename({"w1": "0", "nn.Dense_0.kernel": "1.kernel"})
    samples = ob.from_arviz(draws, names=["0", "1.kernel"], like=like)
    np.testing.assert_array_equal(samples.params[0], DRAWS["w1"])
    with pytest.raises(ValueError, match=r"leaves of `like`\. Missing: '1\.kernel'"):
        ob.from_arviz(draws, names=["0"], like=like)
    with pytest.raises(ValueError, match=r"shapes of `like`, \(3, 5\) at '0'\. Got \(3, 4\)"):
        ob.from_arviz(draws, names=["0"], like=[np.zeros((3, 5))])


def test_what_to_datatree_wrote_comes_back(tmp_path) -> None:
    weights = {"in": {"w": DRAWS["w1"]}, "out": np.swapaxes(DRAWS["w1"], 2, 3)}
    axes = {"in": {"w": ob.Axes(None, "hidden")}, "out": ob.Axes("hidden", None)}
    samples = ob.Samples(weights, STATS)
    symmetry = ob.Symmetry.of(axes, samples.draw(0, 0))
    alignment = ob.align(samples, symmetry)
    again = ob.from_arviz(ob.to_datatree(alignment, samples))
    expected = alignment.apply(samples)
    np.testing.assert_array_equal(again.params["in"]["w"], expected.params["in"]["w"])
    np.testing.assert_array_equal(again.params["out"], expected.params["out"])


def one_line(error: pytest.ExceptionInfo) -> None:
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda draws: draws.assign(w1=("x", np.zeros(3))), r"axes .*in 'w1'.*names=\[\"~w1\"\]"),
        (lambda draws: draws.assign(s=(("chain", "draw"), np.full((2, 5), "a"))), "real numbers"),
        (lambda draws: draws * 1j, "real numbers"),
        (lambda draws: draws.stack(sample=("chain", "draw")), r"unstack\('sample'\)"),
        (lambda draws: draws.rename({"log_lik": "nn"}), r"another's dict.*'nn\.Dense_0\.kernel'"),
        (lambda draws: draws.rename({"log_lik": "a..b"}), "have an empty part"),
        (lambda draws: draws.drop_vars(list(draws.data_vars)), "must hold a variable"),
        (lambda draws: draws.isel(draw=[]), "must hold a draw"),
    ],
)
def test_draws_that_cannot_be_samples_are_told_in_one_line(tree, change, said) -> None:
    with pytest.raises(ValueError, match=said) as error:
        ob.from_arviz(change(tree["posterior"].to_dataset()))
    one_line(error)


def test_an_unknown_name_is_told_with_the_nearest(tree) -> None:
    with pytest.raises(ValueError, match=r"'log_like'\. Did you mean 'log_lik'\?") as error:
        ob.from_arviz(tree, names=["log_like"])
    one_line(error)


def test_what_is_no_source_is_told(tree, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"Got dict\. Make one by"):
        ob.from_arviz(DRAWS)
    with pytest.raises(ValueError, match=r"group 'posterior'\. Got the groups \['prior'\]"):
        ob.from_arviz(xarray.DataTree.from_dict({"prior": tree["posterior"].to_dataset()}))
    with pytest.raises(ob.store.StoreError, match="must exist"):
        ob.from_arviz(tmp_path / "none.nc")
    (tmp_path / "draws.csv").write_text("a,b")
    with pytest.raises(ob.store.StoreError, match="must be netCDF 4"):
        ob.from_arviz(tmp_path / "draws.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ob.store.StoreError, match="must be a whole Zarr"):
        ob.from_arviz(tmp_path / "empty")
