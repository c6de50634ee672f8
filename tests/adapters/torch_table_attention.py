"""Rows: attention, in the many ways in which it is written."""

import torch
from torch import nn
from torch.nn import functional
from torch_table_row import Row, Through, floats

SERIES = floats(2, 4, 3)
X = (SERIES,)
HEADS = (2, 4, 4)
"""Two heads; in each, four dimensions of queries and keys and four of values."""
SHARED = (2, 2, 3, 3)
"""Two heads of keys and values; in each, two of queries, three dimensions and three."""


class SelfAttention(nn.Module):
    """nn.MultiheadAttention of a series to itself."""

    def __init__(self, **options):
        super().__init__()
        self.call = {
            key: options.pop(key) for key in ("attn_mask", "need_weights") if key in options
        }
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **options)

    def forward(self, h):
        return self.attention(h, h, h, **self.call)[0]


class Padded(nn.Module):
    """Places that a mask leaves out."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Linear(3, 8), nn.Linear(8, 2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x, left_out):
        h = self.embed(x)
        return self.out(h + self.attention(h, h, h, key_padding_mask=left_out)[0])


class Crossed(nn.Module):
    """Queries, keys and values of three series, of 8, 5 and 6 units."""

    def __init__(self):
        super().__init__()
        self.embed = nn.ModuleList(nn.Linear(3, width) for width in (8, 5, 6))
        self.attention = nn.MultiheadAttention(8, 2, kdim=5, vdim=6, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        query, key, value = (torch.tanh(embed(x)) for embed in self.embed)
        return self.out(query + self.attention(query, key, value)[0])


class Whole(nn.Module):
    """nn.Transformer between two series."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Linear(3, 8), nn.Linear(3, 8)
        self.transformer = nn.Transformer(8, 2, 1, 1, 6, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        h = self.transformer(self.source(x), self.target(x), tgt_mask=mask)
        return self.out(h)


class Attention(nn.Module):
    """Attention from one projection of 24 units, which are in some order."""

    def __init__(self, order, rotate=None, kernel=None):
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.order, self.rotate, self.kernel = order, rotate, kernel

    def forward(self, h):
        sizes = {"3": 3, "h": 2, "d": 4}
        qkv = self.qkv(h).unflatten(-1, [sizes[axis] for axis in self.order])
        names = "bn" + self.order.replace("3", "c")
        query, key, value = torch.einsum(f"{names}->cbhnd", qkv)
        if self.rotate is not None:
            query, key = self.rotate(query), self.rotate(key)
        attend = self.kernel or functional.scaled_dot_product_attention
        return self.out(attend(query, key, value).transpose(1, 2).flatten(2))


def angles(x):
    """Angles of shape (places, 2), of two frequencies."""
    return torch.arange(x.shape[-2])[:, None] * torch.tensor([1.0, 0.1])


def rotated_halves(x):
    """Dimensions i and i + 2 are turned by an angle."""
    cos, sin = angles(x).cos().repeat(1, 2), angles(x).sin().repeat(1, 2)
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def rotated_pairs(x):
    """Dimensions 2 i and 2 i + 1 are turned by an angle, as complex numbers."""
    turns = torch.polar(torch.ones(x.shape[-2], 2), angles(x))
    pairs = torch.view_as_complex(x.unflatten(-1, (2, 2)).contiguous())
    return torch.view_as_real(pairs * turns).flatten(-2)


def linear_attention(query, key, value):
    """Attention whose weights are products of positive features; no softmax."""
    query, key = functional.elu(query) + 1, functional.elu(key) + 1
    sums = torch.einsum("bhnd,bhne->bhde", key, value)
    norms = torch.einsum("bhnd,bhd->bhn", query, key.sum(2))
    return torch.einsum("bhnd,bhde->bhne", query, sums) / norms.unsqueeze(-1)


class GroupedQueries(nn.Module):
    """Four heads of queries, in pairs that share one of two heads of keys and values."""

    def __init__(self, repeat):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 12), nn.Linear(8, 6), nn.Linear(8, 6)
        self.out, self.repeat = nn.Linear(12, 8), repeat

    def forward(self, h):
        heads = lambda x, n: x.unflatten(-1, (n, 3)).transpose(1, 2)
        query, key, value = (
            heads(self.query(h), 4), heads(self.key(h), 2), heads(self.value(h), 2),
        )  # fmt: skip
        if self.repeat:
            key, value = key.repeat_interleave(2, 1), value.repeat_interleave(2, 1)
        mixed = functional.scaled_dot_product_attention(
            query, key, value, enable_gqa=not self.repeat
        )
        return self.out(mixed.transpose(1, 2).flatten(2))


