"""Masks go into modules of PyTorch through its own pruning."""

import jax
import numpy as np
import pytest

import onebasin as ob
from onebasin.interchange import masks_to_torch

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

pytestmark = pytest.mark.slow


def module_of() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()


def test_pruned_params_and_masked_modules_compute_the_same() -> None:
    module = module_of()
    params = ob.from_state_dicts([module.state_dict()]).draw(0, 0)
    scores = jax.tree.map(abs, params)
    pruned = ob.prune(params, scores, 0.5)
    masks = jax.tree.map(lambda leaf: leaf != 0, pruned)
    x = torch.randn(5, 3)
    zeroed = ob.adapters.to_torch(pruned, module_of())(x)
    masked = masks_to_torch(masks, module)
    assert masked is module
    assert prune.is_pruned(module)
    assert torch.equal(masked(x), zeroed)
    prune.remove(module[0], "weight")
    np.testing.assert_array_equal(module[0].weight.detach(), pruned["weights"]["0.weight"])


def test_masks_of_some_weights_leave_the_others_alone() -> None:
    module = module_of()
    masks_to_torch({"2.weight": np.eye(2, 4), "0.bias": np.ones(4)}, module)
    assert module[2].weight_mask.sum() == 2
    assert not hasattr(module[0], "bias_orig")
    assert dict(module[2].named_parameters()).keys() == {"bias", "weight_orig"}


def test_a_wrapped_module_is_unwrapped() -> None:
    module = module_of()
    masks_to_torch({"2.weight": np.eye(2, 4)}, nn.DataParallel(module))
    assert hasattr(module[2], "weight_mask")


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ({"3.weight": np.ones((2, 4))}, r"Unexpected: '3\.weight'"),
        (
            {"2.weight": np.ones((4, 2))},
            r"'2\.weight' must have 0 or 1 .*\(2, 4\)\. Got .*\(4, 2\)",
        ),
        ({"2.weight": np.full((2, 4), 0.5)}, r"must have 0 or 1"),
    ],
)
def test_masks_of_something_else_are_told_and_nothing_is_pruned(masks, said) -> None:
    module = module_of()
    with pytest.raises(ValueError, match=said) as error:
        masks_to_torch({"0.weight": np.zeros((4, 3)), **masks}, module)
    assert "\n" not in str(error.value)
    assert not prune.is_pruned(module)


def test_tied_weights_are_refused() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    with pytest.raises(ValueError, match="used twice"):
        masks_to_torch({"0.weight": np.eye(3)}, module)
    masks_to_torch({"0.weight": np.ones((3, 3))}, module)
