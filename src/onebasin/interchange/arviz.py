"""from_arviz: draws in ArviZ's schema, in memory or on disk, as Samples."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebasin import _trees
from onebasin._stored_array import StoredArray
from onebasin.interchange.leaves import (
    check_numbers,
    one_line,
    selected,
    tree_of,
    unreadable,
)
from onebasin.samples import Samples
from onebasin.store.commits import is_of_others
from onebasin.store.draws import load_samples
from onebasin.store.errors import StoreError
from onebasin.store.variables import DRAWS, STATS
from onebasin.types import Params

if TYPE_CHECKING:
    import xarray

_HDF5 = b"\x89HDF\r\n\x1a\n"
"""How every netCDF 4 file begins."""


class _Reading(NamedTuple):
    """How variables are read: the names of their leading axes, and whether chunks wait on disk."""

    chain: str | None
    draw: str
    is_on_disk: bool

    @property
    def lead(self) -> tuple[str, ...]:
        """The names of the axes that every variable must have."""
        return (self.draw,) if self.chain is None else (self.chain, self.draw)


def from_arviz(
    source: Any,
    *,
    names: Sequence[str] | None = None,
    like: Params | None = None,
    chain: str | None = "chain",
    draw: str = "draw",
) -> Samples:
    """Draws in ArviZ's schema as Samples, whoever wrote them.

    Params are the variables of the group `posterior`, in nested dicts: each slash or dot of a name
    opens one, as in `nn/Dense_0.kernel`. A variable that onebasin wrote has its path as an
    attribute. Axes are found by their names. Statistics are the variables of `sample_stats` that
    have one number for each draw, under their own names.

    Arrays of Dask, and those of a Zarr store that is given by its path, are not read before they
    are used. All others are in memory.

    Args:
        source: An `xarray.DataTree`, an `InferenceData`, an `xarray.Dataset` of draws, or the path
            of a netCDF file or of a Zarr store. netCDF needs `pip install 'onebasin[netcdf]'`.
        names: The variables to take, as `["w1", "b1"]`, or to leave out, as `["~log_lik"]`. Leave
            out what the network does not use, such as deterministic variables. Default: all.
        like: Params of one network, whose shape the params get. Default: nested dicts.
        chain: The name of the axis of chains. None if the draws are of one chain and have no such
            axis.
        draw: The name of the axis of draws.

    Raises:
        ValueError: If there are no draws, a variable lacks an axis or is no real number, or names
            or shapes do not fit. It is a `StoreError` if a file is missing or damaged.
        ImportError: If h5netcdf is missing and the source is a netCDF file.

    Examples:
        >>> again = ob.from_arviz(ob.to_datatree(alignment, samples), names=["~out.bias"])
        >>> again.params["hidden_0"]["kernel"].shape
        (2, 10, 64, 8)
    """
    if isinstance(source, Path | str) and _is_ours(Path(source)):
        return _of_own_store(load_samples(source), names, like)
    groups = _groups(source)
    if DRAWS not in groups:
        raise ValueError(
            f"Draws must be in a group {DRAWS!r}. Got the groups {sorted(groups)}. Pass that group "
            "of the tree, or the Dataset of the draws."
        )
    reading = _Reading(chain, draw, isinstance(source, Path | str) and Path(source).is_dir())
    variables = {str(name): array for name, array in groups[DRAWS].data_vars.items()}
    taken = selected(variables, names)
    leaves = {name: _leaf(name, array, reading) for name, array in taken.items()}
    paths = {name: array.attrs.get("path") for name, array in taken.items()}
    if like is None and all(isinstance(path, str) for path in paths.values()):
        params = _trees.nest({str(paths[name]): leaf for name, leaf in leaves.items()})
    else:
        params = tree_of(leaves, like)
    return Samples(params, _statistics(groups.get(STATS), reading))


def _of_own_store(samples: Samples, names: Sequence[str] | None, like: Params | None) -> Samples:
    leaves = _trees.named_leaves(samples.params)
    by_dots = {path.replace("/", "."): path for path in leaves}
    taken = selected(by_dots, names).values()
    chosen = {path: leaves[path] for path in taken}
    params = _trees.nest(chosen) if like is None else tree_of(chosen, like)
    return Samples(params, samples.stats)


def _is_ours(path: Path) -> bool:
    """Whether there is a store at a path that onebasin wrote."""
    return (path / "zarr.json").is_file() and not is_of_others(path)


def _groups(source: Any) -> "dict[str, xarray.Dataset]":
    """The Datasets of a source by the name of their group; a lone Dataset is of draws."""
    import xarray

    match source:
        case Path() | str():
            return _groups(_opened(Path(source)))
        case xarray.DataTree():
            groups = {str(name): node.to_dataset() for name, node in source.children.items()}
            return (
                groups if DRAWS in groups or not source.data_vars else _groups(source.to_dataset())
            )
        case xarray.Dataset():
            return {DRAWS: source}
        case _ if type(source).__name__ == "InferenceData":
            return {name: source[name] for name in source.groups()}
        case _:
            raise TypeError(
                "from_arviz takes a DataTree, an InferenceData, a Dataset or a path. Got "
                f"{type(source).__name__}. Make one by arviz_base.from_dict."
            )


def _opened(path: Path) -> "xarray.DataTree":
    """The tree of a netCDF file, in memory, or of a Zarr store, unread."""
    import xarray

    if not path.exists():
        raise StoreError(f"A file of draws must exist. Got none at {path}. Mend the path.")
    try:
        if path.is_dir():
            return xarray.open_datatree(path, engine="zarr", cache=False, chunks=None)
    except Exception as error:
        raise unreadable(path, "Zarr", error) from error
    with path.open("rb") as file:
        is_netcdf = file.read(len(_HDF5)) == _HDF5
    if not is_netcdf:
        raise StoreError(
            f"A file of draws must be netCDF 4. Got {path}, which does not begin as one. Write it "
            "by to_netcdf(path, engine='h5netcdf'), or restore it."
        )
    if find_spec("h5netcdf") is None:
        raise ImportError(
            "netCDF needs h5netcdf. Got none. Install it: pip install 'onebasin[netcdf]'."
        )
    import h5py  # pyright: ignore[reportMissingImports]  # an extra

    try:
        with h5py.File(path) as hdf5:
            dict(hdf5.attrs)  # if h5netcdf fails on these, it prints another error when it closes
        with xarray.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except Exception as error:  # whatever HDF5 and its readers say about damaged bytes
        raise unreadable(path, "netCDF", error) from error


def _leaf(name: str, array: "xarray.DataArray", reading: _Reading) -> np.ndarray | StoredArray:
    """The values of a variable, led by (chain, draw)."""
    lead = reading.lead
    missing = [dim for dim in lead if dim not in array.dims]
    if missing:
        raise ValueError(
            f"A variable of draws must have the axes {lead}. Got {array.dims} in {name!r}. "
            f"{_hint(name, missing[0], array.dims, reading)}"
        )
    variable = array.variable.transpose(*lead, ...)
    if reading.chain is None:
        variable = variable.set_dims({"chain": 1, **dict(variable.sizes)})
    values = _values(name, variable, reading.is_on_disk)
    check_numbers(name, values)
    return values


def _hint(name: str, missing: str, dims: tuple[Any, ...], reading: _Reading) -> str:
    if "sample" in dims:
        return "Unstack its draws first: dataset.unstack('sample')."
    if missing == reading.chain and reading.draw in dims:
        return "Name the axis of chains by chain=..., or pass chain=None if there is one chain."
    return f'Name its axes by chain= and draw=, or leave it out by names=["~{name}"].'


def _values(name: str, variable: "xarray.Variable", is_on_disk: bool) -> np.ndarray | StoredArray:
    """The values of a variable; those of Dask and Zarr are read by chunks, when they are used."""
    shape, own = tuple(variable.shape), variable.encoding.get("preferred_chunks", {})
    if variable.chunks is not None:
        chunks = tuple(max(lengths) for lengths in variable.chunks)
    elif is_on_disk:
        sizes = zip(variable.dims, shape, strict=True)
        chunks = tuple(int(own.get(dim, size)) for dim, size in sizes)
    else:
        return np.asarray(variable.values)

    def read(places: tuple[int, ...]) -> np.ndarray:
        at = [slice(n * size, (n + 1) * size) for n, size in zip(places, chunks, strict=True)]
        try:
            return np.asarray(variable[tuple(at)].values)
        except Exception as error:  # whatever Zarr and its codecs say about damaged bytes
            raise StoreError(
                f"Every chunk of a variable must be readable. Got chunk {places} of {name!r}: "
                f"{one_line(error)} ({type(error).__name__}). Restore the store, or write it again."
            ) from error

    return StoredArray(shape, variable.dtype, chunks, read)


def _statistics(
    found: "xarray.Dataset | None", reading: _Reading
) -> dict[str, np.ndarray | StoredArray]:
    """The variables of `sample_stats` that have one real number for each draw."""
    return {
        str(name): _leaf(str(name), array, reading)
        for name, array in ({} if found is None else found.data_vars).items()
        if set(array.dims) == set(reading.lead) and array.dtype.kind in "biuf"
    }
