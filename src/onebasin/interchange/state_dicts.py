"""from_state_dicts: trained networks of PyTorch, in memory or on disk, as Samples."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onebasin import _trees
from onebasin._arguments import check_count
from onebasin._collections import COUNTER, collected, own_names
from onebasin.adapters.pytorch import params_of
from onebasin.adapters.pytorch_checks import plain_module
from onebasin.interchange.state_dict_files import arrays_of, read_state_dict, state_dict_files
from onebasin.samples import Samples
from onebasin.types import Params

_PARALLEL, _COMPILED = "module.", "_orig_mod."
"""What DataParallel puts before all names of a module, and torch.compile before those of a part."""

_STATISTICS = ("running_mean", "running_var")
"""How the names of PyTorch's running statistics end."""


def from_state_dicts(
    source: Any,
    module: Any = None,
    like: Params | None = None,
    *,
    num_chains: int = 1,
) -> Samples:
    """Trained networks, given by their state_dicts, as draws of one chain.

    Params are those of `from_torch`: a flat dict by PyTorch's names, and with running statistics
    `{"weights": ..., "statistics": ...}`. The prefixes `module.`, if all names have it, and
    `_orig_mod.` are stripped. Counters of batches and other integers are left out.

    Files are taken in the natural order of their names, in which `net-2.pt` is before `net-10.pt`.
    Those of `torch.save` (.pt, .pth, .bin) are read with `weights_only=True`, which runs no code.
    Those of safetensors need no PyTorch; an index of shards stands for them. Other pickles are
    refused.

    Args:
        source: A list of state_dicts, a folder with a file or a folder for each, one file, or a
            pattern for `glob`, such as `"runs/*/last.pt"`.
        module: The PyTorch module that the state_dicts are of. It says which names there must be,
            which are tied, and which are statistics. Default: names of the first state_dict;
            statistics are those that end in `running_mean` or `running_var`.
        like: Params of one network, as `from_torch` gives them, instead of a module.
        num_chains: How many chains the draws are of. The first ones are of the first chain. For an
            ensemble, pass the number of its members.

    Raises:
        ValueError: If names, shapes or dtypes differ between state_dicts, or are not those of
            `module` or `like`, or chains would differ in length. It is a `StoreError` if a file is
            missing, damaged or of another kind.
        ImportError: If PyTorch is missing and a file is one of `torch.save`.

    Examples:
        >>> member = lambda n: {"module.0.weight": np.full((8, 4), 0.5 * n)}
        >>> samples = ob.from_state_dicts([member(n) for n in range(3)])
        >>> samples.params["0.weight"].shape
        (1, 3, 8, 4)
    """
    if module is not None and like is not None:
        raise ValueError("Pass a module or `like`, not both. Got both.")
    check_count("num_chains", num_chains)
    known: set[str] = set()
    if module is not None:
        inner = plain_module(module, "The state_dicts come first.")
        like, known = params_of(inner), set(inner.state_dict())
    paths = {} if like is None else _names_of(like)
    rows = _stacked(_read(source), set(paths.values()), known)
    num_draws = len(next(iter(rows.values())))
    if num_draws % num_chains:
        raise ValueError(
            f"All chains must have as many draws. Got {num_draws} state_dicts for {num_chains} "
            "chains. Pass another num_chains."
        )
    leaves = {
        name: leaf.reshape(num_chains, -1, *leaf.shape[1:]) for name, leaf in sorted(rows.items())
    }
    if like is None:
        is_statistic = lambda name: name.endswith(_STATISTICS)
        return Samples(
            collected(
                {name: leaf for name, leaf in leaves.items() if not is_statistic(name)},
                {name: leaf for name, leaf in leaves.items() if is_statistic(name)},
            )
        )
    _check_shapes(leaves, paths, like)
    return Samples(_trees.rebuild({path: leaves[name] for path, name in paths.items()}, like))


def _read(source: Any) -> Iterable[tuple[str, dict[str, np.ndarray]]]:
    """Every state_dict, with its name for messages. Files are read one by one."""
    if isinstance(source, Path | str):
        return ((str(path), read_state_dict(path)) for path in state_dict_files(source))
    if not isinstance(source, Sequence) or not source:
        got = "none" if isinstance(source, Sequence) else type(source).__name__
        raise ValueError(
            f"from_state_dicts takes a list of state_dicts, a folder or a pattern. Got {got}. For "
            "one module pass [module.state_dict()]."
        )
    names = [f"place {number} of the list" for number in range(len(source))]
    return ((name, arrays_of(one, name)) for name, one in zip(names, source, strict=True))


def _names_of(like: Params) -> dict[str, str]:
    """The name in a state_dict of each leaf of params, by path: without collections, with dots."""
    return {path: name.replace("/", ".") for path, name in own_names(like).items()}


def _stacked(
    state_dicts: Iterable[tuple[str, dict[str, np.ndarray]]], wanted: set[str], known: set[str]
) -> dict[str, np.ndarray]:
    """The arrays of all state_dicts by name, one row for each.

    `wanted` are the names that each must have; if there are none, those of the first. Of the names
    in `known`, the others are left out.
    """
    rows: dict[str, list[np.ndarray]] = {}
    first = ""
    for where, arrays in state_dicts:
        own = _weights(arrays, wanted, known)
        if not rows:
            first, rows = where, {name: [] for name in wanted or own}
        if own.keys() != rows.keys():
            raise ValueError(
                "All state_dicts must have the same tensors"
                f"{' as the module' if wanted else f' as the first, {first}'}. "
                f"{_trees.difference(own, rows)} This is at {where}."
            )
        for name, leaf in own.items():
            kinds = [(each.shape, str(each.dtype)) for each in (leaf, *rows[name][:1])]
            if kinds[0] != kinds[-1]:
                raise ValueError(
                    f"All state_dicts must have tensors of one shape and dtype, {kinds[-1]} in "
                    f"{name!r}, as at {first}. Got {kinds[0]} at {where}. Leave it out."
                )
            rows[name].append(leaf)
    if not rows:
        raise ValueError("A state_dict must have a tensor of real numbers. Got none.")
    return {name: np.stack(leaves) for name, leaves in rows.items()}


def _weights(
    arrays: Mapping[str, np.ndarray], wanted: set[str], known: set[str]
) -> dict[str, np.ndarray]:
    """The floating-point arrays of a state_dict by their names in the module, without counters."""
    named = arrays if wanted & arrays.keys() else stripped(arrays)
    return {
        name: leaf
        for name, leaf in named.items()
        if not name.endswith(COUNTER)
        and leaf.dtype.kind not in "biu"
        and (name in wanted or name not in known)
    }


def stripped(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays without the prefixes of wrapped modules."""
    named = {name.replace(_COMPILED, ""): leaf for name, leaf in arrays.items()}
    while named and all(name.startswith(_PARALLEL) for name in named):
        named = {name.removeprefix(_PARALLEL): leaf for name, leaf in named.items()}
    return named


def _check_shapes(leaves: Mapping[str, np.ndarray], paths: Mapping[str, str], like: Params) -> None:
    for path, leaf in _trees.named_leaves(like).items():
        got = leaves[paths[path]].shape[2:]
        if got != np.shape(leaf):
            raise ValueError(
                f"{paths[path]!r} must have the shape that it has in the network, "
                f"{np.shape(leaf)}. Got {got}. Are the state_dicts of another network?"
            )
