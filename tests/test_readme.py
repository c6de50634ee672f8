"""The README's code runs as it stands, but for fewer draws."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_code_block_of_the_readme_runs(number):
    code = BLOCKS[number]
    fewer = code.replace("num_steps=60", "num_steps=5, num_warmup=5")
    fewer = fewer.replace("num_draws=250", "num_draws=6").replace("size=(4, 100", "size=(4, 10")
    names = {}
    exec(compile(fewer, f"README block {number}", "exec"), names)
    assert names["compact"].std is not None


def test_the_first_screen_holds_both_commands_and_a_figure():
    first = README.splitlines()[:25]
    assert any(line.startswith("make demo") for line in first)
    assert any(line.startswith("make test") for line in first)
    assert any("docs/figures/" in line for line in first)


def test_links_lead_to_files_of_the_repository():
    root = Path(__file__).parents[1]
    for target in re.findall(r"(?:\]\(|src=\")(?!http)([^)#\"]+)", README):
        assert (root / target).exists(), target
