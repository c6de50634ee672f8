"""The main job: a tiny run of each kind has every result, twice the same, and can be resumed."""

import json
import math
import shutil
from pathlib import Path

import arviz_base
import arviz_stats
import jax
import numpy as np
import pytest
import scipy.special
import xarray as xr
from changed_results import with_changes
from tiny_runs import results_of, tiny_config

from onebasin.alignment import Alignment, null_draws, rms, to_mean
from onebasin.gaussians import load_gaussian
from onebasin.run.begin import open_run
from onebasin.run.config import RunConfig, check_config
from onebasin.run.representations import COMPACT_MEAN, all_draws, kept_draws
from onebasin.run.results import SCHEMA, STEPS, Results, Step
from onebasin.run.run import open_setup, take_step, take_steps
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import set_up
from onebasin.run.steps.sample import draw_by_sampler
from onebasin.store import SampleWriter, StoreError, load_samples, save_samples
from onebasin.store.draws import is_whole
from onebasin.symmetry import random_num_transpositions

pytestmark = pytest.mark.slow  # whole runs are made for these tests

NUM_UNITS, NUM_DRAWS, NUM_MEMBERS = 12, 8, 2
KEEPS = [1.0, 0.5, 0.2, 0.1]


one_run_is_enough = pytest.mark.parametrize("config", ["digits"], indirect=True)


def is_classification(config: RunConfig) -> bool:
    return config.data.name == "digits"


def num_draws(config: RunConfig) -> int:
    """The draws of all chains."""
    return config.method.num_chains * NUM_DRAWS


def without_seconds(run: RunDirectory) -> Results:
    steps = {step: {"seconds": 0.0} for step in STEPS}
    return with_changes(results_of(run), steps | {"report_seconds": None})


def copy_of(run: RunDirectory, path: Path) -> RunDirectory:
    shutil.copytree(run.path, path)
    return RunDirectory(path)


def test_results_have_every_part(run: RunDirectory, config: RunConfig) -> None:
    written = json.loads((run.path / "results.json").read_text())
    assert set(written) == {"schema", "config", "versions", *STEPS, "report_seconds"}
    assert written["schema"] == SCHEMA
    results = results_of(run)
    assert all(results.of_step(step) is not None for step in STEPS)
    assert results.config == config == check_config(run.config)
    assert results.versions["jax"] == jax.__version__
    assert tuple(results.seconds) == (*STEPS, "report")
    assert all(seconds > 0 for seconds in results.seconds.values())


def test_the_sizes_of_the_data_are_those_of_its_parts(run: RunDirectory) -> None:
    dataset, sizes = open_setup(run).dataset, results_of(run).sample.data
    assert (sizes.task, sizes.num_features) == (dataset.task, dataset.num_features)
    parts = (dataset.train, dataset.validation, dataset.test)
    assert (sizes.train, sizes.validation, sizes.test) == tuple(map(len, parts))


def test_results_hold_no_number_that_json_cannot(run: RunDirectory) -> None:
    json.loads((run.path / "results.json").read_text(), parse_constant=pytest.fail)


def test_every_representation_is_scored(run: RunDirectory, config: RunConfig) -> None:
    found = results_of(run).compare.representations
    values_per_weight = {
        one.representation.key: one.representation.values_per_weight for one in found
    }
    assert len(found) == len(values_per_weight)
    of_chains = {"hmc-chain": NUM_DRAWS} if config.method.num_chains > 1 else {}
    of_ranks = {"compact-rank-2": 4, "compact-rank-2-whole": 4} if config.compact.ranks else {}
    assert values_per_weight == of_chains | of_ranks | {
        "hmc": num_draws(config),
        "direct": 2,
        "compact": 2,
        "refined": 2,
        "compact-mean": 1,
        "kept-1": 1,
        "kept-2": 2,
        "kept-4": 4,
        "ensemble": NUM_MEMBERS,
        "compact-ensemble": 2,
        "vi": 2,
    }
    classes = {"accuracy", "brier", "agreement"}
    names = {"nll", "ece", "total_variation"} | (
        classes if is_classification(config) else {"rmse", "crps"}
    )
    assert all(set(one.scores.model_dump(exclude_none=True)) == names for one in found)


def test_scores_lie_in_their_ranges(run: RunDirectory, config: RunConfig) -> None:
    for scores in (one.scores for one in results_of(run).compare.representations):
        assert math.isfinite(scores.nll)
        assert 0 <= scores.ece <= 1
        assert 0 <= scores.total_variation <= 1
        if is_classification(config):
            assert 0 <= scores.accuracy <= 1
            assert 0 <= scores.brier <= 2
            assert 0 <= scores.agreement <= 1
        else:
            assert scores.rmse > 0
            assert scores.crps > 0
            assert scores.brier is scores.agreement is None


