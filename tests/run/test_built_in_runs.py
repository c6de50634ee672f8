"""Runs of every built-in network: all steps, statistics of BatchNorm, barriers between members."""

import itertools
import math
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import jax
import numpy as np
import pytest
import scipy.special
from tiny_runs import results_of, take_all_steps, tiny_config

from onebasin import _trees
from onebasin._collections import map_statistics, statistics_in
from onebasin.alignment import to_first
from onebasin.gaussians import load_gaussian
from onebasin.networks import Network
from onebasin.report import write_report
from onebasin.report.findings import Findings
from onebasin.run.run import open_setup
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup, set_up
from onebasin.run.statistics import with_statistics
from onebasin.run.steps.summarize import load_alignment
from onebasin.samples import Samples
from onebasin.store import load_samples

pytestmark = pytest.mark.slow

RESNET20 = import_module("onebasin.networks.resnet20")  # the name of the module is the function's
KINDS = {
    "convnet": ["network.width=3", "network.depth=1"],
    "resnet20": ["network.width=2", "data.pool=2"],
    "vit": ["network.width=4", "network.depth=1", "network.patch=4"],
    "lstm": ["network.width=4"],
}
SMALL = [
    "data.num_train=100", "data.num_test=50", "ensemble.num_members=3", "ensemble.num_steps=30",
    "network.hidden=[64]", "refinement.num_particles=2",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def shallow() -> Iterator[None]:
    """Of resnet20 two blocks: all of them compile for minutes, and no run depends on how many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RESNET20, "_NUM_STAGES", 2)
        patch.setattr(RESNET20, "_NUM_BLOCKS", 1)
        RESNET20._resnet20.cache_clear()
        yield
    RESNET20._resnet20.cache_clear()


def config_of(kind: str, *changes: str):
    return tiny_config("digits", *SMALL, f"network.kind={kind}", *KINDS[kind], *changes)


def _long(kind: str) -> Any:
    """Whole runs of deep networks compile for a minute and more."""
    return pytest.param(kind, marks=pytest.mark.long)


@pytest.fixture(scope="module", params=map(_long, KINDS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of each kind of network; tests leave it as it is."""
    return take_all_steps(tmp_path_factory.mktemp(request.param) / "run", config_of(request.param))


@pytest.fixture(scope="module")
def setup(run: RunDirectory) -> Setup:
    return open_setup(run)


with_batchnorm = pytest.mark.parametrize("run", [_long("resnet20")], indirect=True)


@pytest.fixture(scope="module")
def members(run: RunDirectory, setup: Setup) -> dict[str, Samples]:
    found = load_samples(run.samples("ensemble"), setup.template)
    return {"before": found, "after": load_alignment(run, setup, "ensemble").apply(found)}


def test_a_run_of_every_network_has_every_representation(run: RunDirectory) -> None:
    results = results_of(run)
    found = results.compare.representations
    names = {"hmc", "direct", "compact", "refined", "compact-mean", "compact-ensemble", "vi"}
    assert names <= {one.representation.key for one in found}
    assert all(math.isfinite(one.scores.nll) for one in found)
    points = [point for curve in results.prune.curves for point in curve.points]
    assert points
    assert all(math.isfinite(value) for point in points for value in point.model_dump().values())


def test_aligning_leaves_every_function_as_it_is(run: RunDirectory) -> None:
    assert 0 < results_of(run).align.alignment.max_function_change < 1e-4


def test_every_page_leaves_out_the_figures_of_a_dense_first_layer(
    run: RunDirectory, setup: Setup
) -> None:
    write_report(run, setup)
    figures = {path.stem for path in (run.path / "figures").iterdir()}
    assert figures == {"representations", "null-floor", "weights", "transpositions", "pruning"}
    html = run.report.read_text()
    assert setup.network_name in html
    assert "Between ensemble members" in html
    assert ("statistics recomputed" in html) == bool(statistics_in(setup.template))


def loss_and_error(network: Network, params, data) -> tuple[float, float]:
    """In float64 from the logits on, by SciPy."""
    logits = np.asarray(jax.jit(network.apply)(params, data.inputs), np.float64)
    log_probs = scipy.special.log_softmax(logits, axis=1)
    loss = -log_probs[np.arange(len(data.targets)), data.targets].mean()
    return loss, (logits.argmax(axis=1) != data.targets).mean()


def test_barriers_are_those_of_networks_averaged_by_hand(
    run: RunDirectory, setup: Setup, members: dict[str, Samples]
) -> None:
    network, found = setup.posterior.network, results_of(run).compare.connectivity
    tables = {
        ("before", False): found.before,
        ("after", False): found.after,
        ("before", True): found.before_recomputed,
        ("after", True): found.after_recomputed,
    }
    inputs = setup.dataset.train.inputs[:512]
    for when, recomputes in itertools.product(members, {False, network.recalibrate is not None}):
        each = [members[when].draw(member, 0) for member in range(3)]
        barriers = []
        for one, other in itertools.combinations(each, 2):
            middle = jax.tree.map(lambda a, b: np.float32(0.5) * (a + b), one, other)
            if recomputes:
                assert network.recalibrate is not None
                middle = jax.jit(network.recalibrate)(middle, inputs)
            three = [loss_and_error(network, p, setup.dataset.test) for p in (one, middle, other)]
            barriers.append(three[1] - np.mean([three[0], three[2]], axis=0))
        table = tables[when, recomputes]
        for barrier, values in zip((table.loss, table.error), np.transpose(barriers), strict=True):
            np.testing.assert_allclose(barrier.pairs, values, rtol=1e-3, atol=2e-4)
            assert barrier.mean == pytest.approx(np.mean(barrier.pairs))
            # Each pair leaves one of the three members out. Student's t has two degrees of freedom.
            half = 4.302653 * np.sqrt(2 * np.var(barrier.pairs))
            ends = (barrier.mean - half, barrier.mean + half)
            assert barrier.interval == pytest.approx(ends, rel=1e-5)


def test_barriers_with_recomputed_statistics_are_those_of_batchnorm_alone(
    run: RunDirectory, setup: Setup
) -> None:
    found = results_of(run).compare.connectivity
    has_statistics = bool(statistics_in(setup.template))
    assert (found.before_recomputed is not None) == has_statistics
    assert (found.after_recomputed is not None) == has_statistics
    assert has_statistics == (setup.config.network.kind == "resnet20")


@with_batchnorm
def test_draws_are_stored_with_the_statistics_that_they_predict_with(
    run: RunDirectory, setup: Setup
) -> None:
    for method in ("hmc", "ensemble"):
        draws = load_samples(run.samples(method), setup.template)
        again = with_statistics(setup.posterior, draws)
        jax.tree.map(np.testing.assert_array_equal, draws.params, again.params)
        as_stored = setup.predict(draws.flatten(), recalibrates=False)
        rounding = 32 * np.finfo(np.float32).eps  # two programs that XLA fuses in its own ways
        again_probs = setup.predict(draws.flatten()).probs
        np.testing.assert_allclose(as_stored.probs, again_probs, rtol=rounding)


@with_batchnorm
def test_what_is_said_of_weights_leaves_statistics_out(run: RunDirectory, setup: Setup) -> None:
    arrays = set(results_of(run).summarize.null_floor.by_array)
    assert arrays == set(_trees.named_leaves(setup.template)) - statistics_in(setup.template)
    findings = Findings(run, setup)
    assert set(_trees.named_leaves(findings.gaussian("compact").std)) == arrays
    assert findings.num_weights == sum(
        leaf.size for name, leaf in _trees.named_leaves(setup.template).items() if name in arrays
    )


@with_batchnorm
def test_gaussians_hold_statistics_that_could_be(run: RunDirectory, setup: Setup) -> None:
    for name in ("compact", "refined", "vi"):
        gaussian, _ = load_gaussian(run.compact(name), setup.template)
        means = _trees.named_leaves(gaussian.mean)
        variances = [leaf for path, leaf in means.items() if path.endswith("var")]
        assert all((leaf >= 0).all() for leaf in variances), name
        assert any((leaf > 0).any() for leaf in variances), name
        stds = _trees.named_leaves(gaussian.std)
        assert not any(stds[path].any() for path in statistics_in(gaussian.std)), name


@pytest.fixture(scope="module")
def resnet() -> Setup:
    return set_up(config_of("resnet20"))


def random_samples(setup: Setup, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    draw = lambda leaf: rng.standard_normal((2, 2, *leaf.shape)).astype(np.float32)
    return Samples(jax.tree.map(draw, setup.template))


def test_predictions_do_not_depend_on_the_statistics_that_draws_come_with(resnet: Setup) -> None:
    draws = random_samples(resnet, 0)
    other = with_statistics(resnet.posterior, draws)
    zeros = Samples(map_statistics(np.zeros_like, draws.params))
    expected = resnet.predict(draws.flatten()).probs
    assert (np.ptp(expected, axis=1) > 1e-3).any()
    assert np.isfinite(expected).all()
    for some in (other, zeros):
        np.testing.assert_allclose(resnet.predict(some.flatten()).probs, expected, atol=1e-6)


def test_weights_are_matched_without_statistics(resnet: Setup) -> None:
    samples = random_samples(resnet, 1)
    found = resnet.align(samples, to_first())
    others = Samples(map_statistics(lambda leaf: 1e6 * leaf, samples.params))
    expected = resnet.align(others, to_first())
    jax.tree.map(np.testing.assert_array_equal, found.permutation, expected.permutation)
    assert any((p != np.arange(p.shape[-1])).any() for p in found.permutation.units.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["data.name=diabetes", "network.kind=lstm"],
            r'must be "mlp" .*Got \'lstm\' for a table of 10',
        ),
        (["network.kind=vit", "network.patch=3"], r"patch must divide .* 8 x 8\. Got 3"),
        (["network.kind=vit", "network.heads=3"], r"heads must divide the width, 16\. Got 3"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_before_anything_is_drawn(
    changes: list[str], message: str
) -> None:
    hidden = "network.hidden=[64]"
    with pytest.raises(ValueError, match=message):
        set_up(tiny_config("digits", hidden, *changes))


def test_networks_are_named_by_what_they_read() -> None:
    names = {kind: set_up(config_of(kind)).network_name for kind in ("resnet20", "vit")}
    assert names["resnet20"] == "resnet20 (width 2, norm batch)"
    assert names["vit"] == "vit (width 4, depth 1, heads 2, patch 4)"
