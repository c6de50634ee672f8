"""from_mile: the folders of npz files that MILE writes as Samples.

Source: `save_position` and `load_samples_from_dir` of https://github.com/EmanuelSommer/MILE, the
code of Sommer et al. (2025), arXiv 2502.06335.
"""

from pathlib import Path

import numpy as np

from onebasin import _trees
from onebasin.interchange.leaves import tree_of, unreadable
from onebasin.interchange.state_dict_files import natural
from onebasin.samples import Samples
from onebasin.store.errors import StoreError
from onebasin.types import Params


def from_mile(folder: Path | str, like: Params | None = None) -> Samples:
    """The draws of an experiment of MILE: `samples/CHAIN/sample_NUMBER.npz`.

    Params are nested dicts, as Flax has them. MILE's pickled `tree` and `info.pkl` are not read.
    Chains and draws are in the order of their numbers.

    Args:
        folder: The folder of the experiment, or its `samples` or `sampling_warmup` folder.
        like: Params of one network, whose shape the params get. Default: nested dicts.

    Raises:
        ValueError: If draws differ in names or shapes, or chains in length. It is a `StoreError` if
            there are none, or a file is damaged.

    Examples:
        >>> from pathlib import Path
        >>> for chain in range(2):
        ...     for draw in (0, 10):
        ...         file = Path("results/samples") / str(chain) / f"sample_{draw}.npz"
        ...         file.parent.mkdir(parents=True, exist_ok=True)
        ...         np.savez(file, **{"fcn.layer0.kernel": np.ones((3, 4))})
        >>> ob.interchange.from_mile("results").params["fcn"]["layer0"]["kernel"].shape
        (2, 2, 3, 4)
    """
    top = Path(folder)
    top = top / "samples" if (top / "samples").is_dir() else top
    chains = [path for path in sorted(top.glob("*"), key=natural) if path.is_dir()]
    files = [sorted(chain.glob("*.npz"), key=natural) for chain in chains]
    if not files or not files[0]:
        raise StoreError(
            "Draws of MILE must be in folders of npz files, CHAIN/sample_0.npz. Got none in "
            f"{top}. Pass the folder of the experiment."
        )
    lengths = [len(chain) for chain in files]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"All chains must have as many draws. Got {dict(zip(chains, lengths, strict=True))}. "
            "Delete the files of the longer ones, or go on with the others."
        )
    draws = [[_read(file) for file in chain] for chain in files]
    first = draws[0][0]
    for chain, own in zip(files, draws, strict=True):
        for file, draw in zip(chain, own, strict=True):
            _check_same(file, draw, files[0][0], first)
    stack = lambda name: np.stack([np.stack([draw[name] for draw in own]) for own in draws])
    return Samples(tree_of({name: stack(name) for name in first}, like))


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # whatever zipfile and NumPy say about damaged bytes
        raise unreadable(path, "npz", error) from error


def _check_same(
    path: Path, draw: dict[str, np.ndarray], first_path: Path, first: dict[str, np.ndarray]
) -> None:
    """Raise ValueError unless a draw has the names and shapes of the first."""
    if draw.keys() != first.keys():
        raise ValueError(
            f"All draws must have the arrays of the first, {first_path}. "
            f"{_trees.difference(draw, first)} This is at {path}."
        )
    for name, leaf in draw.items():
        if leaf.shape != first[name].shape:
            raise ValueError(
                f"All draws must have arrays of one shape, {first[name].shape} in {name!r}, as at "
                f"{first_path}. Got {leaf.shape} at {path}."
            )
