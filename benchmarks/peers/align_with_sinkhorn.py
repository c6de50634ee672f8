"""Aligns an MLP with the PyPI package `sinkhorn-rebasin`.

Settings are those of the package's example for MLPs, but for AdamW's epsilon: from the identity, 50
steps at a rate of 0.1 on the L2 distance, then whole permutations. The loss is divided by the
number of weights. Gradients of a network of this size lie below the default epsilon of 1e-8, so
that units would hardly move.

Run in the package's environment, as `torch_networks.main` says.
"""

import torch
from rebasin import RebasinNet
from rebasin.loss.loss import DistL2Loss
from torch import nn
from torch_networks import main

NUM_STEPS, EPSILON = 50, 1e-14


def align(a: nn.Sequential, b: nn.Sequential) -> nn.Module:
    """`b` aligned to `a`."""
    permuted = RebasinNet(b, input_shape=(1, a[0].in_features))
    permuted.identity_init()
    optimizer = torch.optim.AdamW(permuted.p.parameters(), lr=0.1, eps=EPSILON)
    loss = DistL2Loss(a)
    permuted.train()
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        loss(permuted()).backward()
        optimizer.step()
    return permuted.eval()()


if __name__ == "__main__":
    main(align)
