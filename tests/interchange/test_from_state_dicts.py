"""State_dicts become Samples: from memory, files and shards, with the same numbers."""

import json
import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import onebasin as ob
from onebasin import _trees

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
NAMES = ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.weight")
STATISTICS = {"1.running_mean", "1.running_var"}


def member() -> dict[str, np.ndarray]:
    """The state_dict of a network with a norm, as arrays, with the counter of the norm."""
    shapes = {"0.weight": (4, 3), "2.weight": (2, 4)}
    arrays = {name: RNG.normal(size=shapes.get(name, 4)).astype(np.float32) for name in NAMES}
    return {**arrays, "1.num_batches_tracked": np.array(7)}


MEMBERS = [member() for _ in range(100)]


def wrapped(one: dict, prefix: str = "module.") -> dict:
    return {prefix + name: leaf for name, leaf in one.items()}


def assert_all(samples: ob.Samples) -> None:
    """The weights and statistics of all members, in their order."""
    assert (samples.num_chains, samples.num_draws) == (1, 100)
    assert set(samples.params) == {"weights", "statistics"}
    assert set(samples.params["statistics"]) == STATISTICS
    for kind in samples.params.values():
        for name, leaf in kind.items():
            np.testing.assert_array_equal(leaf[0], np.stack([one[name] for one in MEMBERS]))
    assert set(samples.params["weights"]) == set(NAMES) - STATISTICS


def test_a_list_gives_all_draws_without_prefixes_and_counters() -> None:
    assert_all(ob.from_state_dicts(MEMBERS))
    for prefix in ("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."):
        assert_all(ob.from_state_dicts([wrapped(one, prefix) for one in MEMBERS]))
    part = [{n.replace("1.", "1._orig_mod."): x for n, x in one.items()} for one in MEMBERS]
    assert_all(ob.from_state_dicts(part))


def test_a_hundred_files_of_safetensors_are_read_in_natural_order(tmp_path) -> None:
    for number, one in enumerate(MEMBERS):
        save_file(wrapped(one), tmp_path / f"net-{number}.safetensors")
    (tmp_path / "config.json").write_text("{}")
    assert_all(ob.from_state_dicts(tmp_path))
    assert_all(ob.from_state_dicts(str(tmp_path / "net-*.safetensors")))
    few = ob.from_state_dicts(tmp_path / "net-3.safetensors").params["weights"]["0.bias"]
    np.testing.assert_array_equal(few[0], [MEMBERS[3]["0.bias"]])


def test_a_hundred_files_of_torch_give_the_same_draws(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    for number, one in enumerate(MEMBERS):
        tensors = {name: torch.as_tensor(leaf) for name, leaf in wrapped(one).items()}
        torch.save(tensors, tmp_path / f"net-{number}.pt")
    assert_all(ob.from_state_dicts(tmp_path))
    assert_all(ob.from_state_dicts(str(tmp_path / "net-*.pt")))


def test_shards_are_joined_by_their_index_in_a_folder_for_each_network(tmp_path) -> None:
    for number, one in enumerate(MEMBERS):
        folder = tmp_path / f"checkpoint-{number}"
        folder.mkdir()
        shards = {"a.safetensors": NAMES[:3], "b.safetensors": NAMES[3:]}
        places = {name: file for file, names in shards.items() for name in names}
        for file, names in shards.items():
            save_file({name: one[name] for name in names}, folder / file)
        index = folder / "model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": places}))
    assert_all(ob.from_state_dicts(tmp_path))
    assert_all(ob.from_state_dicts(str(tmp_path / "*" / "*.index.json")))
    (tmp_path / "checkpoint-5" / "a.safetensors").unlink()
    with pytest.raises(ob.store.StoreError, match=r"'a\.safetensors' in .*checkpoint-5"):
        ob.from_state_dicts(tmp_path)


def test_chains_are_counted_off_in_order() -> None:
    samples = ob.from_state_dicts(MEMBERS, num_chains=20)
    assert (samples.num_chains, samples.num_draws) == (20, 5)
    found = samples.draw(3, 2)["weights"]["0.weight"]
    np.testing.assert_array_equal(found, MEMBERS[17]["0.weight"])
    with pytest.raises(ValueError, match=r"Got 100 state_dicts for 3 chains"):
        ob.from_state_dicts(MEMBERS, num_chains=3)


def test_like_says_what_there_must_be(tmp_path) -> None:
    flat = {name: leaf for name, leaf in MEMBERS[0].items() if name in NAMES}
    like = {
        "weights": {name: leaf for name, leaf in flat.items() if name not in STATISTICS},
        "statistics": {name: flat[name] for name in STATISTICS},
    }
    assert_all(ob.from_state_dicts([wrapped(one) for one in MEMBERS], like=like))
    plain = ob.from_state_dicts(MEMBERS, like=flat).params
    assert set(plain) == set(NAMES)
    other = {**flat, "0.weight": np.zeros((5, 3))}
    with pytest.raises(
        ValueError, match=r"'0\.weight' must have the shape .*\(5, 3\)\. Got \(4, 3\)"
    ):
        ob.from_state_dicts(MEMBERS, like=other)
    with pytest.raises(ValueError, match=r"as the module\. Missing: '3\.bias'"):
        ob.from_state_dicts(MEMBERS, like={**flat, "3.bias": np.zeros(2)})


