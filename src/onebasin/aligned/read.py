"""read_draws: draws from files, whose format is told by what is there, as draws of one network."""

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import (
    LIKELIHOOD,
    PRIOR,
    has_collections,
    of_network,
    without_statistics,
)
from onebasin.aligned.results import DrawsRead, Format
from onebasin.interchange import from_arviz, from_mile, from_state_dicts
from onebasin.interchange.leaves import tree_of
from onebasin.interchange.state_dict_files import natural, state_dict_files
from onebasin.samples import Samples
from onebasin.store.commits import is_of_others
from onebasin.store.errors import StoreError
from onebasin.types import Params

_HEADS = {b"\x89HDF": "a netCDF file", b"CDF\x01": "a netCDF file", b"CDF\x02": "a netCDF file"}
_CHECKPOINTS = (".pt", ".pth", ".bin", ".safetensors", ".safetensors.index.json")
_PICKLES = (".pkl", ".pickle", ".ckpt", ".joblib", ".dill")
_WORDS: dict[Format, str] = {
    "arviz": "draws in ArviZ's schema",
    "onebasin": "a sample store of onebasin",
    "mile": "a folder of npz files by MILE",
    "state_dicts": "checkpoints (state_dicts)",
}
_NOISE = "log_noise_std"


class Draws(NamedTuple):
    """Draws of a network's weights, what is known of the noise, and where they are from.

    Args:
        samples: The weights, shaped as the network's params.
        noise_std: The std of the noise of each draw, if the draws hold it.
        read: The format, and how many there are.
    """

    samples: Samples
    noise_std: Float[np.ndarray, "chain draw"] | None
    read: DrawsRead


def read_draws(
    sources: Sequence[str],
    like: Params,
    *,
    module: Any = None,
    names: Sequence[str] = (),
    num_chains: int | None = None,
    noise: str | None = None,
) -> Draws:
    """The draws of files of one format, in the order of the sources.

    Stores and folders of draws are joined along chains. Every checkpoint is a chain of its own,
    unless `num_chains` says how many chains all of them are of.

    Args:
        sources: Paths of files or folders, or patterns for `glob`.
        like: Params of the network, whose shape the draws get.
        module: The PyTorch module of checkpoints, if it is known.
        names: The variables to take, or with ~ in front to leave out.
        num_chains: For checkpoints: how many chains they are of.
        noise: The variable that holds the std of the noise, which is no weight.

    Raises: ValueError if a path leads to nothing, formats are mixed, or draws do not fit the
    network.
    """
    paths = _expanded(sources)
    kind = _common_format(paths)
    if num_chains is not None and kind != "state_dicts":
        raise ValueError(
            f"--chains is for checkpoints. Got {_WORDS[kind]}, which has its own chains. "
            "Leave it out."
        )
    if (names or noise) and kind not in ("arviz", "onebasin"):
        raise ValueError(
            f"--names and a variable as --noise are for stores. Got {_WORDS[kind]}. Leave them out."
        )
    noise_std = None
    if kind == "state_dicts":
        samples = _checkpoints(paths, like, module, num_chains)
    else:
        found = [_one(kind, path, names, noise) for path in paths]
        _check_lengths(paths, found)
        samples, noise_std = _split(_joined(found, axis=0), noise)
    samples = Samples(_fitting(samples.params, like), samples.stats).load()
    num_files = len(paths) if kind != "state_dicts" else samples.num_chains * samples.num_draws
    return Draws(samples, noise_std, _described(kind, num_files, samples, like))


def _described(kind: Format, num_files: int, samples: Samples, like: Params) -> DrawsRead:
    return DrawsRead(
        format=kind,
        source=_WORDS[kind],
        num_files=num_files,
        num_chains=samples.num_chains,
        num_draws=samples.num_draws,
        num_weights=_trees.size(without_statistics(like)),
    )


def _expanded(sources: Sequence[str]) -> list[Path]:
    """The paths, with those that match a pattern in place of it, in natural order."""
    found: list[Path] = []
    for text in sources:
        matches = [Path(text)] if Path(text).exists() else sorted(map(Path, glob.glob(text)))
        if not matches:
            raise StoreError(f"Draws must exist. Got none at {text}. Mend the path or pattern.")
        found += sorted(matches, key=natural)
    return found


def _common_format(paths: Sequence[Path]) -> Format:
    first = _format_of(paths[0])
    for path in paths[1:]:
        kind = _format_of(path)
        if kind != first:
            raise ValueError(
                f"All draws must be of one format. Got {_WORDS[first]} at {paths[0]} and "
                f"{_WORDS[kind]} at {path}. Align them one at a time."
            )
    return first


def _format_of(path: Path) -> Format:
    """The format of what is at a path.

    Raises: StoreError if it is of none.
    """
    if path.is_dir():
        return _format_of_folder(path)
    with path.open("rb") as file:
        if file.read(4) in _HEADS:
            return "arviz"
    if path.name.endswith((*_CHECKPOINTS, *_PICKLES)):  # pickles are refused when they are read
        return "state_dicts"
    raise _unknown(path)


def _format_of_folder(path: Path) -> Format:
    if is_of_others(path):
        return "arviz"
    if (path / "zarr.json").is_file():
        return "onebasin"
    top = path / "samples" if (path / "samples").is_dir() else path
    if any(top.glob("*/*.npz")):
        return "mile"
    if any(file.name.endswith((*_CHECKPOINTS, *_PICKLES)) for file in _two_levels(path)):
        return "state_dicts"
    raise _unknown(path)


def _two_levels(path: Path) -> list[Path]:
    return [*path.glob("*"), *path.glob("*/*")]