def layer(**options):
    return lambda: nn.Sequential(
        nn.Linear(3, 8),
        nn.TransformerEncoderLayer(8, 2, 6, batch_first=True, **options),
        nn.Linear(8, 2),
    )


def through(make, *arguments, **options):
    """A network around an attention that is added to the stream."""
    return lambda: Through(make(*arguments, **options))


LATER = torch.ones(4, 4, dtype=torch.bool).triu(1)
BIAS = floats(4, 4)
IN_ORDER = "frequencies differ between dimensions, so that queries and keys keep their order"
ALIKE = (
    "an axis that lists queries, keys and values of one head after another has one order within a "
    "head: dimensions of values move as those of queries and keys do, which misses some orders"
)

ATTENTION = [
    Row("MultiheadAttention", through(SelfAttention), X, [8, HEADS]),
    Row(
        "MultiheadAttention, boolean mask",
        through(SelfAttention, attn_mask=LATER),
        X,
        [8, HEADS],
    ),
    Row(
        "MultiheadAttention, additive mask",
        through(SelfAttention, attn_mask=BIAS, need_weights=False),
        X,
        [8, HEADS],
    ),
    Row(
        "MultiheadAttention, key_padding_mask",
        Padded,
        (SERIES, torch.tensor([[False] * 4, [False, False, True, True]])),
        [8, HEADS],
    ),
    Row("MultiheadAttention, kdim and vdim", Crossed, X, [8, 5, 6, HEADS]),
    Row(
        "MultiheadAttention, bias_kv",
        through(SelfAttention, add_bias_kv=True),
        X,
        [8, HEADS],
    ),
    Row(
        "MultiheadAttention, zero_attn",
        through(SelfAttention, add_zero_attn=True),
        X,
        [8, HEADS],
    ),
    Row("TransformerEncoderLayer, post-norm", layer(), X, [8, 6, HEADS]),
    Row("TransformerEncoderLayer, pre-norm", layer(norm_first=True), X, [8, 6, HEADS]),
    Row("nn.Transformer", Whole, X, [8, 8, 6, 6, HEADS, HEADS, HEADS]),
    Row("packed as (3, heads, dim)", through(Attention, "3hd"), X, [8, HEADS]),
    Row("packed as (heads, 3, dim)", through(Attention, "h3d"), X, [8, (2, 4)], note=ALIKE),
    Row("packed as (heads, dim, 3)", through(Attention, "hd3"), X, [8, (2, 4)], note=ALIKE),
    Row(
        "grouped queries, repeat_interleave",
        through(GroupedQueries, True),
        X,
        [8, (2, 2, 3, 3)],
    ),
    Row("grouped queries, enable_gqa", through(GroupedQueries, False), X, [8, (2, 2, 3, 3)]),
    Row(
        "rotary in halves",
        through(Attention, "3hd", rotated_halves),
        X,
        [8, (2, 4)],
        note=IN_ORDER,
    ),
    Row(
        "rotary, interleaved",
        through(Attention, "3hd", rotated_pairs),
        X,
        [8, (2, 4)],
        note=IN_ORDER,
    ),
    Row("linear attention", through(Attention, "3hd", None, linear_attention), X, [8, HEADS]),
]