def test_hmc_is_what_all_others_are_measured_by(run: RunDirectory, config: RunConfig) -> None:
    found = results_of(run).compare
    hmc = all_draws("hmc", num_draws(config))
    assert found.scores(hmc).total_variation == 0
    assert found.scores(hmc).agreement == (1 if is_classification(config) else None)
    others = [one.scores for one in found.representations if one.representation != hmc]
    assert len(others) == len(found.representations) - 1
    assert all(scores.total_variation > 0 for scores in others)


def test_kept_draws_come_nearer_to_hmc_the_more_are_kept(run: RunDirectory) -> None:
    one, four = (results_of(run).compare.scores(kept_draws(count)) for count in (1, 4))
    assert four.total_variation < one.total_variation


def test_transpositions_stand_beside_their_baseline(run: RunDirectory, config: RunConfig) -> None:
    found = results_of(run).align.transpositions
    if config.method.num_chains > 1:
        assert 0 <= found.between_chains <= NUM_UNITS - 1
    else:
        assert found.between_chains is None
    assert [at.lag for at in found.by_lag] == [1, 2, 4]
    assert all(0 <= at.count <= NUM_UNITS - 1 for at in found.by_lag)
    baseline = random_num_transpositions(open_setup(run).posterior.symmetry)
    assert (found.baseline_mean, found.baseline_std) == pytest.approx(baseline)


def test_barriers_between_chains_are_those_of_draws_averaged_by_hand(
    run: RunDirectory, config: RunConfig
) -> None:
    found, setup = results_of(run).compare.basin, open_setup(run)
    if config.method.num_chains == 1:
        assert found is None
        return
    samples = load_samples(run.samples("hmc"), setup.template).load()
    alignment = Alignment.load(run.alignment("hmc"), setup.posterior.symmetry)
    test = setup.dataset.test

    def nll(network) -> float:
        outputs = np.asarray(setup.posterior.network.apply(network, test.inputs), np.float64)
        log_probs = scipy.special.log_softmax(outputs, axis=1)
        return -log_probs[np.arange(len(test.targets)), test.targets].mean()

    for draws, barrier in (
        (samples, found.unaligned),
        (alignment.apply(samples), found.aligned),
    ):
        pairs = [(draws.draw(0, n), draws.draw(1, n)) for n in range(NUM_DRAWS)]
        middle = [nll(jax.tree.map(lambda x, y: (x + y) / 2, a, b)) for a, b in pairs]
        ends = [(nll(a) + nll(b)) / 2 for a, b in pairs]
        np.testing.assert_allclose(barrier.pairs, np.subtract(middle, ends), atol=1e-4)
        assert found.loss == pytest.approx(np.mean(ends), rel=1e-4)
    assert found.share_removed == pytest.approx(1 - found.aligned.mean / found.unaligned.mean)
    assert f"{found.aligned.mean:.2f} nats" in found.words
    assert len(found.within.pairs) == NUM_DRAWS
    assert found.verdict == "cannot tell"  # of two chains


def test_every_std_stands_beside_its_null_floor(run: RunDirectory, config: RunConfig) -> None:
    found = results_of(run).summarize.null_floor
    assert found.std > 0
    assert found.null_std > 0
    assert 0 <= found.share_below <= 1
    assert 0 <= found.ess_median <= num_draws(config)
    assert 0 <= found.undecided_share <= 1
    assert all(floor.ess_median >= 0 for floor in found.by_array.values())
    names = {"hidden_0/kernel", "hidden_0/bias", "out/kernel", "out/bias"}
    if "likelihood" in open_setup(run).template:
        names = {f"weights/{name}" for name in names} | {"likelihood/log_noise_std"}
    assert set(found.by_array) == names


def test_gaussians_are_compared_in_both_orders_aligned_and_not(run: RunDirectory) -> None:
    comparisons = results_of(run).compare.comparisons
    found = {(pair.first, pair.second): pair for pair in comparisons}
    names = ("compact", "compact-ensemble", "vi")
    assert set(found) == {(a, b) for a in names for b in names if a != b}
    assert len(comparisons) == len(found)
    for (first, second), pair in found.items():
        mirrored = found[second, first]
        for ours, theirs in (
            (pair.aligned, mirrored.aligned),
            (pair.unaligned, mirrored.unaligned),
        ):
            assert ours.wasserstein2 > 0
            assert ours.kl is None or ours.kl > 0
            assert ours.wasserstein2 == pytest.approx(theirs.wasserstein2)
        assert pair.aligned != pair.unaligned
        assert pair.weights == mirrored.weights
        for kind in ("mean", "std"):
            differs, equivalent, undecided = (
                getattr(pair.weights, f"{name}_{kind}")
                for name in ("differs", "equivalent", "undecided")
            )
            assert max(differs, equivalent) <= 1 - undecided <= differs + equivalent + 1e-9


