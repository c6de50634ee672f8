"""from_torch and to_torch: five networks, whose symmetry is found in JAX and holds in PyTorch."""

import copy
from collections import Counter
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

import torch_modules as nets
import trials
from torch import nn

import onebasin as ob
from onebasin import from_torch
from onebasin.adapters import to_torch

_HEADS = {(4, ()): 2, (4, (4,)): 4}  # for each of two layers: heads, and dimensions within each
NETWORKS = {
    "a convnet": (nets.ConvNet, nets.images(), trials.alone(6, 8, 12)),
    # In each of three stages: the stream, and what is within each of three blocks.
    "ResNet-20": (nets.ResNet20, nets.images(), trials.alone(*[16] * 4, *[32] * 4, *[64] * 4)),
    "a transformer": (
        nets.Transformer,
        nets.tokens(),
        trials.alone(16, 20, 20) + Counter(_HEADS),
    ),
    "an LSTM": (nets.LstmClassifier, nets.tokens(), trials.alone(6, 10, 10)),
    "an MLP-Mixer": (nets.Mixer, nets.images(8), trials.alone(12, 9, 9, 15, 15)),
}
UNMOVED = {
    "a convnet": {"weights/head.4.bias"},
    "ResNet-20": {"weights/fc.bias"},
    "a transformer": {"head.bias"},
    "an LSTM": {"head.bias"},
    # What perceptrons over patches put out are patches, which have a place in the image.
    "an MLP-Mixer": {"head.bias", "blocks.0.patches.2.bias", "blocks.1.patches.2.bias"},
}
every_network = pytest.mark.parametrize("name", NETWORKS)


@pytest.fixture(scope="module")
def network():
    """A network in evaluation mode, its function and params, by name; each is made once."""
    made = {}

    def get(name):
        if name not in made:
            make, inputs, _ = NETWORKS[name]
            module = nets.randomized(make())
            apply, params = from_torch(module, inputs)
            made[name] = module, apply, params, inputs.numpy()
        return made[name]

    return get


def outputs_of(module, inputs):
    with torch.no_grad():
        return module(torch.as_tensor(inputs)).numpy()


@every_network
def test_the_groups_are_those_worked_out_by_hand(name, network):
    _, apply, params, inputs = network(name)
    symmetry = ob.find_symmetry(apply, params, inputs)
    assert trials.groups(symmetry) == NETWORKS[name][2], f"\n{symmetry}"


@every_network
def test_a_permuted_network_computes_the_same_in_torch(name, network, key):
    module, apply, params, inputs = network(name)
    symmetry = ob.find_symmetry(apply, params, inputs)
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    assert trials.unmoved(params, moved) == UNMOVED[name]

    fresh = NETWORKS[name][0]().eval()
    expected = outputs_of(module, inputs)
    assert np.abs(outputs_of(fresh, inputs) - expected).max() > 0.1 * np.abs(expected).max()
    found = outputs_of(to_torch(moved, fresh), inputs)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@every_network
def test_the_symmetry_is_exact_in_float64(name, network):
    _, apply, params, inputs = network(name)
    trials.assert_proved(ob.find_symmetry(apply, params, inputs), apply, params, inputs)


@every_network
def test_params_are_what_the_state_dict_has_of_floating_point(name, network):
    module, _, params, _ = network(name)
    saved = {k: v.numpy() for k, v in module.state_dict().items() if v.is_floating_point()}
    both = {"weights": params, "statistics": {}} if "statistics" not in params else params
    assert set(both["statistics"]) == {name for name in saved if ".running_" in name}
    together = {**both["weights"], **both["statistics"]}
    assert set(together) == set(saved)
    for name, array in saved.items():
        np.testing.assert_array_equal(together[name], array)


def test_shapes_are_enough_to_find_a_symmetry(network):
    _, apply, params, inputs = network("a transformer")
    shapes, shape = jax.eval_shape(lambda: (params, inputs))
    assert ob.find_symmetry(apply, shapes, shape) == ob.find_symmetry(apply, params, inputs)


def test_many_draws_are_mapped_over_and_differentiated(network, key):
    _, apply, params, inputs = network("a convnet")
    symmetry = ob.find_symmetry(apply, params, inputs)
    draws = jax.tree.map(lambda leaf: np.stack([leaf, 2 * leaf]), params)
    moved = ob.permute(draws, symmetry, ob.symmetry.random_permutation(symmetry, 2, key=key))
    mapped = jax.jit(jax.vmap(apply, in_axes=(0, None)))
    np.testing.assert_allclose(mapped(moved, inputs), mapped(draws, inputs), rtol=1e-3, atol=1e-4)
    slopes = jax.grad(lambda params: apply(params, inputs).sum())(params)
    np.testing.assert_allclose(slopes["weights"]["head.4.bias"], len(inputs), rtol=1e-6)


