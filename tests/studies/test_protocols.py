"""Protocols of every scale: valid before anything runs, and the full one is the paper's."""

from typing import get_args

import pytest

from onebasin.studies.dynamics import measure as dynamics
from onebasin.studies.names import Scale
from onebasin.studies.runs import run_configs
from onebasin.studies.transpositions import measure as transpositions, stability

SCALES = get_args(Scale)


@pytest.mark.parametrize("scale", SCALES)
def test_the_runs_of_a_scale_have_configs_that_differ_and_several_seeds(scale):
    configs = [config for _, config in run_configs(scale)]
    assert len({config.model_dump_json() for config in configs}) == len(configs)
    for name in {config.data.name for config in configs}:
        seeds = [config.seed for config in configs if config.data.name == name]
        assert len(set(seeds)) == len(seeds) >= 2
    assert all(config.method.num_chains >= 2 for config in configs)


@pytest.mark.parametrize("scale", SCALES)
def test_planted_transpositions_run_from_none_to_one_cycle(scale):
    chosen = transpositions.PROTOCOLS[scale]
    planted = chosen.planted
    assert planted == sorted(set(planted))
    assert (planted[0], planted[1], planted[-1]) == (0, 1, chosen.hidden - 1)
    assert scale == "smoke" or len(planted) > 10


@pytest.mark.parametrize("scale", SCALES)
def test_three_seeds_at_least_and_checkpoints_within_the_training(scale):
    for protocols in (transpositions.PROTOCOLS, dynamics.PROTOCOLS, stability.PROTOCOLS):
        assert protocols[scale].num_seeds >= 3
    assert dynamics.PROTOCOLS[scale].num_epochs % dynamics.PROTOCOLS[scale].every == 0
    assert min(stability.PROTOCOLS[scale].epochs) >= 1


def test_the_full_scale_is_that_of_the_paper():
    twins, lines = transpositions.PROTOCOLS["full"], dynamics.PROTOCOLS["full"]
    for chosen in (twins, lines):
        # What 60,000 images hold of whole batches of 64.
        assert chosen.num_train == 60_000 // 64 * 64
        assert (chosen.hidden, chosen.num_epochs, chosen.learning_rate) == (512, 50, 1e-3)
    assert len(twins.planted) == 51
