"""What from_torch and to_torch refuse, and how they say so."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

import torch_modules as nets
from torch import nn

from onebasin import from_torch
from onebasin.adapters import to_torch
from onebasin.adapters.pytorch_environment import jax_environment

ROW = torch.ones(1, 3)


class Computed(nn.Module):
    """A module that puts out what a function makes of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.function = function

    def forward(self, x):
        return self.function(self.layer(x))


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module\. Got function\. Wrap"):
        from_torch(lambda x: x, ROW)


IN_TRAINING = {
    "0 (BatchNorm1d)": lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)),
    "1 (Dropout)": lambda: nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)),
    "the module (LSTM)": lambda: nn.LSTM(3, 2, num_layers=2, dropout=0.5),
    "the module (MultiheadAttention)": lambda: nn.MultiheadAttention(3, 1, dropout=0.5),
    "1 (RReLU)": lambda: nn.Sequential(nn.Linear(3, 2), nn.RReLU()),
}


@pytest.mark.parametrize("part", IN_TRAINING)
def test_a_part_in_training_mode_is_named(part):
    with pytest.raises(ValueError, match=r"evaluation mode.*Call module\.eval\(\)") as refused:
        from_torch(IN_TRAINING[part](), ROW)
    assert f"Got {part} in training mode" in str(refused.value)


def test_modes_that_change_nothing_need_not_be_left():
    module = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.0), nn.LayerNorm(2))
    assert module.training
    _, params = from_torch(module, ROW)
    assert set(params) == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_a_random_module_is_refused():
    module = Computed(lambda x: x + torch.rand_like(x))
    with pytest.raises(ValueError, match=r"the same outputs whenever it is called.*random"):
        from_torch(module, ROW)


def test_an_operation_that_torchax_computes_otherwise_is_not_called_random():
    module = Computed(lambda x: x + (type(x) is torch.Tensor))  # torchax has a type of its own
    with pytest.raises(ValueError, match=r"within 0\.0001.*torchax computes some operation"):
        from_torch(module, ROW)


@pytest.mark.parametrize("script", [torch.jit.script, lambda m: torch.jit.trace(m, ROW)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_modules_are_refused(script):
    with pytest.raises(TypeError, match=r"must be Python code.*Got a scripted or traced one"):
        from_torch(script(nn.Linear(3, 2)), ROW)


def test_a_swapped_pair_is_refused():
    with pytest.raises(
        TypeError, match=r"Module\. Got dict\. Params come first.*to_torch\(params, module"
    ):
        to_torch(nn.Linear(3, 2), _linear())


def test_what_torchax_cannot_run_is_refused():
    module = Computed(lambda x: torch.from_numpy(np.sort(x.detach().numpy())))
    with pytest.raises(ValueError, match="torchax must be able to run the module. Got"):
        from_torch(module, ROW)


def test_a_branch_on_inputs_is_refused():
    module = Computed(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(ValueError, match="must be able to run the module. Got Concret"):
        from_torch(module, ROW)


def test_outputs_that_are_no_tensors_are_refused():
    with pytest.raises(TypeError, match=r"put out tensors.*Got slice"):
        from_torch(Computed(lambda x: slice(x)), ROW)


def test_missing_torchax_is_said_with_the_way_to_mend_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchax.tensor", None)  # Python's way to block an import
    jax_environment.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'onebasin\[torch\]'"):
        from_torch(nn.Linear(3, 2), ROW)


def _linear():
    return from_torch(nn.Linear(3, 2), ROW)[1]


def test_to_torch_refuses_names_of_another_module():
    params = _linear()
    params["weights"] = params.pop("weight")
    words = r"Missing: 'weight'. Unexpected: 'weights'. Did you mean 'weight'"
    with pytest.raises(ValueError, match=words):
        to_torch(params, nn.Linear(3, 2))


def test_to_torch_refuses_params_without_statistics():
    module = nets.ConvNet().eval()
    _, params = from_torch(module, nets.images())
    del params["statistics"]["features.1.running_mean"]
    with pytest.raises(ValueError, match=r"Missing: 'features\.1\.running_mean'"):
        to_torch(params, module)


def test_to_torch_refuses_other_shapes_and_writes_nothing():
    module = nn.Linear(3, 2)
    before = module.bias.detach().clone()
    params = {"bias": np.zeros(2), "weight": np.zeros((4, 100, 2, 3))}
    with pytest.raises(ValueError, match=r"weight must have the shape.*\(2, 3\).*one draw"):
        to_torch(params, module)
    assert torch.equal(module.bias, before)
