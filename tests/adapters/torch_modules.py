"""Five networks as PyTorch's users write them, small, with random weights and statistics."""

import torch
from torch import nn
from torch.nn import functional


class ConvNet(nn.Module):
    """Two convolutions with BatchNorm; features of each channel are flattened together."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AvgPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(8 * 4 * 4, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 10)
        )

    def forward(self, x):
        return self.head(self.features(x))


class Block(nn.Module):
    """Two convolutions around which a shortcut leads, with a convolution where sizes change."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        hidden = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x))


class ResNet20(nn.Module):
    """Three stages of three blocks, as for CIFAR-10."""

    def __init__(self, width=16):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        stages, inputs = [], width
        for number in range(3):
            outputs = width * 2**number
            strides = (1 if number == 0 else 2, 1, 1)
            for stride in strides:
                stages.append(Block(inputs, outputs, stride))
                inputs = outputs
        self.blocks = nn.Sequential(*stages)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        x = self.blocks(functional.relu(self.bn(self.conv(x))))
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Transformer(nn.Module):
    """Tokens and learned places, two of PyTorch's own encoder layers, the mean of all places."""

    def __init__(self, width=16, heads=4, hidden=20, layers=2):
        super().__init__()
        self.embedding = nn.Embedding(11, width)
        self.places = nn.Parameter(torch.zeros(7, width))
        layer = nn.TransformerEncoderLayer(width, heads, hidden, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 5)

    def forward(self, tokens):
        x = self.encoder(self.embedding(tokens) + self.places[: tokens.shape[1]])
        return self.head(x.mean(1))


class LstmClassifier(nn.Module):
    """Two layers of nn.LSTM over tokens; the last output is classified."""

    def __init__(self, width=6, hidden=10):
        super().__init__()
        self.embedding = nn.Embedding(11, width)
        self.lstm = nn.LSTM(width, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, 4)

    def forward(self, tokens):
        outputs, _ = self.lstm(self.embedding(tokens))
        return self.head(outputs[:, -1])


class MixerBlock(nn.Module):
    """A perceptron over patches and one over channels, each behind LayerNorm and a shortcut."""

    def __init__(self, patches, channels, across, within):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.patches = nn.Sequential(
            nn.Linear(patches, across), nn.GELU(), nn.Linear(across, patches)
        )
        self.channels = nn.Sequential(
            nn.Linear(channels, within), nn.GELU(), nn.Linear(within, channels)
        )

    def forward(self, x):
        x = x + self.patches(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """MLP-Mixer: patches by a convolution, two blocks, the mean of all patches."""

    def __init__(self, channels=12, across=9, within=15):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 4, stride=4)
        self.blocks = nn.Sequential(*(MixerBlock(4, channels, across, within) for _ in range(2)))
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 5)

    def forward(self, x):
        x = self.blocks(self.stem(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x).mean(1))


def images(size=16):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(5))


def tokens():
    return torch.randint(11, (2, 7), generator=torch.Generator().manual_seed(5))


def randomized(module, seed=0):
    """The module in evaluation mode, with every weight and every statistic at random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point() or nn.parameter.is_lazy(tensor):
                continue
            fan_in = max(tensor[0].numel() if tensor.ndim > 1 else 4, 1)
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / fan_in**0.5)
            if name.endswith("running_var"):
                tensor.abs_().add_(0.5)
    return module.eval()
