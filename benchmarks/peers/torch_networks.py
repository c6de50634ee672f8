"""MLPs of PyTorch from files and back, for the scripts that run in the peers' environments.

A file of a pair holds `a/hidden_0/kernel` (inputs, units), `a/hidden_0/bias`, ..., `a/out/bias`,
and the same for `b`. The file of a result holds `hidden_0/kernel` and so on.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

Align = Callable[[nn.Sequential, nn.Sequential], nn.Module]
"""What aligns a second network to a first."""


def main(align: Align) -> None:
    """`python SCRIPT PAIR RESULT THREADS REPEATS`: align, write the result, print a line of JSON.

    It tells the least seconds of some repeats, each with new networks, and the path of the result.
    """
    pair, result = sys.argv[1:3]
    num_threads, repeats = map(int, sys.argv[3:])
    torch.set_num_threads(num_threads)
    with np.load(pair) as file:
        arrays = dict(file)
    seconds = float("inf")
    for _ in range(repeats):
        torch.manual_seed(0)  # `rebasin` matches layers in random order
        a, b = _network(arrays, "a"), _network(arrays, "b")
        begin = time.perf_counter()
        aligned = align(a, b)
        seconds = min(seconds, time.perf_counter() - begin)
    np.savez(result, **_arrays(aligned))
    print(json.dumps({"seconds": seconds, "threads": num_threads, "result": result}))


def _network(arrays: dict[str, np.ndarray], name: str) -> nn.Sequential:
    """The network of this name, with ReLU between its layers."""
    num_hidden = sum(key.startswith(f"{name}/hidden_") for key in arrays) // 2
    parts: list[nn.Module] = []
    for layer in _layers(num_hidden):
        kernel, bias = (torch.tensor(arrays[f"{name}/{layer}/{key}"]) for key in ("kernel", "bias"))
        linear = nn.Linear(*kernel.shape)
        linear.weight, linear.bias = nn.Parameter(kernel.T.contiguous()), nn.Parameter(bias)
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def _arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """The weights of a network by layer."""
    weights = [one.detach().numpy() for one in network.parameters()]
    kernels, biases = weights[::2], weights[1::2]
    layers = _layers(len(kernels) - 1)
    return {
        **{f"{layer}/kernel": one.T for layer, one in zip(layers, kernels, strict=True)},
        **{f"{layer}/bias": one for layer, one in zip(layers, biases, strict=True)},
    }


def _layers(num_hidden: int) -> list[str]:
    return [*(f"hidden_{index}" for index in range(num_hidden)), "out"]
