"""Rows: dense layers, gates, products of units, experts, embeddings."""

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune
from torch_table_row import Row, floats, integers

X = floats(5, 3)


class Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(3, 4), nn.Linear(3, 5)
        self.both, self.out = nn.Bilinear(4, 5, 6), nn.Linear(6, 2)

    def forward(self, x):
        both = self.both(torch.tanh(self.one(x)), torch.tanh(self.other(x)))
        return self.out(torch.relu(both))


class SwiGlu(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(3, 6), nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Film(nn.Module):
    def __init__(self):
        super().__init__()
        self.condition = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 12))
        self.hidden, self.out = nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, x, c):
        scale, shift = self.condition(c).chunk(2, -1)
        return self.out(torch.relu(scale * self.hidden(x) + shift))


class Hypernetwork(nn.Module):
    """The weights of a network 3-4-2 are made by another one, of 6 hidden units."""

    def __init__(self):
        super().__init__()
        self.make = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 4 * 3 + 4 + 2 * 4))

    def forward(self, x, task):
        first, bias, second = self.make(task).split([12, 4, 8], -1)
        h = torch.relu(x @ first.view(4, 3).T + bias)
        return h @ second.view(2, 4).T


class Experts(nn.Module):
    """Four experts of 6 hidden units in stacked weights; all are used, or the best two."""

    def __init__(self, best=None):
        super().__init__()
        self.gate, self.best = nn.Linear(3, 4), best
        self.up = nn.Parameter(torch.randn(4, 3, 6))
        self.down = nn.Parameter(torch.randn(4, 6, 2))

    def forward(self, x):
        weights = self.gate(x).softmax(-1)
        if self.best is None:
            h = torch.relu(torch.einsum("ni,eih->neh", x, self.up))
            return torch.einsum("ne,neh,eho->no", weights, h, self.down)
        weights, chosen = weights.topk(self.best, -1)
        h = torch.relu(torch.einsum("ni,nkih->nkh", x, self.up[chosen]))
        return torch.einsum("nk,nkh,nkho->no", weights, h, self.down[chosen])


class ListedExperts(nn.Module):
    """Three experts, each of them a module; the others' weights are 0 with `best`."""

    def __init__(self, best=None):
        super().__init__()
        self.gate, self.best = nn.Linear(3, 3), best
        expert = lambda: nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))
        self.experts = nn.ModuleList(expert() for _ in range(3))

    def forward(self, x):
        weights = self.gate(x).softmax(-1)
        if self.best is not None:
            values, chosen = weights.topk(self.best, -1)
            weights = torch.zeros_like(weights).scatter(-1, chosen, values)
        outputs = torch.stack([expert(x) for expert in self.experts], 1)
        return (weights.unsqueeze(-1) * outputs).sum(1)


class Graph(nn.Module):
    """Messages along edges, added up with index_add."""

    def __init__(self):
        super().__init__()
        self.message, self.update = nn.Linear(3, 6), nn.Linear(6, 5)
        self.out = nn.Linear(5, 2)

    def forward(self, x, edges):
        messages = torch.relu(self.message(x))[edges[0]]
        sums = torch.zeros(x.shape[0], 6).index_add(0, edges[1], messages)
        return self.out(torch.relu(self.update(sums)))


