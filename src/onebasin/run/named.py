"""Functions and networks of the user, from the name of a Python function such as `my_nets:make`."""

import hashlib
import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from onebasin._words import did_you_mean
from onebasin.networks.network import Network
from onebasin.networks.own import network


def named_network(name: str) -> tuple[Callable[..., Any], Any, tuple[Any, ...]]:
    """The result of `MODULE:FUNCTION`: `apply, params, *inputs`, as arrays or shapes.

    Raises: ValueError if the name is not MODULE:FUNCTION, if there is no such function, or if it
    returns something else.
    """
    function = named_object(name, "network", "MODULE:FUNCTION", "my_nets:resnet")
    found = function()
    if not isinstance(found, tuple) or len(found) < 2 or not callable(found[0]):
        raise ValueError(
            f"{name} must return apply, params and the inputs that apply takes. "
            f"Got {type(found).__name__}."
        )
    apply, params, *inputs = found
    return apply, params, tuple(inputs)


def own_network(name: str) -> Network:
    """The network of `MODULE:FUNCTION`, which returns a `Network`, or `apply, params, inputs`.

    Raises: ValueError as `named_network`, and if `apply` does not give an output for each input.
    """
    found = named_object(name, "network", "MODULE:FUNCTION", "my_nets:resnet")()
    if isinstance(found, Network):
        return found
    if not isinstance(found, tuple) or len(found) != 3 or not callable(found[0]):
        raise ValueError(
            f"{name} must return a Network, or apply, params and inputs. "
            f"Got {type(found).__name__}. Return ob.network(apply, params, inputs)."
        )
    return network(*found)


def network_sha256(found: Network, num_features: int) -> str:
    """The SHA-256 of what a network computes from its weights and a batch of inputs.

    It is that of its jaxpr. Numbers that the function holds itself are not in it.
    """
    inputs = jax.ShapeDtypeStruct((2, num_features), "float32")
    params = jax.eval_shape(found.init, jax.random.key(0))
    text = re.sub("0x[0-9a-f]+", "", str(jax.make_jaxpr(found.apply)(params, inputs)))
    return hashlib.sha256(text.encode()).hexdigest()


def named_object(name: str, what: str, form: str, example: str) -> Callable[..., Any]:
    """The function or class `MODULE:NAME`. Modules may also be in the working directory.

    Raises: ValueError if the name has another form, or there is no such function or class.
    """
    module_name, colon, object_name = name.partition(":")
    if not (module_name and colon and object_name):
        raise ValueError(f"Expected {form} for a {what}, for example {example}. Got {name!r}.")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The module of {name!r} must be importable from here. Got: {error}."
        ) from None
    found = getattr(module, object_name, None)
    if not callable(found):
        hint = did_you_mean(object_name, dir(module))
        kind = form.partition(":")[2].lower()
        raise ValueError(f"{module_name} must have a {kind} {object_name!r}.{hint}")
    return found
