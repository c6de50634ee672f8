"""The table of PyTorch modules: groups as worked out by hand, and the function kept in PyTorch."""

import warnings
from importlib.util import find_spec
from pathlib import Path

import jax
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

import torch_modules as nets
import torch_table
import trials

import onebasin as ob
from onebasin import from_torch
from onebasin.adapters import to_torch
from onebasin.adapters.pytorch_checks import numpy_array

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of torch.compile's own
    pytest.mark.filterwarnings("ignore:Only primitives with a rule can be followed"),
]
PAGE = Path(__file__).parents[2] / "docs" / "pytorch-modules.md"
NAMED = {
    f"{family}, {row.name}": row for family, rows in torch_table.FAMILIES.items() for row in rows
}
# Convolutions and pools in other than two dimensions, and what compiles for several seconds.
TAKES_LONG = ("1D", "3D", "1d", "3d", "nn.Transformer", "matrix_exp", "Cayley", "Householder")
FOUND = [
    pytest.param(name, marks=[pytest.mark.long] if name.endswith(TAKES_LONG) else [])
    for name, row in NAMED.items()
    if not row.refused
]
REFUSED = [name for name, row in NAMED.items() if row.refused]
NUM_EPS = 32


def made(row):
    """The module of a row with random weights, in the mode of the row."""
    torch.manual_seed(0)
    module = row.make()
    return nets.randomized(module).train(row.mode == "train")


def outputs_of(module, inputs):
    """All tensors that a module puts out."""
    with torch.no_grad():
        outputs = module(*inputs)
    return [x for x in torch.utils._pytree.tree_leaves(outputs) if isinstance(x, torch.Tensor)]


def eps_of(module):
    """The eps of the coarsest dtype of a module's weights."""
    dtypes = {tensor.dtype for tensor in module.state_dict().values()}
    return max(
        torch.finfo(dtype).eps for dtype in dtypes if dtype.is_floating_point or dtype.is_complex
    )


@pytest.mark.parametrize("name", FOUND)
def test_groups_are_found_and_pytorch_computes_the_same(name):
    row = NAMED[name]
    module = made(row)
    apply, params = from_torch(module, *row.inputs)
    symmetry = ob.find_symmetry(apply, params, *map(numpy_array, row.inputs))
    assert trials.groups(symmetry) == row.counted(), f"\n{symmetry}\n{symmetry.frozen}"
    if row.fixed:
        assert any(row.fixed in reason for reason in symmetry.frozen.values())
    expected = outputs_of(module, row.inputs)
    moves = ob.symmetry.random_permutation(symmetry, key=jax.random.key(1))
    moved = ob.permute(params, symmetry, moves)
    assert not row.groups or trials.moved(params, moved)
    outputs = outputs_of(to_torch(moved, module), row.inputs)
    largest = max(float(x.abs().max()) for x in expected)
    change = max(float((x - y).abs().max()) for x, y in zip(outputs, expected, strict=True))
    assert change <= NUM_EPS * eps_of(module) * largest


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_one_line(name):
    row = NAMED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what PyTorch has deprecated is refused too
        module = row.make()
    if row.mode == "eval" and isinstance(module, torch.nn.Module):
        module.eval()
    with pytest.raises((TypeError, ValueError)) as refused:
        from_torch(module, *row.inputs)
    assert row.refused in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_are_told_apart_and_the_page_is_up_to_date():
    assert len(NAMED) == sum(map(len, torch_table.FAMILIES.values()))
    assert PAGE.read_text() == torch_table.page(), "make docs-modules"
