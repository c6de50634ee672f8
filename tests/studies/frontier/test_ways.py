"""The ways into one basin that the frontier compares, for activations with and without signs."""

import jax
import numpy as np
import pytest
from tiny_runs import tiny_config

from onebasin.methods import inits
from onebasin.run.setup import Setup, set_up
from onebasin.samples import Samples
from onebasin.studies.frontier.matchings import WITHOUT_SIGNS, Way, ways, ways_that_apply
from onebasin.studies.frontier.protocol import frontier_config
from onebasin.studies.frontier.representations import from_samples

pytestmark = pytest.mark.slow

EVERYWHERE = {"compact", "compact-by-weights"}
BY_ACTIVATIONS = {"compact-by-activations", "compact-by-mixed"}
FISHER, BALANCED = "compact-by-fisher", "compact-balanced"

APPLYING = {
    "mlp": (["kind=mlp"], BY_ACTIVATIONS | {FISHER, BALANCED}),
    "mlp with tanh": (["activation=tanh"], BY_ACTIVATIONS | {FISHER, WITHOUT_SIGNS}),
    "mlp with gelu": (["activation=gelu"], BY_ACTIVATIONS | {FISHER}),
    "mlp of one unit": (["hidden=[4,1]"], BY_ACTIVATIONS | {FISHER}),
    "convnet": (["kind=convnet"], {BALANCED}),
    "convnet of one channel": (["kind=convnet", "width=1"], set()),
    "convnet with tanh": (["kind=convnet", "activation=tanh"], {WITHOUT_SIGNS}),
    "resnet20 by batch": (["kind=resnet20"], {FISHER, BALANCED, WITHOUT_SIGNS}),
    "resnet20 by layer": (["kind=resnet20", "norm=layer"], {FISHER, BALANCED}),
    "vit": (["kind=vit"], {WITHOUT_SIGNS}),
    "lstm": (["kind=lstm"], {WITHOUT_SIGNS}),
}
"""Networks, and the ways that only some can take."""


def setup_of(*changes: str) -> Setup:
    chosen = [f"network.{change}" for change in changes]
    return set_up(frontier_config("digits", "smoke", chosen))


@pytest.mark.parametrize("name", APPLYING)
def test_the_ways_that_apply_are_known_before_anything_is_drawn(name: str) -> None:
    changes, expected = APPLYING[name]
    setup = setup_of(*changes)
    assert set(ways_that_apply(setup)) == EVERYWHERE | expected
    found = from_samples(setup)
    assert set(ways_that_apply(setup)) <= set(found)
    assert ("unit-blocks" in found) == (name != "vit")  # which has dimensions inside of heads
    assert ("compact-mean-without-signs" in found) == (WITHOUT_SIGNS in expected)


@pytest.mark.parametrize(("num_chains", "num_draws"), [(1, 4), (2, 4)])
def test_no_representation_takes_more_draws_than_there_are(num_chains: int, num_draws: int) -> None:
    counts = [f"method.num_chains={num_chains}", f"method.num_draws={num_draws}"]
    config = frontier_config("digits", "smoke", [*counts, "compact.ranks=[2]"])
    found = from_samples(set_up(config))
    few = num_chains * num_draws < 7
    for name in ("low-rank-6", "chosen-8", "chosen-7-shared-std"):
        assert (name in found) == (not few)
    assert {"low-rank-2", "chosen-4"} <= set(found)


def ways_of(activation: str) -> dict[str, Way]:
    """All ways for a few random networks."""
    setup = set_up(tiny_config("digits", f"network.activation={activation}"))
    networks = inits(setup.posterior.init, 6, key=jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(2, 3, *leaf.shape[1:]), networks)
    return ways(setup, Samples(params, {"lp": np.zeros((2, 3), np.float32)}))


@pytest.mark.parametrize(
    ("activation", "own", "others"),
    [
        ("tanh", WITHOUT_SIGNS, "compact-balanced"),
        ("relu", "compact-balanced", WITHOUT_SIGNS),
    ],
)
def test_each_activation_has_the_rows_of_its_symmetries(
    activation: str, own: str, others: str
) -> None:
    found = ways_of(activation)
    assert own in found
    assert others not in found


def test_the_way_without_signs_permutes_and_the_others_flip_as_well() -> None:
    found = ways_of("tanh")
    signs = {
        name: way.align(way.samples).permutation.signs
        for name, way in found.items()
        if name in ("compact", WITHOUT_SIGNS)
    }
    assert signs["compact"]
    assert not signs[WITHOUT_SIGNS]
    assert found[WITHOUT_SIGNS].symmetry.signs == {}
