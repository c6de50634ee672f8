"""The page "Prune a network" runs as it stands, but for fewer epochs of training."""

import re
import shlex
from importlib.util import find_spec

import jax
import pytest
from commands import onebasin
from pages import DOCS, blocks, run

pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

pytestmark = pytest.mark.slow

PAGE = "pruning.md"


def commands() -> list[list[str]]:
    """The arguments of the page's commands."""
    text = (DOCS / PAGE).read_text("utf-8")
    return [shlex.split(line) for line in re.findall(r"```sh\nonebasin (.*?)\n```", text)]


def test_a_network_is_trained_pruned_and_read_again(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (module,) = blocks(PAGE, "my_nets.py")
    (tmp_path / "my_nets.py").write_text(module)
    (train,) = blocks(PAGE, "train.py", {"range(60)": "range(2)"})
    run(PAGE, train)
    first, second = commands()
    fewer = ("--num-examples", 64)
    with jax.numpy_rank_promotion("allow"):
        for arguments in ((*first, "--by", "magnitude"), (*second, *fewer)):
            done = onebasin(*arguments, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Weights: pruned.safetensors\nMasks: masks.safetensors\n")
    (read,) = blocks(PAGE, "read.py")
    pruned = run(PAGE, read)["pruned"]
    shares = [mask.mean().item() for name, mask in pruned.named_buffers() if "_mask" in name]
    assert min(shares) < 0.3
