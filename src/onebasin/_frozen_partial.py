"""FrozenPartial: a function with its first arguments fixed, which compares and pickles by them."""

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any


@dataclasses.dataclass(frozen=True, init=False)
class FrozenPartial:
    """`functools.partial` that is equal to another one of the same function and arguments.

    Programs of JAX are compiled once for functions that compare equal. Closures never do, and do
    not pickle.

    Args:
        function: A function of a module. One that is made inside of another does not pickle.
        arguments: Its first arguments, which must hash.
    """

    function: Callable[..., Any]
    arguments: tuple[Hashable, ...]

    def __init__(self, function: Callable[..., Any], *arguments: Hashable):
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "arguments", arguments)

    def __call__(self, *more: Any) -> Any:
        """The function of the fixed arguments and these."""
        return self.function(*self.arguments, *more)
