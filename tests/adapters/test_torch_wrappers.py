"""Modules that others wrap: compiled ones, and those on several devices."""

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

from torch import nn

from onebasin import find_symmetry, from_torch
from onebasin.adapters import to_torch

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.compile's own

ROW = torch.ones(1, 3)
WRAPPERS = {
    "compiled": torch.compile,
    "parallel": nn.DataParallel,
    "compiled and parallel": lambda module: nn.DataParallel(torch.compile(module)),
    "parallel and compiled": lambda module: torch.compile(nn.DataParallel(module)),
}


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).eval()


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_module_is_the_module_inside_of_it(name: str) -> None:
    module = plain()
    expected, names = from_torch(module, ROW)
    apply, params = from_torch(WRAPPERS[name](module), ROW)
    assert set(params) == set(names)
    np.testing.assert_array_equal(apply(params, ROW.numpy()), expected(names, ROW.numpy()))
    assert find_symmetry(apply, params, ROW.numpy()).sizes == {"0": 4}


@pytest.mark.parametrize("name", WRAPPERS)
def test_params_are_written_through_what_wraps_a_module(name: str) -> None:
    module = plain()
    wrapped = WRAPPERS[name](module)
    _, params = from_torch(module, ROW)
    assert to_torch({key: 0 * leaf for key, leaf in params.items()}, wrapped) is wrapped
    assert not any(weight.any() for weight in module.parameters())
