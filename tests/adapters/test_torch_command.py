"""The real command `onebasin symmetry --torch`: its table, and how it refuses bad input."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")
if find_spec("torchax") is None:  # importing it would change PyTorch for all of the process
    pytest.skip("needs torchax", allow_module_level=True)

pytestmark = pytest.mark.slow

ONEBASIN = Path(sys.executable).with_name("onebasin")
MODULES = """
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 6)
        self.mix = nn.Linear(6 + 3, 5)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(5, 2)

    def forward(self, tokens, features):
        both = torch.cat([self.embedding(tokens), features], -1)
        return self.out(self.drop(torch.relu(self.mix(both))))

def convnet(channels=4):
    convs = [nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*convs, nn.Flatten(), nn.Linear(channels * 36, 2))

def sized(width):
    return nn.Linear(width, width)
"""


@pytest.fixture
def onebasin(tmp_path):
    (tmp_path / "my_nets.py").write_text(MODULES)

    def run(*arguments):
        command = [str(ONEBASIN), "symmetry", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    return run


def test_the_symmetry_of_a_module_is_printed(onebasin):
    done = onebasin("--torch", "my_nets:convnet", "--input", "2,3,8,8")
    assert done.returncode == 0, done.stderr
    statistics = "statistics/1.running_mean:0, statistics/1.running_var:0"
    weights = ("0.bias:0", "0.weight:0", "1.bias:0", "1.weight:0", "4.weight:1")
    assert f"{statistics}, {', '.join(f'weights/{x}' for x in weights)}" in done.stdout
    assert "weight settings compute the same function." in done.stdout


def test_a_class_with_several_inputs_is_put_in_evaluation_mode(onebasin):
    done = onebasin("--torch=my_nets:Tagger", "--input=int:2,7", "--input=2,7,3")
    assert done.returncode == 0, done.stderr
    assert "embedding.weight:1, mix.weight:1" in done.stdout
    assert "mix.bias:0, mix.weight:0, out.weight:1" in done.stdout


REFUSED = {
    "wrong sizes": (
        ["my_nets:convnet", "2,5,8,8"],
        ["run on inputs of shapes 2,5,8,8", "channels"],
    ),
    "too few inputs": (["my_nets:Tagger", "int:2,7"], ["missing", "'features'"]),
    "arguments": (["my_nets:sized", "2,3"], ["without arguments", "'width'"]),
    "no module": (["my_nets:MODULES", "2,3"], ["must have a class 'MODULES'"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_module_that_does_not_run_is_one_line(case, onebasin):
    (name, shape), words = REFUSED[case]
    done = onebasin("--torch", name, "--input", shape)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("onebasin: ")
    for word in words:
        assert word in done.stderr
