"""The ways into one basin that the frontier compares, for activations with and without signs."""

import jax
import numpy as np
import pytest
from tiny_runs import tiny_config

from onebasin.inference.method import inits
from onebasin.run.setup import set_up
from onebasin.samples import Samples
from onebasin.studies.frontier.matchings import WITHOUT_SIGNS, Way, ways
from onebasin.studies.frontier.representations import from_samples
from onebasin.symmetry.axes_values import is_sign


def ways_of(activation: str) -> dict[str, Way]:
    """All ways for a few random networks."""
    setup = set_up(tiny_config("digits", f"network.activation={activation}"))
    networks = inits(setup.posterior.init, jax.random.key(0), 6)
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
    has_mean = "compact-mean-without-signs" in from_samples(found)
    assert has_mean == (activation == "tanh")


def test_the_way_without_signs_permutes_and_the_others_flip_as_well() -> None:
    found = ways_of("tanh")
    entries = {
        name: set(way.align(way.samples).permutation)
        for name, way in found.items()
        if name in ("compact", WITHOUT_SIGNS)
    }
    assert any(map(is_sign, entries["compact"]))
    assert not any(map(is_sign, entries[WITHOUT_SIGNS]))
    assert found[WITHOUT_SIGNS].symmetry.signs == {}
