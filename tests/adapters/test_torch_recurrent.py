"""Recurrent layers of PyTorch: which units move, and that those behind tanh may change sign."""

from importlib.util import find_spec

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

import torch_modules as nets
from torch import nn

import onebasin as ob
from onebasin import from_torch
from onebasin.adapters import to_torch

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
HIDDEN, PROJECTED = 4, 2


class Recurrent(nn.Module):
    """A recurrent layer of PyTorch and a head that reads all of its states."""

    def __init__(self, kind, **options):
        super().__init__()
        self.layer = getattr(nn, kind)(3, HIDDEN, **options)
        width = options.get("proj_size") or HIDDEN
        self.head = nn.Linear(width * (2 if options.get("bidirectional") else 1), 2)

    def forward(self, x):
        return self.head(self.layer(x)[0])


class Cells(nn.Module):
    """A cell of PyTorch in a loop of Python, which begins with zeros of its own."""

    def __init__(self, kind):
        super().__init__()
        self.cell = getattr(nn, kind)(3, HIDDEN)
        self.head = nn.Linear(HIDDEN, 2)
        self.is_pair = kind == "LSTMCell"

    def forward(self, x):
        zeros = torch.zeros(x.shape[1], HIDDEN)
        state, outputs = (zeros, zeros) if self.is_pair else zeros, []
        for one in x:
            state = self.cell(one, state)
            outputs.append(state[0] if self.is_pair else state)
        return self.head(torch.stack(outputs))


class Joined(nn.Module):
    """An LSTM as it is often written: inputs and state side by side, outputs written in place."""

    def __init__(self):
        super().__init__()
        self.gates = nn.Linear(3 + HIDDEN, 4 * HIDDEN)
        self.head = nn.Linear(HIDDEN, 2)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], HIDDEN)
        outputs = torch.empty(*x.shape[:2], HIDDEN)
        for time, one in enumerate(x):
            i, f, g, o = self.gates(torch.cat([one, h], 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs[time] = h
        return self.head(outputs)


TWO_LAYERS = {"num_layers": 2}
BOTH_WAYS = {"bidirectional": True}
FLIPPING = {
    "RNN": (lambda: Recurrent("RNN"), [4]),
    "LSTM": (lambda: Recurrent("LSTM"), [4]),
    "GRU": (lambda: Recurrent("GRU"), [4]),
    "RNN without biases": (lambda: Recurrent("RNN", bias=False), [4]),
    "GRU, batch first": (lambda: Recurrent("GRU", batch_first=True), [4]),
    "RNN in two layers": (lambda: Recurrent("RNN", **TWO_LAYERS), [4, 4]),
    "LSTM in two layers": (lambda: Recurrent("LSTM", **TWO_LAYERS), [4, 4]),
    "GRU in both directions": (lambda: Recurrent("GRU", **BOTH_WAYS), [4, 4]),
    "LSTM in two layers and both directions": (
        lambda: Recurrent("LSTM", **TWO_LAYERS, **BOTH_WAYS),
        [4, 4, 4, 4],
    ),
    "LSTM with a projection": (lambda: Recurrent("LSTM", proj_size=PROJECTED), [2, 4]),
    "RNNCell in a loop": (lambda: Cells("RNNCell"), [4]),
    "LSTMCell in a loop": (lambda: Cells("LSTMCell"), [4]),
    "GRUCell in a loop": (lambda: Cells("GRUCell"), [4]),
    "an LSTM of its own": (Joined, [4]),
}


def found(make):
    """A module with random weights, its inputs, params, and symmetry."""
    module = nets.randomized(make())
    inputs = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(1))
    apply, params = from_torch(module, inputs)
    return module, inputs, params, ob.find_symmetry(apply, params, inputs.numpy())


def flip(symmetry, params):
    """The params under all signs of all units, and nothing else."""
    flips = {name: -np.ones_like(still) for name, still in symmetry.identity().signs.items()}
    return ob.permute(params, symmetry, symmetry.permutation({}, flips))


@pytest.mark.parametrize("name", FLIPPING)
def test_every_unit_moves_and_flips_and_torch_computes_the_same(name):
    make, sizes = FLIPPING[name]
    module, inputs, params, symmetry = found(make)
    assert sorted(symmetry.sizes.values()) == sizes
    # One sign a group: that of its state.
    assert sorted(sign.group for sign in symmetry.signs.values()) == sorted(symmetry.sizes)

    moves = ob.symmetry.random_permutation(symmetry, key=jax.random.key(2))
    with torch.no_grad():
        expected = module(inputs)
        for moved in (flip(symmetry, params), ob.permute(params, symmetry, moves)):
            assert not np.array_equal(moved["head.weight"], params["head.weight"])
            outputs = to_torch(moved, make().eval())(inputs)
            torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-5)


def test_a_sign_is_of_the_state_and_not_of_its_gates():
    _, _, _, symmetry = found(lambda: Recurrent("LSTM"))
    (sign,) = symmetry.signs.values()
    rows = {place.leaf for place in sign.places if place.axis == 0}
    # Input and forget gates come first, the output gate last; they are behind a sigmoid.
    assert rows == {
        "layer.bias_hh_l0[8:12]",
        "layer.bias_ih_l0[8:12]",
        "layer.weight_hh_l0[8:12, 0:4]",
        "layer.weight_ih_l0[8:12, 0:3]",
    }


class BeginsAtOne(Cells):
    """A loop whose state does not begin at 0."""

    def forward(self, x):
        state = torch.ones(x.shape[1], HIDDEN)
        for one in x:
            state = self.cell(one, state)
        return self.head(state)


WITHOUT_SIGNS = {
    "ReLU": lambda: Recurrent("RNN", nonlinearity="relu"),
    "two layers of ReLU": lambda: Recurrent("RNN", nonlinearity="relu", **TWO_LAYERS),
    "a state that begins at 1": lambda: BeginsAtOne("GRUCell"),
}


@pytest.mark.parametrize("name", WITHOUT_SIGNS)
def test_no_unit_flips_where_that_changes_the_function(name):
    _, _, _, symmetry = found(WITHOUT_SIGNS[name])
    assert set(symmetry.sizes.values()) == {4}
    assert symmetry.signs == {}


def test_a_state_that_is_handed_over_keeps_its_signs():
    class Begun(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.GRU(3, HIDDEN)

        def forward(self, x, state):
            return self.layer(x, state)[0].sum()

    module = nets.randomized(Begun())
    inputs = torch.ones(5, 2, 3), torch.zeros(1, 2, HIDDEN)
    apply, params = from_torch(module, *inputs)
    symmetry = ob.find_symmetry(apply, params, *(one.numpy() for one in inputs))
    assert symmetry.signs == {}