def test_bfloat16_of_safetensors_stays_so(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_tensors

    tensor = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    save_tensors({"w": tensor}, tmp_path / "a.safetensors")
    torch.save({"w": tensor}, tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        leaf = ob.from_state_dicts(tmp_path / name).params["w"]
        assert leaf.dtype.name == "bfloat16"
        np.testing.assert_array_equal(leaf.astype(np.float32), [[[1.5, -2.0]]])


def assert_told(said: str, *arguments, **keywords) -> None:
    with pytest.raises(ValueError, match=said) as error:
        ob.from_state_dicts(*arguments, **keywords)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_what_differs_is_told_with_the_file(tmp_path) -> None:
    other = {**MEMBERS[1], "0.gain": np.ones(3, np.float32)}
    wide = {**MEMBERS[1], "0.weight": np.zeros((4, 5), np.float32)}
    double = {**MEMBERS[1], "0.bias": np.zeros(4)}
    told = {
        "other": (other, r"as the first, .*net-0\S* Unexpected: '0\.gain'\. This is at .*net-9"),
        "wide": (wide, r"\(\(4, 3\), 'float32'\) in '0\.weight'.*Got \(\(4, 5\).*net-9"),
        "double": (double, r"'float32'\) in '0\.bias'.*Got \(\(4,\), 'float64'\) at .*net-9"),
    }
    for name, (one, said) in told.items():
        folder = tmp_path / name
        folder.mkdir()
        save_file(MEMBERS[0], folder / "net-0.safetensors")
        save_file(one, folder / "net-9.safetensors")
        assert_told(said, folder)


def test_pickles_and_mixed_folders_are_refused(tmp_path) -> None:
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(MEMBERS[0]))
    assert_told(r"because other pickles run code\. Got .*net\.pkl", tmp_path)
    assert_told(r"because other pickles run code\. Got .*net\.pkl", tmp_path / "net.pkl")
    (tmp_path / "net.pkl").unlink()
    assert_told(r"must hold \.pt, \.pth, \.bin or \.safetensors files\. Got none", tmp_path)
    save_file(MEMBERS[0], tmp_path / "a.safetensors")
    (tmp_path / "b.pt").write_bytes(b"")
    assert_told(r"files of one kind\. Got \['\.pt', '\.safetensors'\]", tmp_path)
    assert_told(r"must exist\. Got none at .*none-\*\.pt", str(tmp_path / "none-*.pt"))
    if find_spec("torch"):
        assert_told(r"must be a whole state_dict file", tmp_path / "b.pt")
    else:
        with pytest.raises(ImportError, match=r"b\.pt needs PyTorch\. Install it"):
            ob.from_state_dicts(tmp_path / "b.pt")


def test_what_is_no_list_of_state_dicts_is_told() -> None:
    assert_told(r"takes a list of state_dicts.*Got none", [])
    assert_told(r"takes a list of state_dicts.*Got dict.*\[module\.state_dict\(\)\]", MEMBERS[0])
    assert_told(r"Got int under 'epoch' at place 0.*checkpoint", [{**MEMBERS[0], "epoch": 3}])
    assert_told(r"must map names to tensors\. Got list", [[1, 2]])
    assert_told(r"tensor of real numbers", [{"n.num_batches_tracked": np.array(3)}])


def test_a_file_with_code_in_it_is_refused_and_does_not_run(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (ran,)

    torch.save({"w": torch.ones(2), "evil": Evil()}, tmp_path / "net.pt")
    assert_told(r"must be a whole state_dict file\. Got: Weights only load failed", tmp_path)
    assert not ran.exists()


def test_a_module_says_names_ties_and_statistics(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    if find_spec("torchax") is None:
        pytest.skip("needs torchax")
    from torch import nn

    class Tied(nn.Module):
        """An embedding that is read out by itself, and a norm."""

        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 4)
            self.norm = nn.BatchNorm1d(4)
            self.out = nn.Linear(4, 5, bias=False)
            self.out.weight = self.embed.weight
            self.register_buffer("places", torch.arange(3))

        def forward(self, x):
            return self.out(self.norm(self.embed(x)))

    module = Tied().eval()
    torch.save(nn.DataParallel(module).state_dict(), tmp_path / "net.pt")
    samples = ob.from_state_dicts(tmp_path / "net.pt", module)
    apply, params = ob.from_torch(module, torch.tensor([0, 3]))
    found, expected = _trees.named_leaves(samples.draw(0, 0)), _trees.named_leaves(params)
    assert found.keys() == expected.keys()
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf)
    apply(samples.draw(0, 0), np.array([0, 3]))
    with pytest.raises(ValueError, match=r"not both"):
        ob.from_state_dicts(tmp_path / "net.pt", module, params)
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module"):
        ob.from_state_dicts(tmp_path / "net.pt", params)