def test_pruning_has_a_curve_and_an_interval_for_every_order(
    run: RunDirectory, config: RunConfig
) -> None:
    orders = {"std", "signal-to-noise", "magnitude", "random"}
    misaligned = {"std-misaligned", "signal-to-noise-misaligned"}
    results = results_of(run)
    found = [(curve.network, curve.order) for curve in results.prune.curves]
    assert sorted(found) == sorted(
        [("compact-mean", name) for name in orders]
        + [("member", name) for name in orders | misaligned]
    )
    unpruned = results.compare.scores(COMPACT_MEAN)
    score = unpruned.accuracy if is_classification(config) else unpruned.rmse
    for curve in results.prune.curves:
        assert [point.keep for point in curve.points] == KEEPS
        values = [value for point in curve.points for value in point.model_dump().values()]
        assert all(map(math.isfinite, values))
        if curve.network == "compact-mean":
            whole = curve.points[0]
            expected = [1.0, score, unpruned.nll]
            assert [whole.keep, whole.score, whole.nll] == pytest.approx(expected, rel=1e-5)


def test_the_bootstrap_interval_of_the_mean_network_holds_its_score(run: RunDirectory) -> None:
    for curve in results_of(run).prune.curves:
        for point in curve.points:
            assert point.low <= point.high
            if curve.network == "compact-mean":
                assert point.low - 1e-9 <= point.score <= point.high + 1e-9


def test_alignment_leaves_the_function_as_it_is(run: RunDirectory, config: RunConfig) -> None:
    found = results_of(run).align.alignment
    assert 0 <= found.converged_share <= 1
    assert math.isfinite(found.objective)
    assert 0 <= found.max_function_change < 1e-4


def test_samples_and_gaussians_lie_in_the_run_directory(
    run: RunDirectory, config: RunConfig
) -> None:
    like = open_setup(run).template
    samples = load_samples(run.samples("hmc"), like)
    assert (samples.num_chains, samples.num_draws) == (config.method.num_chains, NUM_DRAWS)
    with xr.open_datatree(run.samples("hmc"), engine="zarr", consolidated=False) as tree:
        sizes = tree["posterior"].sizes
    groups = open_setup(run).posterior.symmetry.sizes
    assert {group: sizes[group] for group in groups} == groups
    stats = {"lp", "energy", "acceptance_rate", "diverging", "step_size", "n_steps"}
    assert stats == set(samples.stats)
    members = load_samples(run.samples("ensemble"), like)
    assert (members.num_chains, members.num_draws) == (NUM_MEMBERS, 1)
    ranks = [f"compact-rank-{rank}" for rank in config.compact.ranks]
    for name in ("direct", "compact", *ranks, "compact-ensemble", "vi", "null"):
        gaussian, _ = load_gaussian(run.compact(name), like)
        assert jax.tree.structure(gaussian.mean) == jax.tree.structure(like)
    assert not list(run.path.rglob("*.partial"))


def test_arviz_opens_and_summarizes_the_draws_that_a_run_stored(
    run: RunDirectory, config: RunConfig
) -> None:
    store = str(run.samples("hmc"))
    tree = arviz_base.convert_to_datatree(store, engine="zarr", consolidated=False)
    assert arviz_base.extract(tree).sizes["sample"] == num_draws(config)
    assert arviz_stats.bfmi(tree)["energy"].dims == ("chain",)
    (bias,) = [name for name in tree["posterior"].data_vars if str(name).endswith("out.bias")]
    table = arviz_stats.summary(tree, var_names=[bias], round_to="none")
    mean = load_gaussian(run.compact("direct"))[0].mean
    wanted = mean.get("weights", mean)["out"]["bias"]
    np.testing.assert_allclose(table["mean"], wanted, rtol=1e-5)
    tree.close()


def test_the_unaligned_gaussian_is_the_mean_and_std_of_the_draws(run: RunDirectory) -> None:
    like = open_setup(run).template
    samples = load_samples(run.samples("hmc"), like)
    direct, _ = load_gaussian(run.compact("direct"), like)
    jax.tree.map(np.testing.assert_array_equal, direct.mean, samples.mean())
    jax.tree.map(np.testing.assert_array_equal, direct.std, samples.std())


class Interrupted(Exception):
    """Raised between two chunks of HMC, as if the process ended there."""