def _unknown(path: Path) -> StoreError:
    return StoreError(
        "Draws must be a netCDF file or a Zarr store, a sample store of onebasin, a folder of npz "
        f"files by MILE, or checkpoints ({', '.join(_CHECKPOINTS[:4])}). Got {path}, which is none "
        "of these. Mend the path, or write draws by arviz or ob.save_samples."
    )


def _one(kind: Format, path: Path, names: Sequence[str], noise: str | None) -> Samples:
    """The draws of one path, in nested dicts by their own names."""
    if kind == "mile":
        return from_mile(path)
    taken = [name for name in names if not name.startswith("~")]
    wanted = [*names, noise] if taken and noise and noise not in names else names
    try:
        return from_arviz(path, names=wanted or None)
    except (TypeError, ImportError) as error:
        raise ValueError(f"{path} could not be read: {error}") from None


def _joined(parts: Sequence[Samples], axis: int) -> Samples:
    """Samples joined along chains (axis 0) or draws (axis 1). Statistics are those of all."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    common = [name for name in first.stats if all(name in part.stats for part in parts)]
    trees = [part.params for part in parts]
    names = [_trees.named_leaves(tree).keys() for tree in trees]
    if any(own != names[0] for own in names):
        other = next(own for own in names if own != names[0])
        raise ValueError(
            "All draws must have the same variables. "
            f"{_trees.difference(other, names[0])} Select them with --names."
        )
    join = lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves], axis=axis)
    stats = {name: join(*(part.stats[name] for part in parts)) for name in common}
    return Samples(jax.tree.map(join, *trees), stats)


def _check_lengths(paths: Sequence[Path], parts: Sequence[Samples]) -> None:
    for path, part in zip(paths, parts, strict=True):
        if part.num_draws != parts[0].num_draws:
            raise ValueError(
                f"All chains must have as many draws. Got {parts[0].num_draws} at {paths[0]} and "
                f"{part.num_draws} at {path}. Cut the longer ones, or align them one at a time."
            )


def _checkpoints(
    paths: Sequence[Path], like: Params, module: Any, num_chains: int | None
) -> Samples:
    counts = [len(state_dict_files(path)) for path in paths]
    given = {"module": module} if module is not None else {"like": like}
    try:
        parts = [from_state_dicts(path, **given) for path in paths]
    except (TypeError, ImportError) as error:
        raise ValueError(f"{paths[0]} could not be read: {error}") from None
    total = sum(counts)
    chains = total if num_chains is None else num_chains
    if chains < 1 or total % chains:
        raise ValueError(
            f"All chains must have as many networks. Got {total} checkpoints for {chains} chains. "
            "Pass another number as --chains."
        )
    shaped = lambda leaf: leaf.reshape(chains, total // chains, *leaf.shape[2:])
    return Samples(jax.tree.map(shaped, _joined(parts, axis=1).params))


def _split(
    samples: Samples, noise: str | None
) -> tuple[Samples, Float[np.ndarray, "chain draw"] | None]:
    """The draws of the network alone, and the std of the noise that is among them."""
    params, noise_std = samples.params, None
    if has_collections(params):
        if PRIOR in params:
            raise ValueError(
                "Draws must hold the weights of the network. Got those of a horseshoe, which are "
                "scaled by its prior. Save posterior.network_samples(samples)."
            )
        own = params.get(LIKELIHOOD, {})
        noise_std = np.exp(np.asarray(own[_NOISE])) if _NOISE in own else None
        params = of_network(params)
    if noise is not None:
        leaves = {name.replace("/", "."): name for name in _trees.named_leaves(params)}
        if noise not in leaves:
            raise ValueError(
                f"--noise must be a positive number, or the name of a variable. Got {noise!r}. "
                f"There are: {', '.join(leaves)}."
            )
        found = dict(_trees.named_leaves(params))
        noise_std = np.asarray(found.pop(leaves[noise]))
        noise_std = noise_std.reshape(samples.num_chains, samples.num_draws, -1)[..., 0]
        params = _trees.nest(found)
    return Samples(params, samples.stats), noise_std


def _fitting(params: Params, like: Params) -> Params:
    """The draws shaped as the network's params, which must have their names and shapes."""
    if jax.tree.structure(params) != jax.tree.structure(like):
        wanted = {name.replace("/", ".") for name in _trees.named_leaves(like)}
        found = {n.replace("/", "."): x for n, x in _trees.named_leaves(params).items()}
        _check_names(found, wanted)
        return tree_of(found, like)
    for (name, leaf), other in zip(
        _trees.named_leaves(params).items(), jax.tree.leaves(like), strict=True
    ):
        if np.shape(leaf)[2:] != np.shape(other):
            raise ValueError(
                f"{name!r} must have the shape that it has in the network, {np.shape(other)}. Got "
                f"{np.shape(leaf)[2:]} behind (chain, draw). Are the draws of another network?"
            )
    return params


def _check_names(found: Mapping[str, Any], wanted: set[str]) -> None:
    missing = [name for name in sorted(wanted) if name not in found]
    more = [name for name in found if name not in wanted]
    if missing:
        raise ValueError(
            f"The draws must hold every array of the network. Got none called {missing[0]!r} among "
            f"{', '.join(list(found)[:8])}. Are they of another network, or does --names leave it "
            "out?"
        )
    if more:
        listed = " ".join(f"--names '~{name}'" for name in more)
        raise ValueError(
            f"The draws must hold the arrays of the network alone. Got {', '.join(more)} beside "
            f"them. Leave out what is no weight: {listed}."
        )
