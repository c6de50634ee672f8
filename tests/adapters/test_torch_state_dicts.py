"""A whole state_dict, counters of batches included, is taken where from_torch's params are."""

import copy
from importlib.util import find_spec

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

from torch import nn

import onebasin as ob
from onebasin import _trees

INPUTS = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
COUNTERS = {"1.num_batches_tracked", "3.num_batches_tracked"}


def module_of(seed: int):
    """Trained on one batch, so that counters count."""
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)
    )
    module(torch.tensor(INPUTS))
    return module.eval()


def state_dict_of(module):
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


@pytest.fixture(scope="module")
def made():
    module = module_of(0)
    apply, params = ob.from_torch(module, torch.tensor(INPUTS))
    return module, apply, params, state_dict_of(module)


def assert_equal(found, expected) -> None:
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_functions_take_it(made) -> None:
    _, apply, params, saved = made
    assert saved.keys() >= COUNTERS
    assert_equal(apply(saved, INPUTS), apply(params, INPUTS))
    renewed = apply.recalibrate(saved, INPUTS)
    assert_equal(apply(renewed, INPUTS), apply(apply.recalibrate(params, INPUTS), INPUTS))


def test_a_symmetry_is_found_for_it_and_permutes_it(made, key) -> None:
    _, apply, params, saved = made
    symmetry = ob.find_symmetry(apply, saved, INPUTS)
    assert symmetry == ob.find_symmetry(apply, params, INPUTS)
    permutation = ob.symmetry.random_permutation(symmetry, key=key)
    moved = ob.permute(saved, symmetry, permutation)
    assert_equal(moved, ob.permute(params, symmetry, permutation))
    assert ob.verify(symmetry, apply, saved, INPUTS).symmetry == symmetry


def test_samples_of_state_dicts_are_aligned_as_params_are(made) -> None:
    _, apply, params, saved = made
    symmetry = ob.find_symmetry(apply, params, INPUTS)
    other = module_of(1)
    stacked = lambda *trees: jax.tree.map(lambda *x: np.stack(x)[:, None], *trees)
    whole = ob.Samples(stacked(saved, state_dict_of(other)))
    plain = ob.Samples(stacked(params, ob.from_torch(other, torch.tensor(INPUTS))[1]))
    found, expected = (
        ob.align(samples, symmetry, reference=ob.to_first()) for samples in (whole, plain)
    )
    assert_equal(found.permutation, expected.permutation)
    assert_equal(found.apply(whole).params, expected.apply(plain).params)
    assert_equal(ob.align(whole, symmetry, reference=ob.to(saved)).objective, found.objective)


def test_it_is_written_back_and_counters_stay(made) -> None:
    module, _, params, saved = made
    fresh = copy.deepcopy(module_of(2))
    fresh[1].num_batches_tracked += 7
    ob.adapters.to_torch(saved, fresh)
    for name, tensor in fresh.state_dict().items():
        expected = 8 if name == "1.num_batches_tracked" else module.state_dict()[name]
        assert torch.equal(tensor, torch.as_tensor(expected))
    with_batch = ob.adapters.to_torch(params, module_of(2))
    assert torch.equal(with_batch[1].running_mean, module[1].running_mean)


def test_names_of_another_module_are_told_by_a_few_that_differ(made) -> None:
    module, apply, params, saved = made
    wrapped = {f"module.{name}": leaf for name, leaf in saved.items()}
    for use in (lambda: ob.adapters.to_torch(wrapped, module), lambda: apply(wrapped, INPUTS)):
        with pytest.raises(ValueError, match=r"Missing: .* more\. Unexpected: .*'module\.") as told:
            use()
        assert str(told.value).count("'module.") == 5
    symmetry = ob.find_symmetry(apply, params, INPUTS)
    permutation = symmetry.identity()
    renamed = {**saved, "4.weights": saved["4.weight"]}
    del renamed["4.weight"]
    with pytest.raises(ValueError, match="the leaves that the symmetry lists") as told:
        ob.permute(renamed, symmetry, permutation)
    assert len(str(told.value)) < 500


def test_differences_name_a_few_of_each_kind() -> None:
    told = _trees.difference([f"w{n}" for n in range(9)], ["w0", "b"])
    assert told == "Missing: 'b'. Unexpected: 'w1', 'w2', 'w3', 'w4', 'w5' and 3 more."