@pytest.mark.parametrize("config", ["diabetes"], indirect=True)
def test_a_run_that_is_interrupted_twice_gives_the_results_of_one_that_never_was(
    run: RunDirectory, config: RunConfig, tmp_path: Path
) -> None:
    """So equal configs give equal results, in this process and by the real command."""
    told = []

    def stop(what, fraction, details):
        if what.startswith("HMC") and fraction > 0.6:
            raise Interrupted

    setup = set_up(config)
    interrupted = open_run(tmp_path / "interrupted", setup)
    with pytest.raises(Interrupted):
        draw_by_sampler(interrupted, setup, stop)
    assert not is_whole(interrupted.samples("hmc"))
    resumed = open_run(interrupted.path, setup)
    draw_by_sampler(resumed, setup, lambda what, fraction, details: told.append((what, details)))
    assert "(compiling)" in told[0][0]
    assert all("(draws)" in what for what, _ in told[1:]), "the warm-up or starts were done again"
    assert all("resumed at step" in details for _, details in told)
    # As if the power had gone while the ensemble was written: no step behind it is done.
    half = load_samples(run.samples("ensemble"), setup.template).select_chains(0)
    SampleWriter(resumed.samples("ensemble")).append(half)
    resumed.alignment("hmc").with_name("hmc.safetensors.partial").write_bytes(b"half")
    resumed = RunDirectory.resume(resumed.path, config.model_dump(mode="json"))
    take_steps(resumed, open_setup(resumed))
    found, wanted = (load_samples(one.samples("hmc")) for one in (resumed, run))
    jax.tree.map(np.testing.assert_array_equal, found, wanted)
    assert without_seconds(resumed) == without_seconds(run)
    assert not list(resumed.path.rglob("*.partial"))


@one_run_is_enough
def test_a_step_whose_mark_is_gone_is_taken_again_with_all_behind_it(
    run: RunDirectory, tmp_path: Path
) -> None:
    repeated = copy_of(run, tmp_path / "repeated")
    repeated.save_results(results_of(repeated).with_step("summarize", None))
    repeated.compact("compact").unlink()
    told = []
    take_steps(repeated, open_setup(repeated), lambda what, *_: told.append(what))
    assert "aligning" not in told
    assert {"null floor", "predicting", "pruning"} <= set(told)
    assert without_seconds(repeated) == without_seconds(run)


def test_a_finished_run_has_nothing_left_to_do(run: RunDirectory) -> None:
    before = (run.path / "results.json").read_bytes()
    told = []
    take_steps(run, open_setup(run), lambda *words: told.append(words))
    assert told == []
    assert (run.path / "results.json").read_bytes() == before


def test_a_step_needs_those_before_it(tmp_path: Path) -> None:
    setup = set_up(tiny_config("digits"))
    run = open_run(tmp_path / "run", setup)
    message = r"step compare needs the results of the step sample\..*onebasin step sample"
    with pytest.raises(StoreError, match=message):
        take_step(run, "compare", setup)


def on_the_same_draws(run: RunDirectory, path: Path, last: Step, *changes: str) -> RunDirectory:
    """A run with another config up to a step. Its draws are there already: nothing is sampled."""
    name = run.config["data"]["name"]
    config = tiny_config(name, *changes)
    setup = set_up(config)
    other = open_run(path, setup)
    like = open_setup(run).template
    for method, count in {"hmc": config.method.num_chains, "ensemble": NUM_MEMBERS}.items():
        chains = load_samples(run.samples(method), like).select_chains(*range(count))
        save_samples(other.samples(method), chains)
    shutil.copy(run.compact("vi-unaligned"), other.compact("vi-unaligned"))
    for step in STEPS[: STEPS.index(last) + 1]:
        take_step(other, step, setup)
    return other


@one_run_is_enough
def test_draws_may_be_relabelled_by_likelihood_and_their_null_floor_with_them(
    run: RunDirectory, tmp_path: Path
) -> None:
    other = on_the_same_draws(
        run,
        tmp_path / "gaussian",
        "summarize",  # later steps read what was aligned, whatever it was aligned by
        "alignment.matching=gaussian",
        "alignment.reference=chains",
    )
    found = results_of(other).align.alignment
    assert (found.matching, found.reference) == ("gaussian", "chains")
    assert found.max_function_change < 1e-4
    # Draws so few hardly move, and neither does their noise: other steps might align it alike.
    setup = open_setup(other)
    samples = load_samples(other.samples("hmc"), setup.template)
    noise = null_draws(samples, setup.posterior.symmetry, key=setup.key("null"))
    aligned = setup.align(noise, to_mean(by_chain=True)).apply(noise)
    null_std = results_of(other).summarize.null_floor.null_std
    assert null_std == pytest.approx(rms(aligned.std()))


@one_run_is_enough
def test_draws_may_be_matched_by_activations(run: RunDirectory, tmp_path: Path) -> None:
    other = on_the_same_draws(
        run,
        tmp_path / "activations",
        "align",
        "alignment.matching=activations",
        "alignment.reference=densest",
        "alignment.num_inputs=50",
    )
    found = results_of(other).align.alignment
    assert (found.matching, found.reference) == ("activations", "densest")
    assert found.objective != results_of(run).align.alignment.objective
    assert found.max_function_change < 1e-4
