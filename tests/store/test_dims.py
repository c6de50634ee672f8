"""Names of axes: those that list hidden units are called by their group, with coordinates."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import onebasin as ob
from onebasin.store import dims_of

pytestmark = pytest.mark.slow

Axes = ob.Axes


def symmetry_of(axes, shapes) -> ob.Symmetry:
    return ob.Symmetry.of(axes, {name: np.zeros(shape) for name, shape in shapes.items()})


def samples_of(symmetry: ob.Symmetry, shapes) -> ob.Samples:
    return ob.Samples({name: np.ones((2, 3, *shape)) for name, shape in shapes.items()})


def test_axes_of_hidden_units_have_the_name_of_their_group() -> None:
    dims = dims_of(ob.mlp(5, (4, 3), 2).symmetry)
    assert dims["hidden_0/kernel"] == (None, "hidden_0")
    assert dims["hidden_1/kernel"] == ("hidden_0", "hidden_1")
    assert dims["hidden_1/bias"] == ("hidden_1",)
    assert dims["out/bias"] == (None,)


@pytest.mark.parametrize(
    ("axes", "shapes", "wanted"),
    [
        ({"w": Axes("h", "h")}, {"w": (3, 3)}, {"w": ("h", "h_2")}),
        (
            {"w": Axes("h", "h"), "v": Axes("h", "h_2")},
            {"w": (3, 3), "v": (3, 4)},
            {"w": ("h", "h_3"), "v": ("h", "h_2")},
        ),
        ({"w": Axes("w", None)}, {"w": (3, 2)}, {"w": ("w_2", None)}),
        ({"w": Axes("draw")}, {"w": (3,)}, {"w": ("draw_2",)}),
        ({"w": Axes("a/b")}, {"w": (3,)}, {"w": ("a.b",)}),
        (
            {"w": Axes(("h", 2)), "b": Axes("h")},
            {"w": (6,), "b": (3,)},
            {"w": (None,), "b": ("h",)},
        ),
        (
            {"w": ob.symmetry.Blocks([[3, 2]], [Axes("h"), Axes("k")])},
            {"w": (5,)},
            {},
        ),
    ],
    ids=["twice", "a number that is taken", "a leaf", "draw", "slashes", "several", "blocks"],
)
def test_every_axis_has_a_name_of_its_own(tmp_path: Path, axes, shapes, wanted) -> None:
    symmetry = symmetry_of(axes, shapes)
    assert dims_of(symmetry) == wanted
    ob.save_samples(tmp_path / "s.zarr", samples_of(symmetry, shapes), dims_of(symmetry))
    with xr.open_datatree(tmp_path / "s.zarr", engine="zarr", consolidated=False) as tree:
        for path, names in wanted.items():
            own = tree["posterior"][path].dims[2:]
            assert own == tuple(name or f"{path}_dim_{n}" for n, name in enumerate(names))
            for name, size in zip(own, shapes[path], strict=True):
                assert tree["posterior"].sizes[name] == size
                if name in filter(None, names):
                    assert tree["posterior"].coords[name].values.tolist() == list(range(size))


def test_xarray_opens_lazily_and_selects_by_unit(tmp_path: Path) -> None:
    symmetry = ob.mlp(5, (4,), 2).symmetry
    shapes = {"hidden_0": {"bias": (4,), "kernel": (5, 4)}, "out": {"bias": (2,), "kernel": (4, 2)}}
    rng = np.random.default_rng(0)
    draw = lambda layer: {name: rng.standard_normal((2, 3, *s)) for name, s in layer.items()}
    samples = ob.Samples({name: draw(layer) for name, layer in shapes.items()})
    ob.save_samples(tmp_path / "s.zarr", samples, dims_of(symmetry))
    with xr.open_datatree(tmp_path / "s.zarr", engine="zarr", consolidated=False) as tree:
        posterior = tree["posterior"].to_dataset()
        assert not posterior["hidden_0.kernel"].variable._in_memory
        unit = posterior.sel(hidden_0=2)
        assert unit["hidden_0.kernel"].dims == ("chain", "draw", "hidden_0.kernel_dim_0")
        np.testing.assert_array_equal(
            unit["out.kernel"].values, samples.params["out"]["kernel"][:, :, 2]
        )


@pytest.mark.parametrize(
    ("dims", "match"),
    [
        ({"w": ("a", "b"), "v": ("a",)}, r"one size\. Got 3 for 'a' of 'w', and 4 before"),
        ({"w": ("v", None)}, r"must not be names of leaves\. Got 'v'"),
        ({"w": ("a/b", None)}, "word of its own"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, dims, match) -> None:
    samples = ob.Samples({"w": np.ones((2, 3, 3, 2)), "v": np.ones((2, 3, 4))})
    with pytest.raises(ValueError, match=match):
        ob.save_samples(tmp_path / "s.zarr", samples, dims)
