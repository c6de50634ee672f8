"""One trained network of PyTorch on disk, and the data that it is pruned and scored with."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np

from onebasin.cli.named_torch import as_function, input_shape, named_module
from onebasin.data.dataset import Dataset, Split
from onebasin.data.load import load_dataset
from onebasin.interchange.checkpoints import load_checkpoint
from onebasin.networks.network import Network
from onebasin.networks.own import network
from onebasin.networks.posterior import Posterior, posterior
from onebasin.prediction.predict import predict
from onebasin.types import Params

_NUM_EXAMPLES = 16
"""At how many inputs the module is tried."""


class Parts(NamedTuple):
    """The three parts of a data set, in the shapes and units that a module takes.

    Each has `inputs` and `targets`. `target_mean` and `target_std` are those of `Dataset`.
    """

    is_classification: bool
    train: Any
    validation: Any
    test: Any
    target_mean: float
    target_std: float


class Trained(NamedTuple):
    """A trained network: its module, params, and posterior on some training examples."""

    module: Any
    params: Params
    posterior: Posterior
    parts: Parts

    def scores(self, copies: Params) -> list[Mapping[str, float]]:
        """The scores on the test part of each of the params that are stacked in `copies`."""
        parts = self.parts
        units = (parts.target_mean, parts.target_std)
        found = predict(self.posterior, copies, parts.test.inputs, *units, recalibrates=False)
        targets = parts.test.targets
        if not parts.is_classification:
            targets = targets * parts.target_std + parts.target_mean
        return [found.take(np.array([row])).scores(targets) for row in range(found.num_draws)]


def load_parts(name: str, shape: str | None, seed: int, is_raw: bool) -> Parts:
    """A data set by name or path, in the units of `load_dataset`, or as it is if it `is_raw`.

    `shape` is that of an input, batch first. Without one, an input is a row of features.

    Raises: ValueError if there are no such data, or inputs do not have as many features.
    """
    data = load_dataset(name, seed=seed, standardize=False if is_raw else None)
    raw = lambda part: part.targets * data.target_std + data.target_mean
    is_regression = data.task == "regression"
    if is_raw and is_regression:
        targets = [raw(part).astype(np.float32) for part in _parts_of(data)]
        units = (0.0, 1.0)
    else:
        targets = [part.targets for part in _parts_of(data)]
        units = (data.target_mean, data.target_std)
    inputs = [_shaped(part.inputs, shape) for part in _parts_of(data)]
    train, validation, test = (
        SimpleNamespace(inputs=x, targets=y) for x, y in zip(inputs, targets, strict=True)
    )
    return Parts(not is_regression, train, validation, test, *units)


def _parts_of(data: Dataset) -> tuple[Split, Split, Split]:
    return data.train, data.validation, data.test


def _shaped(inputs: np.ndarray, shape: str | None) -> np.ndarray:
    """Rows of features in the shape of a module's inputs."""
    if shape is None:
        return inputs
    dtype, sizes = input_shape(shape)
    if math.prod(sizes[1:]) != inputs.shape[1]:
        raise ValueError(
            "--input must have as many numbers, behind the batch, as the data have features, "
            f"{inputs.shape[1]}. Got {shape}, which has {math.prod(sizes[1:])}. Mend --input, for "
            f"example 1,{inputs.shape[1]}."
        )
    return inputs.reshape(-1, *sizes[1:]).astype(dtype)


def load_trained(
    model: Path, name: str, parts: Parts, prior_std: float, num_examples: int
) -> Trained:
    """The network of a state_dict and of the module that `name` makes, on some data.

    Raises: ValueError if the checkpoint, the module and the data do not fit each other.
    """
    module = named_module(name)
    load_into(module, model)
    _check_buffers(module)
    found, params = as_network(module, name, parts)
    return trained_on(parts, module, found, params, prior_std, num_examples)


def load_into(module: Any, path: Path) -> None:
    """Load a checkpoint into a module. Raises: ValueError if it does not fit or PyTorch lacks."""
    try:
        load_checkpoint(path, module)
    except (TypeError, ImportError) as error:
        raise ValueError(str(error)) from None


def as_network(module: Any, name: str, parts: Parts) -> tuple[Network, Params]:
    """A module, which is called `name` in messages, as a network, and its params.

    Raises: ValueError if the module does not take inputs of the data.
    """
    few = parts.train.inputs[:_NUM_EXAMPLES]
    apply, params = as_function(module, name, (few,))
    try:
        return network(apply, params, few), params
    except TypeError as error:
        raise ValueError(str(error)) from None


def trained_on(
    parts: Parts,
    module: Any,
    found: Network,
    params: Params,
    prior_std: float = 1.0,
    num_examples: int = _NUM_EXAMPLES,
) -> Trained:
    """A network at its params, with its posterior on some data.

    The posterior is that of the first `num_examples` training examples. Its prior is wider, so that
    prior and likelihood weigh as they do on all of them.

    Raises: ValueError if the outputs do not fit the targets.
    """
    train: Any = SimpleNamespace(
        inputs=parts.train.inputs[:num_examples], targets=parts.train.targets[:num_examples]
    )
    wider = math.sqrt(len(parts.train.targets) / len(train.targets))
    likelihood = "categorical" if parts.is_classification else "gaussian"
    noise_std = "inferred" if parts.is_classification else _rmse(found.apply, params, parts)
    try:
        whole = posterior(
            found, train, likelihood=likelihood, prior_std=prior_std * wider, noise_std=noise_std
        )
    except TypeError as error:
        raise ValueError(str(error)) from None
    return Trained(module, params, whole, parts)


def _rmse(apply: Callable[..., Any], params: Params, parts: Parts) -> float:
    """The error on the validation part, in the unit of the module's outputs."""
    outputs = np.asarray(jax.jit(apply)(params, parts.validation.inputs))
    return float(np.sqrt(np.mean((outputs.reshape(-1) - parts.validation.targets) ** 2)))


def _check_buffers(module: Any) -> None:
    """Raise ValueError if some tensor of floating point is neither a parameter nor a statistic."""
    parameters = dict(module.named_parameters())
    others = [
        name
        for name, tensor in module.state_dict().items()
        if tensor.is_floating_point()
        and name not in parameters
        and not name.endswith(("running_mean", "running_var"))
    ]
    if others:
        raise ValueError(
            "Every tensor of floating point in a checkpoint must be a parameter of the module or a "
            f"running statistic, because all others would be pruned. Got the buffer {others[0]!r}. "
            "Register it with persistent=False, and take it out of the checkpoint."
        )