def test_statistics_of_batchnorm_are_written_and_counters_stay(network):
    module, _, params, _ = network("a convnet")
    other = copy.deepcopy(module)
    other.features[1].num_batches_tracked += 7
    to_torch(jax.tree.map(np.zeros_like, params), other)
    assert not other.features[1].running_var.any()
    assert other.features[1].num_batches_tracked == 7


def test_apply_does_not_follow_later_changes_of_the_module(network):
    _, _, _, inputs = network("a convnet")
    module = nets.randomized(nets.ConvNet(), seed=3)
    apply, params = from_torch(module, inputs)
    before = apply(params, inputs)
    to_torch(jax.tree.map(np.zeros_like, params), module.train())
    np.testing.assert_array_equal(apply(params, inputs), before)


def test_from_torch_leaves_the_module_and_torch_as_they_were():
    module = nets.randomized(nets.Transformer())
    before = copy.deepcopy(module.state_dict())
    was_fast = torch.backends.mha.get_fastpath_enabled()
    from_torch(module, nets.tokens())
    assert torch.backends.mha.get_fastpath_enabled() == was_fast
    assert not module.training
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert type(torch.ones(2)) is torch.Tensor


def test_a_module_that_writes_to_its_inputs_is_no_trouble():
    module = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2)).eval()
    row = torch.tensor([[1.0, -2.0, 3.0]])
    apply, params = from_torch(module, row)
    array = row.numpy().copy()
    assert array.min() == -2
    expected = outputs_of(module, array.copy())
    np.testing.assert_allclose(apply(params, array), expected, rtol=1e-5)


class Tied(nn.Module):
    """Tokens in and out by one matrix, in another precision where asked for."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.embedding = nn.Embedding(7, 6, dtype=dtype)
        self.hidden = nn.Linear(6, 6, dtype=dtype)
        self.out = nn.Linear(6, 7, bias=False, dtype=dtype)
        self.out.weight = self.embedding.weight

    def forward(self, tokens):
        return self.out(torch.tanh(self.hidden(self.embedding(tokens))))


TOKENS = torch.tensor([[0, 3, 6]])


def test_tied_weights_appear_once_and_stay_tied(key):
    module = nets.randomized(Tied())
    apply, params = from_torch(module, TOKENS)
    assert set(params) == {"embedding.weight", "hidden.weight", "hidden.bias"}
    symmetry = ob.find_symmetry(apply, params, TOKENS.numpy())
    # One group: what is read is what is written, on either side of the hidden layer.
    assert trials.groups(symmetry) == trials.alone(6)
    expected = outputs_of(module, TOKENS)
    moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
    to_torch(moved, module)
    assert module.out.weight is module.embedding.weight
    np.testing.assert_array_equal(module.out.weight.detach(), moved["embedding.weight"])
    assert np.abs(outputs_of(module, TOKENS) - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_weight_keeps_its_precision(dtype):
    module = nets.randomized(Tied(dtype))
    _, params = from_torch(module, TOKENS)
    assert {str(leaf.dtype) for leaf in params.values()} == {str(dtype).removeprefix("torch.")}
    other = to_torch(jax.tree.map(jnp.asarray, params), Tied(dtype))
    for name, tensor in other.state_dict().items():
        assert tensor.dtype == dtype
        # JAX without 64 bits has rounded to float32.
        assert torch.equal(tensor.float(), module.state_dict()[name].float())


class Odd(nn.Module):
    """What modules may do besides: own tensors, tensors made on the way, branches, options."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
        self.encoder = nn.TransformerEncoder(self.layer, 1, enable_nested_tensor=False)
        self.scale = torch.tensor([1.0, 2.0, 3.0])
        self.register_buffer("order", torch.tensor([1, 0, 2]))
        self.register_buffer("table", torch.arange(8.0), persistent=False)

    def forward(self, x, offset, *, factor=1.0):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        hidden = self.encoder(x + self.table, mask=mask) + torch.zeros(x.shape[0], 1, 1)
        picked = hidden[..., self.order] * self.scale * factor
        return {"sum": picked.sum() + offset, "both": [picked, None]}


def test_modules_may_hold_tensors_branch_on_constants_and_put_out_trees():
    module = nets.randomized(Odd())
    inputs = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(2)), torch.ones(())
    apply, params = from_torch(module, *inputs, factor=3.0)
    assert {"scale", "order", "table"}.isdisjoint(params)
    with torch.no_grad():
        expected = module(*inputs, factor=3.0)
    arrays = [x.numpy() for x in inputs]
    for found in (apply(params, *arrays), jax.jit(apply)(params, *arrays)):
        np.testing.assert_allclose(found["sum"], expected["sum"], rtol=1e-4)
        np.testing.assert_allclose(found["both"][0], expected["both"][0], rtol=1e-4, atol=1e-4)
        assert found["both"][1] is None
    # The stream is fixed, as the table is closed over.
    symmetry = ob.find_symmetry(apply, params, *arrays)
    heads = Counter({(2, ()): 1, (4, (2,)): 2})
    assert trials.groups(symmetry) == trials.alone(12) + heads
    trials.assert_proved(symmetry, apply, params, *arrays)