class Distances(nn.Module):
    """Distances of hidden units to four prototypes."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(3, 5), nn.Linear(4, 2)
        self.prototypes = nn.Parameter(torch.randn(4, 5))

    def forward(self, x):
        distances = torch.cdist(torch.tanh(self.hidden(x)), self.prototypes)
        return self.out(torch.exp(-distances))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.shared, self.out = nn.Linear(3, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = torch.tanh(self.shared(torch.tanh(self.embed(x))))
        return self.out(torch.tanh(self.shared(h)))


class Lora(nn.Module):
    def __init__(self):
        super().__init__()
        self.base, self.out = nn.Linear(3, 6), nn.Linear(6, 2)
        self.a, self.b = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(6, 4))

    def forward(self, x):
        return self.out(torch.relu(self.base(x) + 0.5 * (x @ self.a.T @ self.b.T)))


class Listed(nn.Module):
    """A perceptron of 6 and 5 hidden units in a ParameterList."""

    def __init__(self):
        super().__init__()
        shapes = [(3, 6), (6,), (6, 5), (5,), (5, 2), (2,)]
        self.weights = nn.ParameterList(torch.randn(shape) for shape in shapes)

    def forward(self, x):
        for number in range(0, 6, 2):
            x = x @ self.weights[number] + self.weights[number + 1]
            x = torch.relu(x) if number < 4 else x
        return x


class Dictionary(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        return {"logits": self.out(h), "size": [h.square().sum(-1)]}


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(3, 6), nn.Linear(6, 2)
        self.scale = nn.Parameter(torch.randn(6))

    def forward(self, x):
        h = self.hidden(x).relu_()
        h.mul_(self.scale).add_(1)
        h[0] = 0
        h[1:] += self.scale
        return self.out(h.clamp_(max=2))


def pruned():
    module = mlp()
    prune.random_unstructured(module[0], "weight", 0.4)
    prune.ln_structured(module[2], "weight", 0.4, n=2, dim=1)
    return module


def mlp():
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))


def gated(layer, width=6):
    return nn.Sequential(nn.Linear(3, width), layer, nn.Linear(6, 2))


def pooled(embedding):
    return nn.Sequential(embedding, nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))


class Bag(nn.Module):
    """Bags of words one after another; `offsets` say where each begins."""

    def __init__(self, mode):
        super().__init__()
        self.bag = nn.EmbeddingBag(9, 6, mode=mode)
        self.rest = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))

    def forward(self, words, offsets):
        return self.rest(self.bag(words, offsets))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.hidden = nn.Embedding(7, 6), nn.Linear(6, 5)
        self.back, self.out = nn.Linear(5, 6), nn.Linear(6, 7, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, tokens):
        return self.out(self.back(torch.tanh(self.hidden(self.embedding(tokens)))))


EDGES = torch.tensor([[0, 1, 2, 3, 4, 0], [1, 2, 0, 4, 3, 4]])
WORDS = integers(9, 4, 3)
OFFSETS = torch.tensor([0, 2, 5, 8])
IN_A_STACK = "stacked: one axis lists the experts"
IN_A_LIST = "experts in a list of modules cannot trade places: each has arrays of its own"

DENSE = [
    Row("MLP", mlp, (X,), [6, 5]),
    Row("ParameterList", Listed, (X,), [6, 5]),
    Row("module used twice", Twice, (X,), [6]),
    Row("LoRA", Lora, (X,), [6, 4]),
    Row("pruned module (masks)", pruned, (X,), [6, 5]),
    Row("dict outputs", Dictionary, (X,), [6]),
    Row("in-place operations", InPlace, (X,), [6]),
    Row("PReLU by channel", lambda: gated(nn.PReLU(6)), (X,), [6]),
    Row("PReLU of one slope", lambda: gated(nn.PReLU()), (X,), [6]),
    Row("GLU", lambda: gated(nn.GLU(), 12), (X,), [6]),
    Row("SwiGLU", SwiGlu, (X,), [6]),
    Row("Bilinear", Bilinear, (X,), [4, 5, 6]),
    Row("FiLM", Film, (X, floats(5, 2)), [5, 6]),
    Row("hypernetwork", Hypernetwork, (X, floats(2)), [6, 4]),
    Row("cdist to prototypes", Distances, (X,), [5, 4]),
    Row("graph layer by index_add", Graph, (X, EDGES), [6, 5]),
]
EXPERTS = [
    Row("dense mixture of experts", Experts, (X,), [(4, 6)], note=IN_A_STACK),
    Row(
        "top-2 mixture of experts",
        lambda: Experts(2),
        (X,),
        [4, 6],
        note="the hidden units of all experts move alike, for a row meets several of them at once",
    ),
    Row("dense mixture, listed", ListedExperts, (X,), [6, 6, 6], note=IN_A_LIST),
    Row("top-2 mixture, listed", lambda: ListedExperts(2), (X,), [6, 6, 6], note=IN_A_LIST),
]
EMBEDDINGS = [
    Row("Embedding", lambda: pooled(nn.Embedding(9, 6, padding_idx=0)), (WORDS,), [6, 5]),
    Row("EmbeddingBag, mean", lambda: pooled(nn.EmbeddingBag(9, 6)), (WORDS,), [6, 5]),
    Row("EmbeddingBag, sum, offsets", lambda: Bag("sum"), (WORDS.flatten(), OFFSETS), [6, 5]),
    Row("EmbeddingBag, largest", lambda: Bag("max"), (WORDS.flatten(), OFFSETS), [6, 5]),
    Row("tied embeddings", Tied, (integers(7, 2, 3),), [6, 5]),
]
