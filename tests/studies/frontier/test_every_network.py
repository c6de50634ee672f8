"""The frontier runs for every kind of network, at its smallest scale."""

from itertools import pairwise
from pathlib import Path

import pytest

from onebasin.run.config import ConfigError
from onebasin.run.setup import set_up
from onebasin.studies.frontier.protocol import PROTOCOLS, frontier_config
from onebasin.studies.frontier.representations import from_samples
from onebasin.studies.frontier.run import run_frontier
from onebasin.studies.names import Scale

NETWORKS = {
    "mlp": ["network.kind=mlp"],
    "convnet": ["network.kind=convnet"],
    "resnet20 by batch": ["network.kind=resnet20", "network.norm=batch"],
    "resnet20 by layer": ["network.kind=resnet20", "network.norm=layer"],
    "vit": ["network.kind=vit"],
    "lstm": ["network.kind=lstm"],
}


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_the_frontier_scores_every_row_that_applies(name: str, tmp_path: Path) -> None:
    changes = ["data.num_train=80", "data.num_test=40", *NETWORKS[name]]
    config = frontier_config("digits", "smoke", changes)
    protocol = PROTOCOLS["smoke"]._replace(num_seeds=1, num_steps=2)
    rows = run_frontier(config, protocol, tmp_path / "out", lambda *told: None)
    total_variation = rows.set_index("representation")["total_variation"]
    assert set(from_samples(set_up(config))) <= set(total_variation.index)
    assert total_variation.between(0, 1).all()
    assert total_variation["hmc"] == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_asked_for_holds_at_every_scale(name: str) -> None:
    changes = [*NETWORKS[name], "method.num_draws=12", "method.most_draws=12"]
    for scale in PROTOCOLS:
        assert frontier_config("digits", scale, changes).method.num_draws == 12
    smoke, small = (frontier_config("digits", scale, changes) for scale in ("smoke", "small"))
    assert smoke.method.num_warmup < small.method.num_warmup


def test_the_frontier_is_of_hmc_alone() -> None:
    with pytest.raises(ConfigError, match=r'must be "hmc" for the frontier, .* Got \'nuts\'\.'):
        frontier_config("digits", "small", ["method.kind=nuts"])


def test_seeds_and_steps_grow_with_the_scale() -> None:
    scales: list[Scale] = ["smoke", "small", "full"]
    assert list(PROTOCOLS) == scales
    for smaller, larger in pairwise(scales):
        assert PROTOCOLS[smaller].num_seeds < PROTOCOLS[larger].num_seeds
        assert PROTOCOLS[smaller].num_steps <= PROTOCOLS[larger].num_steps
