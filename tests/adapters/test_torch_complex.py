"""Complex weights of PyTorch: they are params, their channels move, and they are written back."""

from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

from torch import nn

import onebasin as ob
from onebasin import from_torch
from onebasin.adapters import to_torch


class Spectral(nn.Module):
    """Every mode of (batch, channel, place) is mixed by a complex matrix of its own."""

    def __init__(self, inputs, outputs, dtype=torch.complex64):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs, 5, dtype=dtype) / inputs)

    def forward(self, h):
        modes = torch.einsum("bix,iox->box", torch.fft.rfft(h), self.weight)
        return torch.fft.irfft(modes, n=h.shape[-1])


class FourierOperator(nn.Module):
    """Two spectral layers, the first of them beside a pointwise one."""

    def __init__(self, activation=torch.relu, dtype=torch.float32):
        super().__init__()
        wide = torch.complex128 if dtype == torch.float64 else torch.complex64
        self.lift = nn.Conv1d(2, 4, 1, dtype=dtype)
        self.first, self.beside = Spectral(4, 5, wide), nn.Conv1d(4, 5, 1, dtype=dtype)
        self.second = Spectral(5, 6, wide)
        self.out = nn.Conv1d(6, 3, 1, dtype=dtype)
        self.activation = activation

    def forward(self, x):
        h = self.lift(x)
        h = self.activation(self.first(h) + self.beside(h))
        return self.out(self.activation(self.second(h)))


class InTwoDimensions(nn.Module):
    """Modes of images, whose weights are kept as pairs of real numbers."""

    def __init__(self):
        super().__init__()
        self.lift = nn.Conv2d(1, 4, 1)
        self.weight = nn.Parameter(torch.randn(4, 5, 4, 3, 2) / 4)
        self.out = nn.Conv2d(5, 2, 1)

    def forward(self, x):
        modes = torch.fft.rfft2(self.lift(x))
        modes = torch.einsum("bixy,ioxy->boxy", modes, torch.view_as_complex(self.weight))
        return self.out(torch.relu(torch.fft.irfft2(modes, s=x.shape[-2:])))


class ComplexDense(nn.Module):
    """Complex units, of which the size is read, and complex outputs."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 6, dtype=torch.complex64)
        self.out = nn.Linear(6, 2, dtype=torch.complex64)
        self.register_buffer("turn", torch.tensor(1j))

    def forward(self, x):
        h = self.hidden(torch.complex(x, x**2))
        return self.out(h * torch.sigmoid(h.abs()) * self.turn).conj()


SERIES, IMAGES = (2, 2, 8), (2, 1, 4, 4)
NETWORKS = {
    "a Fourier operator": (FourierOperator, SERIES, [4, 5, 6]),
    "modes in two dimensions": (InTwoDimensions, IMAGES, [4, 5]),
    "complex dense layers": (ComplexDense, (4, 3), [6]),
}


def inputs_of(shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def outputs_of(module, inputs):
    with torch.no_grad():
        return module(inputs)


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_move_and_torch_computes_the_same(name, key):
    make, shape, sizes = NETWORKS[name]
    module, inputs = make().eval(), inputs_of(shape)
    apply, params = from_torch(module, inputs)
    assert set(params) >= dict(module.named_parameters()).keys()
    symmetry = ob.find_symmetry(apply, params, inputs.numpy())
    assert sorted(symmetry.sizes.values()) == sizes, f"\n{symmetry}"
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    other = to_torch(moved, make().eval())
    expected = outputs_of(module, inputs)
    torch.testing.assert_close(outputs_of(other, inputs), expected, rtol=1e-4, atol=1e-5)


def test_complex_weights_keep_their_type_and_are_written_back_exactly():
    module = FourierOperator().eval()
    _, params = from_torch(module, inputs_of(SERIES))
    assert params["first.weight"].dtype == np.complex64
    assert params["lift.weight"].dtype == np.float32
    other = to_torch(jax.tree.map(jnp.asarray, params), FourierOperator())
    assert other.first.weight.dtype == torch.complex64
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name])


def test_complex_weights_of_128_bits_are_params_in_float64():
    inputs = inputs_of(SERIES, torch.float64)
    module = FourierOperator(torch.tanh, torch.float64).eval()
    with jax.enable_x64(True):
        apply, params = from_torch(module, inputs)
        found = apply(params, inputs.numpy())
    assert params["first.weight"].dtype == np.complex128
    np.testing.assert_allclose(found, outputs_of(module, inputs), rtol=1e-10, atol=1e-12)


def test_signs_pass_through_modes_where_all_functions_are_odd():
    module, inputs = FourierOperator(torch.tanh).eval(), inputs_of(SERIES)
    apply, params = from_torch(module, inputs)
    symmetry = ob.find_symmetry(apply, params, inputs.numpy())
    assert sorted(sign.group for sign in symmetry.signs.values()) == sorted(symmetry.sizes)
    verified = ob.verify(symmetry, apply, params, inputs.numpy())
    assert verified.symmetry == symmetry


def test_complex_outputs_that_differ_are_noticed():
    class Turned(ComplexDense):
        def forward(self, x):
            return super().forward(x) + 1j * torch.rand(2)

    with pytest.raises(ValueError, match="the same outputs whenever it is called"):
        from_torch(Turned().eval(), inputs_of((4, 3)))


def test_to_torch_refuses_complex_numbers_for_real_weights():
    params = {"weight": np.ones((2, 3), np.complex64), "bias": np.zeros(2, np.float32)}
    with pytest.raises(ValueError, match=r"weight must be real.*Got complex64"):
        to_torch(params, nn.Linear(3, 2))


class Integers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.tensor([1, 2]))

    def forward(self, x):
        return x * self.steps


@pytest.mark.parametrize("make", [nn.ReLU, Integers])
def test_modules_without_weights_are_refused_in_one_line(make):
    with pytest.raises(ValueError, match=r"must have weights of real or complex floating") as one:
        from_torch(make().eval(), torch.ones(2))
    assert make.__name__ in str(one.value)
    assert "\n" not in str(one.value)


def test_samples_of_complex_weights_are_refused_by_name():
    with pytest.raises(ValueError, match=r"Samples must be real numbers\. Got complex64 in w\."):
        ob.Samples({"b": np.zeros((1, 2, 3)), "w": np.zeros((1, 2, 3), np.complex64)})
