"""Operations that torchax lacks or computes otherwise: with all options they are PyTorch's."""

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

from torch import nn
from torch.nn import functional
from torch_table_row import floats, integers

from onebasin import from_torch

pytestmark = pytest.mark.slow


class Scaled(nn.Module):
    """A function of inputs times a weight."""

    def __init__(self, function):
        super().__init__()
        self.function, self.scale = function, nn.Parameter(torch.tensor(1.5))

    def forward(self, x, *others):
        return self.function(x * self.scale, *others)


IMAGE, ROW, MATRIX = floats(2, 3, 7, 6), floats(4, 6), floats(2, 5, 5)
WORDS, TABLE = integers(4, 9), floats(4, 3)
OFFSETS = torch.tensor([0, 2, 2, 7])  # one bag is empty
UNFOLDING = {"kernel_size": (3, 2), "dilation": (2, 1), "padding": (1, 2), "stride": (2, 3)}
FOLDING = {"output_size": (7, 6), **UNFOLDING}
SUMMED = {"mode": "sum", "per_sample_weights": floats(9)}


def bags(**options):
    return lambda table: functional.embedding_bag(WORDS, table, OFFSETS, **options)


OPERATIONS = {
    "unfold": (lambda x: functional.unfold(x, **UNFOLDING), [IMAGE]),
    "unfold of one image": (lambda x: functional.unfold(x, 2), [IMAGE[0]]),
    "fold": (lambda x: functional.fold(functional.unfold(x, **UNFOLDING), **FOLDING), [IMAGE]),
    "bags, mean": (bags(), [TABLE]),
    "bags, largest": (bags(mode="max"), [TABLE]),
    "bags without padding": (bags(padding_idx=2), [TABLE]),
    "bags of weighted words": (bags(**SUMMED), [TABLE]),
    "bags up to the last offset": (bags(include_last_offset=True, mode="sum"), [TABLE]),
    "places of the largest": (
        lambda x: functional.adaptive_max_pool2d(x, (3, 4), return_indices=True),
        [IMAGE],
    ),
    "largest along an axis": (lambda x: x.topk(2, dim=0), [ROW]),
    "smallest": (lambda x: x.topk(3, largest=False), [ROW]),
    "linear systems": (torch.linalg.solve, [MATRIX, floats(2, 5, 5)]),
    "linear systems of vectors": (torch.linalg.solve, [MATRIX, floats(2, 5)]),
    "linear systems from the right": (
        lambda a, b: torch.linalg.solve(a, b, left=False),
        [MATRIX, floats(2, 3, 5)],
    ),
    "transposed convolution in groups": (
        lambda x, w: functional.conv_transpose2d(x, w, None, (2, 1), 1, (1, 0), 3, (2, 1)),
        [IMAGE, floats(3, 2, 3, 2)],
    ),
    "transposed convolution of one image": (
        lambda x, w: functional.conv_transpose2d(x, w, groups=3),
        [IMAGE[0], floats(3, 2, 3, 2)],
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_that_of_pytorch(name):
    function, inputs = OPERATIONS[name]
    module = Scaled(function).eval()
    apply, params = from_torch(module, *inputs)
    with torch.no_grad():
        expected = torch.utils._pytree.tree_leaves(module(*inputs))
    found = torch.utils._pytree.tree_leaves(apply(params, *(x.numpy() for x in inputs)))
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_tensors_that_a_closure_holds_are_used_as_they_are():
    offset = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    apply, params = from_torch(Scaled(lambda x: {"sum": x + offset}).eval(), ROW)
    np.testing.assert_allclose(apply(params, ROW.numpy())["sum"], ROW * 1.5 + offset, rtol=1e-6)
