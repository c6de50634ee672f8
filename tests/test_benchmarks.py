"""The benchmarks still run, on networks that are tiny."""

import numpy as np
import pytest
from benchmarks.alignment import peers, plain
from benchmarks.alignment.memory import noisy_copies
from benchmarks.peers.environments import PeerError
from benchmarks.table import Table, write_to_page

import onebasin as ob

NETWORK = ob.mlp(6, (5, 4), 3)


def random_network(seed: int) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    sizes = {"hidden_0": (6, 5), "hidden_1": (5, 4), "out": (4, 3)}
    normal = lambda *shape: rng.standard_normal(shape, np.float32)
    return {name: {"kernel": normal(*s), "bias": normal(s[1])} for name, s in sizes.items()}


def test_a_peer_that_cannot_be_installed_is_a_row_that_says_why(monkeypatch):
    def refuse(*_: object, **__: object) -> float:
        raise PeerError("not installed: no network")

    monkeypatch.setattr(peers, "align_in_environment", refuse)
    first, second = random_network(0), random_network(1)
    rows = {row[0]: row for row in peers.compare("6-5-4-3", NETWORK, first, second).rows}
    assert rows["rebasin"][-1] == "not installed: no network"
    found = plain.distance(first, plain.one_draw(first, second))
    assert rows["plain"][-1] == f"{found:.3f}"
    assert float(rows["onebasin, thorough"][-1]) <= float(rows["onebasin, fast"][-1])


def test_what_changes_the_function_is_refused_as_an_alignment():
    before, after = random_network(0), random_network(1)
    with pytest.raises(ValueError, match="must keep the function. That of a peer changes it"):
        peers._check_function("a peer", NETWORK, before, after)


def test_draws_of_the_memory_benchmark_are_noisy_copies_of_their_center():
    center = random_network(0)
    draws = noisy_copies(NETWORK, center, 3, "float16")
    assert draws["out"]["kernel"].shape == (1, 3, 4, 3)
    samples = ob.Samples(draws)
    aligned = ob.align(samples, NETWORK.symmetry, reference=ob.to(center)).apply(samples)
    assert plain.distance(center, aligned.draw(0, 2)) < 2


def test_tables_replace_those_of_their_benchmark_on_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- benchmark: one -->\nold\n<!-- end of benchmark -->\nb\n")
    tables = [Table("Title", ["x", "y"], [["1", "2"]])]
    write_to_page(page, "one", tables)
    write_to_page(page, "one", tables)
    table = "**Title**\n\n| x | y |\n| --- | --- |\n| 1 | 2 |"
    place = f"<!-- benchmark: one -->\n\n{table}\n\n<!-- end of benchmark -->"
    assert page.read_text() == f"a\n{place}\nb\n"
    with pytest.raises(ValueError, match="benchmark: other"):
        write_to_page(page, "other", tables)
