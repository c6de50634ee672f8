"""Samples on disk: Zarr in ArviZ's schema, appended chunk by chunk.

A store has the groups `posterior` and `sample_stats` with dimensions (chain, draw). A variable is a
leaf of the params or a statistic of the sampler. It is named by the path of the leaf, with dots
instead of slashes, and has the path itself as an attribute. A store is whole once its attribute
`complete` is true. Functions import Xarray and Zarr when they run, because that takes a second.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from onebasin import _trees
from onebasin.samples import Samples
from onebasin.store.errors import StoreError
from onebasin.types import Array, Params

_DRAWS, _STATS = "posterior", "sample_stats"


class SampleWriter:
    """Appends samples to a new store, chunk by chunk; `finish` marks the store as whole.

    For samplings that are too long to hold, or to lose if they are cut off. `load_samples` refuses
    a store that was not finished. `num_draws` counts the draws of each chain written so far.

    Raises:
        StoreError: If there is something at the path already.

    Examples:
        >>> writer = ob.store.SampleWriter("hmc.zarr")
        >>> for _ in range(2):
        ...     writer.append(samples)
        >>> writer.finish()
        >>> ob.load_samples("hmc.zarr").num_draws
        20
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.num_draws = 0
        if self.path.exists():
            raise StoreError(
                f"The path of new samples must be free, because none are ever overwritten. "
                f"Got {self.path}, which exists. Delete it or write elsewhere."
            )
        import zarr

        zarr.create_group(self.path, attributes={"complete": False})

    def append(self, samples: Samples) -> None:
        """Write samples after those written so far, of the same chains and the same leaves."""
        leaves = _trees.named_leaves(samples.params)
        for group, arrays in {_DRAWS: leaves, _STATS: samples.stats}.items():
            if arrays:
                self._append(group, arrays)
        self.num_draws += samples.num_draws

    def _append(self, group: str, arrays: Mapping[str, Array]) -> None:
        """Write arrays (chain, draw, ...) by path after those of a group."""
        import xarray as xr

        first = next(iter(arrays.values()))
        draws = np.arange(self.num_draws, self.num_draws + first.shape[1])
        dataset = xr.Dataset(
            {_variable(path): _described(path, leaf) for path, leaf in arrays.items()},
            coords={"chain": np.arange(first.shape[0]), "draw": draws},
        )
        mode = {"append_dim": "draw"} if self.num_draws else {"mode": "a"}
        dataset.to_zarr(self.path, group=group, consolidated=False, **mode)  # pyright: ignore

    def finish(self) -> None:
        """Mark the store as whole, so that `load_samples` reads it."""
        import zarr

        zarr.open_group(self.path, mode="r+").attrs["complete"] = True


def _variable(path: str) -> str:
    """The name of a variable: the path of its leaf with dots; "params" if params are one array."""
    return path.replace("/", ".") or "params"


def _described(path: str, leaf: Array) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """What Xarray makes a variable of: names of dimensions, values, and the path as attribute."""
    own = (f"{_variable(path)}_dim_{axis}" for axis in range(np.ndim(leaf) - 2))
    return ("chain", "draw", *own), np.asarray(leaf), {"path": path}


def save_samples(path: Path | str, samples: Samples) -> None:
    """Write samples to a new Zarr store in ArviZ's schema, all at once.

    `last_state` is not written. `SampleWriter` writes samples chunk by chunk.

    Raises:
        StoreError: If there is something at the path already.

    Examples:
        >>> ob.save_samples("hmc.zarr", samples)
        >>> ob.load_samples("hmc.zarr").num_chains
        2
    """
    writer = SampleWriter(path)
    writer.append(samples)
    writer.finish()


def load_samples(path: Path | str, like: Params | None = None) -> Samples:
    """The samples of a store that `save_samples` or `SampleWriter` wrote.

    Their params are nested dicts by path. With `like`, params of one network, they are shaped like
    it, which lists and other nodes need, and a store of another network is refused.

    Raises:
        StoreError: If the store is missing or unfinished, or its arrays have other paths or
            shapes than those of `like`.

    Examples:
        >>> ob.save_samples("hmc.zarr", samples)
        >>> again = ob.load_samples("hmc.zarr", like=params)
        >>> again.params["out"]["bias"].shape  # (chain, draw, classes)
        (2, 10, 10)
    """
    import xarray as xr
    import zarr

    path = Path(path)
    _check_whole(path)
    draws = xr.open_dataset(path, group=_DRAWS, engine="zarr", consolidated=False)
    leaves = {
        leaf.attrs.get("path", str(name).replace(".", "/")): leaf.values
        for name, leaf in draws.data_vars.items()
    }
    if like is not None:
        _check_network(path, leaves, like)
    stats = {}
    if _STATS in zarr.open_group(path, mode="r"):
        stored = xr.open_dataset(path, group=_STATS, engine="zarr", consolidated=False)
        stats = {str(name): stored[name].values for name in stored.data_vars}
    return Samples(_trees.rebuild(leaves, like), stats)


def is_whole(path: Path | str) -> bool:
    """Whether there is a store at the path, and it was finished."""
    import zarr

    if not Path(path).exists():
        return False
    try:
        return bool(zarr.open_group(path, mode="r").attrs.get("complete", False))
    except (FileNotFoundError, ValueError):
        return False


def delete_unfinished(path: Path | str) -> None:
    """Delete what an interrupted sampling left at the path, but never a whole store."""
    if Path(path).exists() and not is_whole(path):
        shutil.rmtree(path)


def _check_whole(path: Path) -> None:
    """Raise StoreError if there is no store at the path, or it was not finished."""
    if not path.exists():
        raise StoreError(
            f"A sample store must exist. Got none at {path}. "
            "Write it by save_samples, or mend the path."
        )
    if not is_whole(path):
        raise StoreError(
            f"A sample store must be finished before it is read. Got {path}, which an interrupted "
            "run left half-written. Resume the run, or delete the store and sample again."
        )


def _check_network(path: Path, leaves: dict[str, np.ndarray], like: Params) -> None:
    """Raise StoreError unless arrays (chain, draw, ...) by path are draws of params `like`."""
    wanted = _trees.named_leaves(like)
    if leaves.keys() != wanted.keys():
        raise StoreError(
            f"A sample store must hold the arrays of `like`. {_trees.difference(leaves, wanted)} "
            f"Was {path} drawn with another config?"
        )
    for name, leaf in wanted.items():
        if leaves[name].shape[2:] != np.shape(leaf):
            raise StoreError(
                f"A sample store must hold arrays shaped like those of `like`, {np.shape(leaf)} "
                f"at {name!r}. Got {leaves[name].shape[2:]}. "
                f"Was {path} drawn with another config?"
            )
