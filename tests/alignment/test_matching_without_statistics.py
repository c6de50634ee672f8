"""Running statistics are no weights: however large they are, nothing about weights sees them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob
from onebasin._collections import map_statistics, statistics_in, without_statistics
from onebasin.gaussians import factor_analysis, mean_over_weights

pytestmark = pytest.mark.slow

HIDDEN = 6
INPUTS = np.random.default_rng(9).normal(size=(8, 4)).astype(np.float32)


def hidden(params, x):
    w, s = params["weights"], params["statistics"]
    scale = w["scale"] / jnp.sqrt(s["var"] + 1e-5)[None]
    return jnp.tanh((x @ w["first"] - s["mean"][None]) * scale)


def apply(params, x):
    return hidden(params, x) @ params["weights"]["out"]


def samples_of(seed: int, size: float = 1.0) -> ob.Samples:
    """Two chains of four draws; statistics of a size of their own."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=(2, 4, *shape)).astype(np.float32)
    weights = {"first": draw(4, HIDDEN), "scale": draw(1, HIDDEN), "out": draw(HIDDEN, 3)}
    statistics = {"mean": size * draw(HIDDEN), "var": size * (0.5 + np.abs(draw(HIDDEN)))}
    return ob.Samples({"weights": weights, "statistics": statistics})


@pytest.fixture(scope="module")
def symmetry() -> ob.Symmetry:
    with jax.numpy_rank_promotion("allow"):
        return ob.find_symmetry(apply, samples_of(0).draw(0, 0), INPUTS)


def gaussian_of(samples: ob.Samples) -> ob.DiagonalGaussian:
    return ob.summarize(ob.Samples(jax.tree.map(lambda leaf: leaf[:1], samples.params)))


IMPORTANCE = {"first": np.array(2.0), "scale": np.array(1.0), "out": np.array(3.0)}
ZEROS = {"mean": np.zeros(()), "var": np.zeros(())}
MATCHINGS = {
    "weights": ob.weight_matching,
    "importance": lambda: ob.weight_matching({"weights": IMPORTANCE, "statistics": ZEROS}),
    "importance of weights": lambda: ob.weight_matching({"weights": IMPORTANCE}),
    "gaussian": ob.alignment.gaussian_matching,
    "given gaussian": lambda: ob.alignment.gaussian_matching(gaussian_of(samples_of(5, 1e6))),
    "mixed": lambda: ob.alignment.mixed_matching(
        [ob.weight_matching(), ob.alignment.gaussian_matching()], [1.0, 0.1]
    ),
}


@pytest.mark.parametrize("name", MATCHINGS)
def test_huge_statistics_change_no_permutation_and_travel_with_their_units(name, symmetry) -> None:
    assert symmetry.sizes == {next(iter(symmetry.sizes)): HIDDEN}
    ordinary, huge = samples_of(1), samples_of(1, 1e6)
    found, expected = (ob.align(s, symmetry, MATCHINGS[name]()) for s in (huge, ordinary))
    jax.tree.map(np.testing.assert_array_equal, found.permutation, expected.permutation)
    np.testing.assert_array_equal(found.objective, expected.objective)
    order = found.permutation.units[next(iter(symmetry.sizes))]
    assert (order != np.arange(HIDDEN)).any()
    before, after = (x.params["statistics"]["var"] for x in (huge, found.apply(huge)))
    np.testing.assert_array_equal(after, np.take_along_axis(before, order, axis=-1))


def test_activations_are_those_of_the_whole_network(symmetry) -> None:
    group = next(iter(symmetry.sizes))
    matching = ob.alignment.activation_matching(lambda params: {group: hidden(params, INPUTS)})
    ordinary = samples_of(1)
    other = ob.Samples({**ordinary.params, "statistics": samples_of(2, 3.0).params["statistics"]})
    found, expected = (ob.align(s, symmetry, matching).permutation for s in (other, ordinary))
    assert (found.units[group] != expected.units[group]).any()


