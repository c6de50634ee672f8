"""Trained networks of PyTorch on disk that are merged into one, and the scores of all of them."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from onebasin import _trees
from onebasin._collections import COUNTER, statistics_in
from onebasin.adapters.pytorch import params_of
from onebasin.cli.named_torch import as_function, example_input, named_module
from onebasin.cli.trained import Parts, as_network, load_into, trained_on
from onebasin.interchange.state_dict_files import state_dict_files
from onebasin.merging.arguments import data_of, shares_of
from onebasin.merging.merge import Merged, merge
from onebasin.merging.rounds import weighted_mean
from onebasin.merging.same_function import check_same_functions
from onebasin.networks.network import Network
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.discovery.find import find_symmetry
from onebasin.types import Params


class Parents(NamedTuple):
    """The networks that are merged.

    Args:
        files: The file of each.
        module_name: The name of what makes their module.
        module: The module, with the tensors of the first network.
        params: The params of each.
        shares: The share of each in the mean. They sum to 1.
    """

    files: list[Path]
    module_name: str
    module: Any
    params: list[Params]
    shares: np.ndarray

    @property
    def names(self) -> list[str]:
        """What tables call the networks: the names of files, whole paths if two are the same."""
        names = [file.name for file in self.files]
        return names if len(set(names)) == len(names) else list(map(str, self.files))

    @property
    def has_statistics(self) -> bool:
        """Whether the networks have running statistics."""
        return bool(statistics_in(self.params[0]))


def load_parents(
    sources: Sequence[str], module_name: str, weights: Sequence[float] | None
) -> Parents:
    """The networks of files, folders and patterns, in the module that `module_name` makes.

    Raises: ValueError if there are fewer than two, one comes twice, or they do not fit each other
    and the module.
    """
    files = [file for source in sources for file in state_dict_files(source)]
    if len(files) < 2:
        raise ValueError(
            f"merge needs two networks or more. Got {files[0]} alone. Name other state_dicts, or a "
            "folder or a pattern of several."
        )
    if len({file.resolve() for file in files}) < len(files):
        raise ValueError(
            "Each network must be named once. Got a file twice. Count it more by --weights."
        )
    shares = shares_of(weights, len(files))
    module = named_module(module_name)
    params, integers = [], []
    for file in reversed(files):  # the module has the tensors of the first in the end
        load_into(module, file)
        params.insert(0, params_of(module))
        integers.insert(0, _integers(module))
        _check_finite(params[0], file)
    for file, own in zip(files, integers, strict=True):
        _check_same(own, integers[0], file)
    return Parents(files, module_name, module, params, shares)


def _integers(module: Any) -> dict[str, Any]:
    """The integers of a state_dict by name, without counters of batches."""
    return {
        name: tensor.clone()
        for name, tensor in module.state_dict().items()
        if not (tensor.is_floating_point() or tensor.is_complex() or name.endswith(COUNTER))
    }


def _check_same(integers: Mapping[str, Any], first: Mapping[str, Any], file: Path) -> None:
    for name, tensor in integers.items():
        if not tensor.equal(first[name]):
            raise ValueError(
                "All networks must have the same integers, because those have no mean. Got others "
                f"under {name!r} in {file} than in the first. Leave it out."
            )


def _check_finite(params: Params, file: Path) -> None:
    for name, leaf in _trees.named_leaves(params).items():
        if not np.isfinite(leaf).all():
            raise ValueError(
                f"Networks to merge must be finite. Got NaN or infinity in {name!r} of {file}. "
                "Leave it out."
            )


class Result(NamedTuple):
    """A merged network, and the symmetry by which its parents were aligned.

    `scores` are those on the test part by name: of each parent, of the mean without alignment, and
    of the merged network. There are none without data.
    """

    merged: Merged
    symmetry: Symmetry
    scores: dict[str, Mapping[str, float]]

    @property
    def is_classification(self) -> bool:
        """Whether scores are those of classes."""
        return any("accuracy" in scores for scores in self.scores.values())


def merged_without_data(parents: Parents, shape: str) -> Result:
    """The parents aligned and averaged. Running statistics are averaged like weights.

    Each aligned network is checked to compute what it computed before on random inputs.

    Raises: ValueError if the module does not run on inputs of this shape, or a function changes.
    """
    inputs = example_input(shape)
    apply, params = as_function(parents.module, parents.module_name, (inputs,))
    try:
        symmetry = find_symmetry(apply, params, inputs)
    except TypeError as error:
        raise ValueError(str(error)) from None
    with warnings.catch_warnings():
        # The command says it in its own words.
        warnings.filterwarnings("ignore", "The merged network has the mean of its parents'")
        merged = merge(parents.params, symmetry, weights=parents.shares.tolist())
    data = data_of(symmetry, inputs, ["checks of functions"])
    if data is not None:
        check_same_functions(data, parents.params, merged.parents)
    return Result(merged, symmetry, {})


def merged_on(parents: Parents, parts: Parts, num_examples: int, repair: bool) -> Result:
    """The parents merged with the help of the first `num_examples` training examples, and scored.

    Raises: ValueError if the module and the data do not fit each other.
    """
    network = as_network(parents.module, parents.module_name, parts)[0]
    inputs, targets = (part[:num_examples] for part in (parts.train.inputs, parts.train.targets))
    shares = parents.shares.tolist()
    # Scores come first: they check that the outputs fit the targets.
    averaged = weighted_mean(parents.params, parents.shares)
    networks = dict(zip(parents.names, parents.params, strict=True)) | {"averaged": averaged}
    scores = _scores(networks, network, parents.module, parts, inputs)
    merged = merge(
        parents.params, network, weights=shares, inputs=inputs, targets=targets, repair=repair
    )
    scores |= _scores({"merged": merged.params}, network, parents.module, parts, inputs)
    return Result(merged, network.symmetry, scores)


def _scores(
    networks: Mapping[str, Params], network: Network, module: Any, parts: Parts, inputs: np.ndarray
) -> dict[str, Mapping[str, float]]:
    """The scores of each on the test part, with running statistics renewed on the inputs."""
    renew = lambda params, inputs: params
    if network.recalibrate is not None:
        renew = jax.jit(network.recalibrate)
    scores = {}
    for name, params in networks.items():
        renewed = _trees.to_host(renew(params, inputs))
        trained = trained_on(parts, module, network, renewed, num_examples=len(inputs))
        scores[name] = trained.scores(_trees.stack([trained.params]))[0]
    return scores
