"""to_datatree: what each group holds, what is read and when, and that ArviZ and Zarr take it."""

import pickle
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

import onebasin as ob
from onebasin.store import StoredArray
from onebasin.symmetry import Place, Sign, Symmetry, random_permutation

pytestmark = pytest.mark.slow

SHAPES = {"hidden": {"bias": (4,), "kernel": (3, 4)}, "out": {"bias": (2,), "kernel": (4, 2)}}
AXES = {
    "hidden": {"bias": ob.Axes("hidden"), "kernel": ob.Axes(None, "hidden")},
    "out": {"bias": ob.Axes(None), "kernel": ob.Axes("hidden", None)},
}
LEAD = (2, 50)


def drawn(shapes: Any) -> ob.Samples:
    rng = np.random.default_rng(0)
    draw = lambda shape: rng.standard_normal((*LEAD, *shape), np.float32)
    params = jax.tree.map(draw, shapes, is_leaf=lambda node: isinstance(node, tuple))
    return ob.Samples(params, {"lp": draw(()), "diverging": draw(()) > 1})


def alignment_of(symmetry: Symmetry, samples: ob.Samples) -> ob.Alignment:
    """Random permutations in place of those that matching finds."""
    permutation = random_permutation(symmetry, *LEAD, key=jax.random.key(0))
    objective = np.arange(100, dtype=np.float32).reshape(LEAD)
    return ob.Alignment(permutation, objective, objective < 90, samples.draw(1, 2), symmetry)


SAMPLES = drawn(SHAPES)
SYMMETRY = Symmetry.of(AXES, SAMPLES.draw(0, 0)).with_signs(
    [Sign("hidden", (Place("hidden/bias", 0), Place("hidden/kernel", 1), Place("out/kernel", 0)))]
)
ALIGNMENT = alignment_of(SYMMETRY, SAMPLES)
ALIGNED = ALIGNMENT.apply(SAMPLES)


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> ob.Samples:
    path = tmp_path_factory.mktemp("stores") / "s.zarr"
    writer = ob.store.SampleWriter(path)
    for first in range(0, LEAD[1], 10):
        part = lambda leaf, at=first: leaf[:, at : at + 10]
        params, stats = jax.tree.map(part, (SAMPLES.params, dict(SAMPLES.stats)))
        writer.append(ob.Samples(params, stats))
    writer.finish()
    return ob.load_samples(path)


def counting(samples: ob.Samples) -> tuple[ob.Samples, list[tuple[int, ...]]]:
    """The same samples, which add the places of every chunk that they read to a list."""
    read: list[tuple[int, ...]] = []

    def counted(leaf: StoredArray) -> StoredArray:
        def read_chunk(places):
            read.append(places)
            return leaf.read_chunk(places)

        return StoredArray(leaf.shape, leaf.dtype, leaf.chunk_shape, read_chunk)

    params, stats = jax.tree.map(counted, (samples.params, dict(samples.stats)))
    return ob.Samples(params, stats), read


@pytest.mark.parametrize("is_stored", [False, True], ids=["in memory", "on the disk"])
def test_draws_are_in_the_groups_that_a_store_of_aligned_samples_has(
    is_stored, on_disk, tmp_path: Path
) -> None:
    tree = ob.to_datatree(ALIGNMENT, on_disk if is_stored else SAMPLES)
    ob.save_samples(tmp_path / "aligned.zarr", ALIGNED, ob.store.dims_of(SYMMETRY))
    with xr.open_datatree(tmp_path / "aligned.zarr", engine="zarr", consolidated=False) as wanted:
        for group in ("posterior", "sample_stats"):
            xr.testing.assert_identical(tree[group].to_dataset(), wanted[group].to_dataset())
    assert tree["posterior"]["hidden.kernel"].dims[2:] == ("hidden.kernel_dim_0", "hidden")


def test_units_and_signs_say_what_happened_to_each_draw() -> None:
    moves = ob.to_datatree(ALIGNMENT, SAMPLES)["permutations"]
    assert moves.attrs["matching"] == "weights"
    assert moves["units.hidden"].dims == moves["signs.hidden"].dims == ("chain", "draw", "hidden")
    units = moves["units.hidden"].sel(chain=1, draw=7).values
    signs = moves["signs.hidden"].sel(chain=1, draw=7).values
    np.testing.assert_array_equal(
        SAMPLES.params["hidden"]["bias"][1, 7][units] * signs,
        ALIGNED.params["hidden"]["bias"][1, 7],
    )
    np.testing.assert_array_equal(moves["objective"], ALIGNMENT.objective)
    np.testing.assert_array_equal(moves["converged"], ALIGNMENT.converged)


def test_units_of_a_nested_group_are_listed_for_each_outer_unit() -> None:
    samples = drawn({"w": (3, 6)})
    symmetry = Symmetry.of(
        {"w": ob.Axes(None, ("block/heads", "dims"))}, samples.draw(0, 0),
        sizes={"block/heads": 2}, nested={"dims": ["block/heads"]},
    )  # fmt: skip
    moves = ob.to_datatree(alignment_of(symmetry, samples), samples)["permutations"]
    assert moves["units.block.heads"].dims == ("chain", "draw", "block.heads")
    assert moves["units.dims"].dims == ("chain", "draw", "block.heads", "dims")
    assert moves["units.block.heads"].attrs["group"] == "block/heads"