def test_transpositions_and_diagnostics_do_not_see_statistics(symmetry) -> None:
    ordinary, huge = samples_of(1), samples_of(1, 1e6)
    for measure in (
        lambda s: ob.alignment.transpositions_between_chains(s, symmetry, ob.weight_matching()),
        lambda s: ob.alignment.transpositions_by_lag(s, symmetry, ob.weight_matching()),
        ob.diagnostics.weight_convergence,
    ):
        assert measure(huge) == measure(ordinary)


def test_null_draws_keep_statistics_that_could_be(symmetry, key) -> None:
    ordinary, huge = samples_of(1), samples_of(1, 1e6)
    noise = ob.alignment.null_draws(huge, symmetry, key=key)
    assert (noise.params["statistics"]["var"] > 0).all()
    floors = [ob.null_floor(samples, symmetry, key=key) for samples in (huge, ordinary)]
    assert not any(leaf.any() for leaf in floors[0].std["statistics"].values())
    assert ob.alignment.rms(floors[0].std) == ob.alignment.rms(floors[1].std)
    assert ob.alignment.rms(floors[0].std) == ob.alignment.rms(without_statistics(floors[0].std))
    tested = ob.alignment.std_significance(huge, symmetry, key=key).tested
    assert not any(leaf.any() for leaf in tested["statistics"].values())
    assert all(leaf.all() for leaf in tested["weights"].values())


def test_distances_between_gaussians_are_those_of_weights(symmetry) -> None:
    p, q = (ob.summarize(samples_of(seed, 1e6)) for seed in (1, 2))
    near, far = (ob.summarize(samples_of(seed)) for seed in (1, 2))
    for distance in (ob.gaussians.kl_divergence, ob.gaussians.wasserstein2):
        assert not statistics_in(distance(p, q))
        assert mean_over_weights(distance(p, q)) == mean_over_weights(distance(near, far))
    brought = ob.alignment.bring_to(q, symmetry, ob.weight_matching(), p.mean)
    assert set(brought.mean["statistics"]["var"]) == set(q.mean["statistics"]["var"])


@pytest.mark.parametrize("fit", [lambda s: ob.summarize(s, 2), lambda s: factor_analysis(s, 2)])
def test_low_rank_gaussians_hold_statistics_at_their_mean(fit, key) -> None:
    ordinary, huge = fit(samples_of(1)), fit(samples_of(1, 1e6))
    assert huge.values_per_weight == ordinary.values_per_weight
    np.testing.assert_allclose(huge.residual_share, ordinary.residual_share, rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, huge.factor["weights"], ordinary.factor["weights"])
    draws = huge.sample(3, key=key)["statistics"]
    jax.tree.map(
        lambda d, m: np.testing.assert_array_equal(d, np.stack([m] * 3)),
        draws, huge.mean["statistics"],
    )  # fmt: skip
    one = samples_of(3).draw(0, 0)
    assert np.isfinite(huge.log_prob(one))
    assert huge.log_prob(one) == huge.log_prob(map_statistics(lambda x: x + 7, one))


def test_summaries_are_a_point_mass_in_statistics(key) -> None:
    samples = samples_of(1, 1e6)
    gaussian = ob.summarize(samples)
    mean = samples.mean()
    jax.tree.map(np.testing.assert_array_equal, gaussian.mean, mean)
    assert not any(leaf.any() for leaf in gaussian.std["statistics"].values())
    draws = gaussian.sample(5, key=key)
    assert np.isfinite(jax.vmap(apply, (0, None))(draws, INPUTS)).all()
    one = samples.draw(0, 0)
    assert np.isfinite(gaussian.log_prob(one))


def test_pruning_keeps_statistics_and_does_not_count_them() -> None:
    params = samples_of(1, 1e6).draw(0, 0)
    scores = jax.tree.map(np.abs, params)
    found = ob.prune(params, scores, 0.5)
    alone = ob.prune(params, without_statistics(scores), 0.5)
    jax.tree.map(np.testing.assert_array_equal, found, alone)
    jax.tree.map(np.testing.assert_array_equal, found["statistics"], params["statistics"])
    kept = [np.count_nonzero(leaf) for leaf in found["weights"].values()]
    assert sum(kept) == np.ceil(0.5 * sum(leaf.size for leaf in found["weights"].values()))
