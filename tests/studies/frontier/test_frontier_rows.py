"""The rows of the frontier: everything that a seed can hold has its entry."""

import math

from frontier_tables import NUMBERS

from onebasin.run.setup import set_up
from onebasin.studies.frontier.matchings import LIKELIHOOD, WITHOUT_SIGNS
from onebasin.studies.frontier.protocol import frontier_config
from onebasin.studies.frontier.refined import refinements
from onebasin.studies.frontier.representations import from_samples
from onebasin.studies.frontier.rows import ENTRIES, KEPT, PATH, kept, pulled


def test_every_representation_that_can_be_made_has_an_entry() -> None:
    # Between them, networks with relu and with tanh have every row.
    configs = [
        frontier_config("digits", "smoke", [f"network.activation={name}"])
        for name in ("relu", "tanh")
    ]
    made = {name for config in configs for name in from_samples(set_up(config))}
    marks = {"hmc", "hmc-chain"} | {kept(count).name for count in KEPT}
    assert set(ENTRIES) == marks | made | set(refinements()) | {"refined-chains"}
    assert set(NUMBERS) <= set(ENTRIES)


def test_families_tell_samples_from_refinements() -> None:
    families = {name: entry.family for name, entry in ENTRIES.items()}
    assert {families[name] for name in (*refinements(), "refined-chains")} == {"refined"}
    assert {families[kept(count).name] for count in KEPT} == {"kept"}
    assert (families["hmc"], families["hmc-chain"]) == ("hmc", "chain")
    assert families[LIKELIHOOD] == families[WITHOUT_SIGNS] == families["direct"] == "samples"


def test_the_path_has_two_ends_and_the_pulls_between_them() -> None:
    pulls = {name: entry.pull for name, entry in ENTRIES.items() if entry.pull is not None}
    ends = {"refined-elbo": 0.0, LIKELIHOOD: math.inf}
    assert pulls == ends | {pulled(pull).name: pull for pull in PATH}
    inside = {name for name, entry in ENTRIES.items() if entry.is_inside_path}
    assert inside == set(pulls) - set(ends)
    assert {name: refinements()[name].pull for name in pulls if name != LIKELIHOOD} == {
        name: pull for name, pull in pulls.items() if name != LIKELIHOOD
    }
