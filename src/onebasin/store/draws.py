"""Samples on disk: Zarr in ArviZ's schema, appended chunk by chunk.

Groups `posterior` and `sample_stats` with dimensions (chain, draw), one variable for each leaf,
named by its path with dots for slashes and with that path as its attribute. A store is whole once
its attribute `complete` is true. Xarray and Zarr take a second to import, so they are imported
where they are used.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from onebasin import _trees
from onebasin._types import Array, Params
from onebasin.samples import Samples
from onebasin.store.errors import StoreError

_DRAWS, _STATS = "posterior", "sample_stats"


class SampleWriter:
    """Appends chunks of draws to a new store; `finish` marks it whole.

    Raises: StoreError where something is at the path already.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.num_draws = 0
        if self.path.exists():
            raise StoreError(
                f"Samples are never overwritten. Got {self.path}, which exists. "
                "Delete it or write elsewhere."
            )
        import zarr

        zarr.create_group(self.path, attributes={"complete": False})

    def append(self, samples: Samples) -> None:
        """Write draws behind those written so far."""
        leaves = _trees.named_leaves(samples.params)
        for group, arrays in {_DRAWS: leaves, _STATS: samples.stats}.items():
            if arrays:
                self._append(group, arrays)
        self.num_draws += samples.num_draws

    def _append(self, group: str, arrays: Mapping[str, Array]) -> None:
        import xarray as xr

        first = next(iter(arrays.values()))
        draws = np.arange(self.num_draws, self.num_draws + first.shape[1])
        dataset = xr.Dataset(
            {_variable(path): _described(path, leaf) for path, leaf in arrays.items()},
            coords={"chain": np.arange(first.shape[0]), "draw": draws},
        )
        behind = {"append_dim": "draw"} if self.num_draws else {"mode": "a"}
        dataset.to_zarr(self.path, group=group, consolidated=False, **behind)  # pyright: ignore

    def finish(self) -> None:
        """Mark the store as whole."""
        import zarr

        zarr.open_group(self.path, mode="r+").attrs["complete"] = True


def _variable(path: str) -> str:
    return path.replace("/", ".") or "params"


def _described(path: str, leaf: Array) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """What Xarray makes a variable of: names of the dimensions, the values, and the leaf's path."""
    own = (f"{_variable(path)}_dim_{axis}" for axis in range(np.ndim(leaf) - 2))
    return ("chain", "draw", *own), np.asarray(leaf), {"path": path}


def save_samples(path: Path | str, samples: Samples) -> None:
    """Write samples to a new store in one go.

    Raises: StoreError where something is at the path already.
    """
    writer = SampleWriter(path)
    writer.append(samples)
    writer.finish()


def load_samples(path: Path | str, like: Params | None = None) -> Samples:
    """Samples from a whole store; params are nested dicts by path, or shaped like `like`.

    Raises: StoreError where the store is missing, unfinished, or of another network than `like`.
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
        found = xr.open_dataset(path, group=_STATS, engine="zarr", consolidated=False)
        stats = {str(name): found[name].values for name in found.data_vars}
    return Samples(_trees.rebuild(leaves, like), stats)


def is_whole(path: Path | str) -> bool:
    """Whether a store is there and was finished."""
    import zarr

    if not Path(path).exists():
        return False
    try:
        return bool(zarr.open_group(path, mode="r").attrs.get("complete", False))
    except (FileNotFoundError, ValueError):
        return False


def delete_unfinished(path: Path | str) -> None:
    """Remove what an interrupted run left; a whole store stays."""
    if Path(path).exists() and not is_whole(path):
        shutil.rmtree(path)


def _check_whole(path: Path) -> None:
    if not path.exists():
        raise StoreError(f"A sample store was expected at {path}. There is none. Sample first.")
    if not is_whole(path):
        raise StoreError(
            f"A sample store must be finished before it is read. Got {path}, which an interrupted "
            "run left half-written. Resume the run, or delete the store and sample again."
        )


def _check_network(path: Path, leaves: dict[str, np.ndarray], like: Params) -> None:
    expected = {name: tuple(np.shape(leaf)) for name, leaf in _trees.named_leaves(like).items()}
    found = {name: leaf.shape[2:] for name, leaf in leaves.items()}
    if found != expected:
        raise StoreError(
            f"A sample store must be of the network at hand, {expected}. "
            f"Got {found} in {path}. Was it drawn with another config?"
        )
