"""named_network: a function with its params and inputs, by the name of what makes them."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onebasin._words import did_you_mean


def named_network(name: str) -> tuple[Callable[..., Any], Any, tuple[Any, ...]]:
    """What `MODULE:FUNCTION` returns: `apply, params, *inputs`, arrays or their shapes.

    Raises: ValueError for a name that is not MODULE:FUNCTION, names nothing or returns something
    else.
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


def named_object(name: str, what: str, form: str, example: str) -> Callable[..., Any]:
    """What is called by `MODULE:NAME`; modules are looked for in the working directory as well.

    Raises: ValueError for a name of another form, or of nothing that can be called.
    """
    module_name, colon, object_name = name.partition(":")
    if not (module_name and colon and object_name):
        raise ValueError(f"A {what} is named {form}. Got {name!r}, not {example}.")
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