def test_reference_floor_and_table_are_groups_with_the_axes_of_the_weights() -> None:
    floor = ob.DiagonalGaussian(SAMPLES.mean(), SAMPLES.std())
    table = xr.Dataset({"mean": ("weight", np.zeros(26))})
    tree = ob.to_datatree(ALIGNMENT, SAMPLES, table=table, floor=floor)
    assert {*tree.children} == {
        "posterior", "sample_stats", "permutations", "reference", "floor", "weights",
    }  # fmt: skip
    xr.testing.assert_identical(tree["weights"].to_dataset(), table)
    for group, params in {
        "reference": ALIGNMENT.reference, "floor/mean": floor.mean, "floor/std": floor.std,
    }.items():  # fmt: skip
        weights = tree[group]["out.kernel"]
        assert weights.dims == ("hidden", "out.kernel_dim_1")
        assert weights.coords["hidden"].values.tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(weights, params["out"]["kernel"])
    assert ((tree["posterior"]["out.kernel"] - tree["reference"]["out.kernel"]).dims) == (
        "chain", "draw", "hidden", "out.kernel_dim_1",
    )  # fmt: skip


def test_of_stored_draws_nothing_is_read_before_values_are_asked_for(on_disk) -> None:
    samples, read = counting(on_disk)
    tree = ob.to_datatree(ALIGNMENT, samples)
    first = tree["posterior"].to_dataset().isel(draw=slice(0, 3))
    assert read == []
    np.testing.assert_array_equal(
        first["hidden.kernel"].values, ALIGNED.params["hidden"]["kernel"][:, :3]
    )
    assert read == [(0, 0, 0, 0)]


@pytest.mark.parametrize(
    "index",
    [
        {"chain": 1, "draw": -1},
        {"draw": slice(40, None, -7), "hidden": 2},
        {"chain": 0, "draw": [3, 1, 1], "hidden": [0, 3]},
        {"chain": -1, "hidden.kernel_dim_0": [2, 0]},
        {"draw": []},
        {"draw": xr.DataArray([0, 49], dims="best"), "hidden": xr.DataArray([3, 1], dims="best")},
    ],
    ids=["numbers", "steps", "lists", "a list beside a number", "none", "pairs"],
)
def test_a_selection_of_stored_draws_is_that_of_draws_in_memory(on_disk, index) -> None:
    kernels = [
        ob.to_datatree(ALIGNMENT, samples)["posterior"]["hidden.kernel"].isel(index)
        for samples in (on_disk, SAMPLES)
    ]
    xr.testing.assert_identical(*kernels)


def test_a_tree_of_stored_draws_can_be_written_and_sent_to_another_process(
    on_disk, tmp_path: Path
) -> None:
    floor = ob.DiagonalGaussian(SAMPLES.mean(), SAMPLES.std())
    tree = ob.to_datatree(ALIGNMENT, on_disk, floor=floor)
    tree.to_zarr(tmp_path / "tree.zarr", consolidated=False)
    with xr.open_datatree(tmp_path / "tree.zarr", engine="zarr", consolidated=False) as found:
        xr.testing.assert_identical(found, tree)
    xr.testing.assert_identical(pickle.loads(pickle.dumps(tree)), tree)


def test_arviz_summarizes_stored_draws_as_draws_that_were_aligned_in_memory(on_disk) -> None:
    pytest.importorskip("xarray_einstats")
    import arviz_base
    import arviz_stats

    in_memory = arviz_base.from_dict({"posterior": {"bias": ALIGNED.params["hidden"]["bias"]}})
    wanted = arviz_stats.summary(in_memory, round_to="none")
    tree = ob.to_datatree(ALIGNMENT, on_disk)
    found = arviz_stats.summary(tree, var_names=["hidden.bias"], round_to="none")
    assert [*found.index] == [f"hidden.bias[{unit}]" for unit in range(4)]
    assert [*found.columns] == [*wanted.columns]
    np.testing.assert_array_equal(found.to_numpy(), wanted.to_numpy())
    unit = arviz_stats.summary(
        tree, var_names=["hidden.bias"], coords={"hidden": [2]}, round_to="none"
    )
    np.testing.assert_array_equal(unit.to_numpy(), wanted.to_numpy()[[2]])


def test_what_belongs_to_another_network_is_refused() -> None:
    mean = SAMPLES.mean()
    wider = jax.tree.map(lambda leaf: np.zeros((*leaf.shape[:-1], 9)), mean)
    for tree, message in (
        (mean["out"], r"The floor must have the leaves of the samples\. Missing: 'hidden/bias'"),
        (wider, r"shaped like those of one draw, \(4,\) at 'hidden/bias'\. Got \(9,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            ob.to_datatree(ALIGNMENT, SAMPLES, floor=ob.DiagonalGaussian(tree, tree))
    with pytest.raises(ValueError, match="samples it was made from"):
        ob.to_datatree(ALIGNMENT, SAMPLES.thin(2))


@pytest.mark.usefixtures("unchecked")
def test_arguments_of_other_types_are_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match=r"of type Alignment\. Got Samples\. ob\.align"):
        ob.to_datatree(SAMPLES, ALIGNMENT)
    with pytest.raises(TypeError, match=r"floor must be of type DiagonalGaussian\. Got dict"):
        ob.to_datatree(ALIGNMENT, SAMPLES, floor=SAMPLES.std())
    with pytest.raises(TypeError, match=r"table must be of type Dataset\. Got dict"):
        ob.to_datatree(ALIGNMENT, SAMPLES, table={})
