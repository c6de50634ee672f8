"""The page "Merge two PyTorch models" runs as it stands."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "merging.md").read_text()


def test_two_checkpoints_become_one_module(tmp_path, monkeypatch) -> None:
    torch = pytest.importorskip("torch")
    if find_spec("torchax") is None:
        pytest.skip("needs torchax")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r'```python title="torch"\n(.*?)```', PAGE, re.DOTALL)
    names: dict = {}
    exec(compile("\n".join(blocks[:2]), "docs/merging.md", "exec"), names)
    merged, module = names["merged"], names["module"]
    assert merged.distances[0] < merged.distances_before[0]
    with torch.no_grad():
        expected = module(names["x"]).numpy()
    outputs = names["apply"](merged.params, names["x"].numpy())
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    exec(compile(blocks[2], "docs/merging.md", "exec"), names)
    assert len(names["merged"].parents) == 3
