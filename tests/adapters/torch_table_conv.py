"""Rows: convolutions, pools, image networks, modes of Fourier, patches."""

import torch
from torch import nn
from torch.nn import functional
from torch_modules import Block, ConvNet
from torch_table_row import Apply, Row, floats

CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
IMAGES = floats(2, 3, 8, 8)


def places(dimensions):
    return floats(2, 2, *[6] * dimensions)


def between(dimensions, channels, *layers, out=None):
    """Layers between a convolution with so many channels and one that reads `out` of them."""
    conv = CONV[dimensions - 1]
    return nn.Sequential(
        conv(2, channels, 1), nn.ReLU(), *layers, nn.ReLU(), conv(out or channels, 3, 1)
    )


def convolutions(dimensions):
    """Rows of all kinds of convolutions in some dimensions."""
    conv, transposed = CONV[dimensions - 1], TRANSPOSED[dimensions - 1]
    pad = {"padding": 1}
    kinds = [
        (
            "convolution",
            lambda: between(dimensions, 4, conv(4, 5, 3, stride=2, **pad), out=5),
            [4, 5],
        ),
        ("dilated", lambda: between(dimensions, 4, conv(4, 5, 2, dilation=2), out=5), [4, 5]),
        ("depthwise", lambda: between(dimensions, 4, conv(4, 4, 3, groups=4)), [4]),
        (
            "depthwise, two for each channel",
            lambda: between(dimensions, 4, conv(4, 8, 3, groups=4), out=8),
            [(4, 2)],
        ),
        ("grouped", lambda: between(dimensions, 4, conv(4, 6, 3, groups=2), out=6), [(2, 2, 3)]),
        (
            "transposed",
            lambda: between(
                dimensions, 4, transposed(4, 5, 3, stride=2, output_padding=1, **pad), out=5
            ),
            [4, 5],
        ),
        (
            "transposed, grouped",
            lambda: between(dimensions, 4, transposed(4, 6, 3, stride=2, groups=2), out=6),
            [(2, 2, 3)],
        ),
        (
            "transposed, depthwise, dilated",
            lambda: between(dimensions, 4, transposed(4, 4, 2, dilation=2, groups=4)),
            [4],
        ),
        (
            "circular padding",
            lambda: between(
                dimensions, 4, conv(4, 5, 3, padding=1, padding_mode="circular"), out=5
            ),
            [4, 5],
        ),
    ]
    shape = (places(dimensions),)
    return [Row(f"{kind}, {dimensions}D", make, shape, groups) for kind, make, groups in kinds]


def pools(dimensions):
    """Rows of pools in some dimensions."""
    kinds = {
        "MaxPool": {"kernel_size": 3, "stride": 2, "padding": 1},
        "AvgPool": {"kernel_size": 3, "stride": 2, "padding": 1},
        "AdaptiveAvgPool": {"output_size": 3},
        "AdaptiveMaxPool": {"output_size": 3},
    }

    def row(kind, options):
        pool = getattr(nn, f"{kind}{dimensions}d")
        make = lambda: between(dimensions, 5, pool(**options))
        return Row(f"{kind}{dimensions}d", make, (places(dimensions),), [5])

    return [row(kind, options) for kind, options in kinds.items()]


class ResNet(nn.Module):
    """A block behind which the stream is added as it is, and one with a convolution of it."""

    def __init__(self):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.blocks = nn.Sequential(Block(4, 4, 1), Block(4, 6, 2))
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        x = self.blocks(torch.relu(self.bn(self.stem(x))))
        return self.out(x.mean((2, 3)))


