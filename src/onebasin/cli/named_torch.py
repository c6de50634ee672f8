"""PyTorch modules from the name of a Python class or function, and as functions of params."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from onebasin.adapters.pytorch import from_torch
from onebasin.networks.network import Network
from onebasin.networks.own import network
from onebasin.run.named import named_object
from onebasin.types import Params

_INTEGERS = "int:"


def named_torch(
    name: str, shapes: Sequence[str]
) -> tuple[Callable[..., Any], Params, tuple[np.ndarray, ...]]:
    """The result of `from_torch` for the module that `MODULE:CLASS()` makes, and its inputs.

    A shape is a list of sizes: `1,3,32,32` for random numbers, or `int:1,16` for zeros, which are
    tokens of any vocabulary. The module is put in evaluation mode. Python modules may also be in
    the working directory.

    Raises: ValueError if the name or a shape is not valid, or the module does not run on the
    inputs.
    """
    inputs = tuple(example_input(shape) for shape in shapes)
    return *as_function(named_module(name), name, inputs), inputs


def torch_network(module: Any, name: str, shape: str) -> Network:
    """The network of a module that takes inputs of a shape; `name` is what messages call it.

    Raises: ValueError if the shape is not valid, or the module does not run on the inputs.
    """
    example = example_input(shape)
    apply, params = as_function(module, name, (example,))
    return network(apply, params, example)


def as_function(
    module: Any, name: str, inputs: Sequence[np.ndarray]
) -> tuple[Callable[..., Any], Params]:
    """The result of `from_torch` for a module, which is called `name` in messages.

    Raises: ValueError if the module does not run on the inputs.
    """
    try:
        return from_torch(module, *inputs)
    except (ValueError, ImportError) as error:
        raise ValueError(str(error)) from None
    except Exception as error:
        shapes = " and ".join(",".join(map(str, np.shape(each))) for each in inputs)
        raise ValueError(
            f"{name} must run on inputs of shapes {shapes}. Got {type(error).__name__}: {error}"
        ) from error


def input_shape(text: str) -> tuple[type[np.generic], list[int]]:
    """The dtype and the sizes that `1,3,32,32` or `int:1,16` names.

    Raises: ValueError if it is no shape.
    """
    if not re.fullmatch(rf"({_INTEGERS})?[1-9]\d*(,[1-9]\d*)*", text):
        raise ValueError(
            "Expected sizes with commas, for example 1,3,32,32 or int:1,16, for an input. "
            f"Got {text!r}."
        )
    sizes = [int(size) for size in text.removeprefix(_INTEGERS).split(",")]
    return (np.int64 if text.startswith(_INTEGERS) else np.float32), sizes


def example_input(shape: str) -> np.ndarray:
    """Random numbers of a shape such as `1,3,32,32`, or zeros for one such as `int:1,16`.

    Raises: ValueError if it is no shape.
    """
    dtype, sizes = input_shape(shape)
    if dtype is np.int64:
        return np.zeros(sizes, np.int64)
    return np.random.default_rng(0).normal(size=sizes).astype(np.float32)


def named_module(name: str) -> Any:
    """The PyTorch module that `MODULE:CLASS()` makes, in evaluation mode.

    Raises: ValueError if the name is not valid, or it makes no module without arguments.
    """
    make = named_object(name, "module", "MODULE:CLASS", "my_nets:ResNet")
    try:
        module = make()
    except TypeError as error:
        raise ValueError(
            f"{name} must make a module when it is called without arguments. Got: {error}. "
            "Name a function that calls it with them."
        ) from None
    if not callable(getattr(module, "eval", None)):
        raise ValueError(f"{name} must make a torch.nn.Module. Got {type(module).__name__}.")
    return module.eval()
