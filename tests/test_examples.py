"""Examples run as they stand, or are configs that can be run."""

import importlib.util
from pathlib import Path

import jax
import pytest

from onebasin.run.config import load_config

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_an_example_config_can_be_run(path):
    assert load_config(str(path)).data.name


def test_samples_drawn_elsewhere_are_summarized(capsys, monkeypatch):
    path = EXAMPLES / "blackjax_samples.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "NUM_WARMUP", 20)
    monkeypatch.setattr(example, "NUM_DRAWS", 20)
    with jax.numpy_rank_promotion("allow"):  # a user's own code is not held to it
        example.main()
    printed = capsys.readouterr().out
    assert [line.split(":")[0].strip() for line in printed.splitlines()] == [
        "unaligned",
        "aligned",
        "null floor",
        "verdict",
    ]
