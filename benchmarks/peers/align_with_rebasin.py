"""Aligns an MLP with the PyPI package `rebasin`, by its own defaults.

Run in the package's environment, as `torch_networks.main` says.
"""

import torch
from rebasin import PermutationCoordinateDescent
from torch import nn
from torch_networks import main


def align(a: nn.Sequential, b: nn.Sequential) -> nn.Sequential:
    """`b` aligned to `a`. The package runs both on an input, to see how layers follow."""
    PermutationCoordinateDescent(a, b, torch.zeros(1, a[0].in_features)).rebasin()
    return b


if __name__ == "__main__":
    main(align)
