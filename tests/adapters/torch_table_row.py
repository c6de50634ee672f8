"""A row of the table of PyTorch modules: what is expected of one module."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

Units = int | tuple[int, ...]
"""A group by its number of units; with those nested in it behind: (2, 4, 4)."""


class Row(NamedTuple):
    """A module, its inputs, and its groups, worked out by hand.

    - `groups` are its groups of units.
    - `fixed` is a part of the reason for which other hidden units keep their order.
    - `refused` is a part of the line with which from_torch refuses the module.
    - `note` says what a reader of the page may wonder about.
    - `mode` is the mode in which the module is called: eval or train.
    """

    name: str
    make: Callable[[], Any]
    inputs: tuple[torch.Tensor, ...]
    groups: Sequence[Units] = ()
    fixed: str = ""
    refused: str = ""
    note: str = ""
    mode: str = "eval"

    def counted(self) -> Counter[tuple[int, tuple[int, ...]]]:
        """The groups as `trials.groups` writes them."""
        counts: Counter[tuple[int, tuple[int, ...]]] = Counter()
        for units in self.groups:
            outer, *nested = (units,) if isinstance(units, int) else units
            counts[outer, ()] += 1
            for size in nested:
                counts[size, (outer,)] += 1
        return counts


def floats(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Normal numbers, the same each time."""
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return numbers.to(dtype)


def integers(below: int, *shape: int) -> torch.Tensor:
    """Integers from 0 on, the same each time."""
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(5))


class Through(nn.Module):
    """A stream of 8 units: inputs are embedded, parts add to the stream, and it is read out."""

    def __init__(self, *parts: nn.Module, width: int = 8):
        super().__init__()
        self.embed = nn.Linear(3, width)
        self.parts = nn.ModuleList(parts)
        self.out = nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.embed(x)
        for part in self.parts:
            h = h + part(h)
        return self.out(h)


class Apply(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[..., torch.Tensor]):
        super().__init__()
        self.function = function

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        return self.function(*x)
