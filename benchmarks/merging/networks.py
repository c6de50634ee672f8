"""PyTorch networks that are merged, and how they are trained. PyTorch is imported here alone."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)


class _Reshaped(nn.Module):
    """What turns rows of pixels into images or sequences."""

    def __init__(self, *shape: int):
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], *self.shape)


class _LSTM(nn.Module):
    """An LSTM over the rows of an image; its last state is read out."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side
        self.lstm = nn.LSTM(side, 64, batch_first=True)
        self.out = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(x.reshape(x.shape[0], self.side, self.side))[0][:, -1])


class _Encoder(nn.Module):
    """A transformer encoder whose tokens are the rows of an image; their mean is read out."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side
        self.embed = nn.Linear(side, 32)
        self.position = nn.Parameter(0.1 * torch.randn(side, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.out = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(x.reshape(x.shape[0], self.side, self.side)) + self.position
        return self.out(self.encoder(tokens).mean(1))


def mlp(inputs: int, *hidden: int) -> nn.Module:
    """Layers of relu units."""
    widths = (inputs, *hidden)
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def cnn(side: int, *, has_norms: bool) -> nn.Module:
    """Three convolutions and a mean over pixels, with BatchNorm or without."""
    widths = (1, 32, 64, 64)
    parts: list[nn.Module] = [_Reshaped(1, side, side)]
    for a, b in pairwise(widths):
        norm = [nn.BatchNorm2d(b)] if has_norms else []
        parts += [nn.Conv2d(a, b, 3, padding=1), *norm, nn.ReLU()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10))


KINDS: dict[str, Callable[[int], nn.Module]] = {
    "MLP": lambda side: mlp(side * side, 256, 256),
    "CNN with BatchNorm": lambda side: cnn(side, has_norms=True),
    "LSTM": _LSTM,
    "transformer encoder": _Encoder,
}


def trained(
    module: nn.Module,
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    seed: int,
    epochs: int,
    batch: int = 64,
    rate: float = 1e-3,
    decay: float = 0.0,
) -> nn.Module:
    """The module in evaluation mode, trained with AdamW, whose rate falls to 0 along a cosine."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.tensor(inputs), torch.tensor(targets, dtype=torch.long)
    steps = epochs * (len(x) // batch)
    optimizer = torch.optim.AdamW(module.parameters(), rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1)
    module.train()
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for rows in order[: len(x) // batch * batch].split(batch):
            optimizer.zero_grad()
            functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return module.eval()
