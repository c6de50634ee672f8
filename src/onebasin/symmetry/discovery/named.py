"""named_network: a function with its params and inputs, by the name of what makes them."""

import difflib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def named_network(name: str) -> tuple[Callable[..., Any], Any, tuple[Any, ...]]:
    """What `MODULE:FUNCTION` returns: `apply, params, *inputs`, arrays or their shapes.

    Modules are looked for in the working directory as well.

    Raises: ValueError for a name that is not MODULE:FUNCTION, names nothing or returns something
    else.
    """
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise ValueError(f"A network is named MODULE:FUNCTION. Got {name!r}, not my_nets:resnet.")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The module of {name!r} must be importable from here. Got: {error}."
        ) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        near = difflib.get_close_matches(function_name, dir(module), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{module_name} must have a function {function_name!r}.{hint}")
    found = function()
    if not isinstance(found, tuple) or len(found) < 2 or not callable(found[0]):
        raise ValueError(
            f"{name} must return apply, params and the inputs that apply takes. "
            f"Got {type(found).__name__}."
        )
    apply, params, *inputs = found
    return apply, params, tuple(inputs)