class PaddedShortcut(nn.Module):
    """Two channels of zeros are put behind the four of the stream."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.out = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        h = torch.relu(self.stem(x))
        shortcut = functional.pad(h[:, :, ::2, ::2], (0, 0, 0, 0, 0, 2))
        return self.out(torch.relu(self.conv(h) + shortcut))


class DenseNet(nn.Module):
    """Every layer reads all channels before it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (4, 7, 10))
        self.convs = nn.ModuleList(
            [nn.Conv2d(4, 3, 3, padding=1), nn.Conv2d(7, 3, 3, padding=1), nn.Conv2d(10, 2, 1)]
        )

    def forward(self, x):
        features = [self.stem(x)]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            features.append(conv(torch.relu(norm(torch.cat(features, 1)))))
        return features[-1]


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.deep = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.up = nn.ConvTranspose2d(6, 3, 2, stride=2)
        self.merge, self.out = nn.Conv2d(7, 5, 3, padding=1), nn.Conv2d(5, 2, 1)

    def forward(self, x):
        high = torch.relu(self.down(x))
        low = torch.relu(self.deep(functional.max_pool2d(high, 2)))
        both = torch.cat([self.up(low), high], 1)
        return self.out(torch.relu(self.merge(both)))


def vgg():
    conv = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    dense = lambda i, o: [nn.Linear(i, o), nn.ReLU(), nn.Dropout()]
    layers = [*conv(3, 4), *conv(4, 6), nn.Flatten(), *dense(24, 8), *dense(8, 7)]
    return nn.Sequential(*layers, nn.Linear(7, 2))


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 2, 1)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 1), nn.Sigmoid()
        )

    def forward(self, x):
        h = torch.relu(self.conv(x))
        return self.out(h * self.gate(h))


def shuffled(x):
    """The channels of two halves, interleaved."""
    halves = x.unflatten(1, (2, x.shape[1] // 2))
    return halves.transpose(1, 2).flatten(1, 2)


class ShuffleNet(nn.Module):
    """Half of the channels pass through a branch; then halves are interleaved."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.branch = nn.Sequential(
            nn.Conv2d(4, 4, 1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
        )
        self.last, self.out = nn.Conv2d(8, 5, 1), nn.Conv2d(5, 2, 1)

    def forward(self, x):
        kept, changed = torch.relu(self.stem(x)).chunk(2, 1)
        h = shuffled(torch.cat([kept, self.branch(changed)], 1))
        return self.out(torch.relu(self.last(h)))


class Patches(nn.Module):
    """unfold, a layer over patches, and fold."""

    def __init__(self):
        super().__init__()
        self.conv, self.hidden = nn.Conv2d(3, 4, 1), nn.Linear(36, 6)
        self.back, self.out = nn.Linear(6, 45), nn.Conv2d(5, 2, 1)

    def forward(self, x):
        patches = functional.unfold(self.conv(x), 3, padding=1).transpose(1, 2)
        patches = self.back(torch.relu(self.hidden(patches))).transpose(1, 2)
        return self.out(torch.relu(functional.fold(patches, x.shape[-2:], 3, padding=1)))


CONVOLUTIONS = [row for dimensions in (1, 2, 3) for row in convolutions(dimensions)]
POOLS = [row for dimensions in (1, 2, 3) for row in pools(dimensions)]
IMAGE_NETWORKS = [
    Row("CNN with BatchNorm", ConvNet, (floats(2, 3, 16, 16),), [6, 8, 12]),
    Row("ResNet with both shortcuts", ResNet, (IMAGES,), [4, 4, 6, 6]),
    Row("shortcut that pads channels", PaddedShortcut, (IMAGES,), [4, 2]),
    Row("DenseNet", DenseNet, (IMAGES,), [4, 3, 3]),
    Row("U-Net", UNet, (IMAGES,), [4, 6, 3, 5]),
    Row("VGG with three dense layers", vgg, (IMAGES,), [4, 6, 8, 7]),
    Row("squeeze-excite", SqueezeExcite, (IMAGES,), [6, 4]),
    Row(
        "ShuffleNet block",
        ShuffleNet,
        (IMAGES,),
        [4, 4, 4, 5],
        note="channels that the shuffle puts side by side move together",
    ),
    Row(
        "channel shuffle",
        lambda: between(2, 6, Apply(shuffled)),
        (places(2),),
        [(2, 3)],
        note="an axis that is read in another order of two factors moves by these factors",
    ),
    Row(
        "PixelShuffle",
        lambda: between(2, 16, nn.PixelShuffle(2), out=4),
        (places(2),),
        [4],
        note="the channels of one pixel move together",
    ),
    Row("unfold and fold", Patches, (IMAGES,), [4, 6, 5]),
]
