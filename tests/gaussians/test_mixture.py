"""GaussianMixture: densities against SciPy, stratified draws, and what a file gives back."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.special
import scipy.stats
import strategies
from hypothesis import given, strategies as st

from onebasin import _trees
from onebasin.gaussians import DiagonalGaussian, GaussianMixture, load_mixture
from onebasin.store import StoreError

pytestmark = [pytest.mark.usefixtures("strict_dtypes"), pytest.mark.slow]

SHAPES = {"layer": {"bias": (3,), "kernel": (2, 3)}, "scale": ()}
NUM_COMPONENTS = 3


def random_tree(seed: int, *lead: int, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda shape: np.asarray(rng.standard_normal((*lead, *shape)), dtype),
        SHAPES,
        is_leaf=lambda node: isinstance(node, tuple),
    )


def mixture(seed: int = 0, num_stds: int = NUM_COMPONENTS, dtype=np.float64) -> GaussianMixture:
    mean = random_tree(seed, NUM_COMPONENTS, dtype=dtype)
    std = jax.tree.map(np.exp, random_tree(seed + 1, num_stds, dtype=dtype)) if num_stds else None
    return GaussianMixture(mean, std)


def flat(tree) -> np.ndarray:
    """Leaves that lead with one axis, as rows."""
    return _trees.ravel_batch(tree).astype(np.float64)


@pytest.mark.parametrize("num_stds", [NUM_COMPONENTS, 1])
def test_the_log_density_is_scipys(num_stds: int, float64: None) -> None:
    whole, point = mixture(num_stds=num_stds), random_tree(9)
    at = flat(jax.tree.map(lambda leaf: leaf[None], point))
    terms = scipy.stats.norm.logpdf(at, flat(whole.mean), flat(whole.std)).sum(axis=1)
    expected = scipy.special.logsumexp(terms) - np.log(NUM_COMPONENTS)
    assert float(whole.log_prob(point)) == pytest.approx(expected, rel=1e-10)


def test_one_component_is_the_diagonal_gaussian(float64: None) -> None:
    mean, std = random_tree(0), jax.tree.map(np.exp, random_tree(1))
    lead = lambda tree: jax.tree.map(lambda leaf: leaf[None], tree)
    point = random_tree(2)
    found = GaussianMixture(lead(mean), lead(std)).log_prob(point)
    expected = DiagonalGaussian(mean, jax.tree.map(np.asarray, std)).log_prob(point)
    assert float(found) == pytest.approx(float(expected), rel=1e-12)


def test_a_point_far_from_all_components_has_a_finite_log_density(float64: None) -> None:
    far = jax.tree.map(lambda leaf: np.asarray(leaf + 1e3), random_tree(0))
    assert np.isfinite(float(mixture().log_prob(far)))


@given(st.integers(1, 5), st.integers(1, 17))
def test_components_are_as_equally_represented_as_can_be(num_components: int, num_draws: int):
    tree = {"w": np.arange(num_components, dtype=np.float32)}
    drawn = GaussianMixture(tree).sample(num_draws, key=jax.random.key(0))
    counts = np.bincount(np.asarray(drawn["w"]).astype(int), minlength=num_components)
    assert counts.sum() == num_draws
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("num_stds", [NUM_COMPONENTS, 1])
def test_draws_of_each_component_have_its_mean_and_std(key, num_stds: int) -> None:
    whole, num_draws = mixture(num_stds=num_stds, dtype=np.float32), 4000
    draws = flat(whole.sample(NUM_COMPONENTS * num_draws, key=key))
    means, stds = flat(whole.mean), np.broadcast_to(flat(whole.std), flat(whole.mean).shape)
    bound = oracles.z_bound(1e-6, 2 * means.size)
    for component in range(NUM_COMPONENTS):
        z = (draws[component::NUM_COMPONENTS] - means[component]) / stds[component]
        assert np.abs(z.mean(axis=0)).max() < bound / np.sqrt(num_draws)
        assert np.abs(z.std(axis=0, ddof=1) - 1).max() < bound / np.sqrt(2 * num_draws)


def test_noise_is_drawn_anew_for_every_draw_and_weight(key) -> None:
    whole = mixture(dtype=np.float32)
    noise = flat(whole.sample(6, key=key)) - np.tile(flat(whole.mean), (2, 1))
    assert len(np.unique(noise / np.tile(flat(whole.std), (2, 1)))) == noise.size


def test_a_shared_std_is_every_components(key, float64: None) -> None:
    shared = mixture(num_stds=1)
    repeat = lambda leaf: np.repeat(leaf, NUM_COMPONENTS, axis=0)
    apart = GaussianMixture(shared.mean, jax.tree.map(repeat, shared.std))
    point = random_tree(5)
    assert float(shared.log_prob(point)) == pytest.approx(float(apart.log_prob(point)), rel=1e-12)
    jax.tree.map(np.testing.assert_array_equal, shared.sample(7, key=key), apart.sample(7, key=key))


@pytest.mark.parametrize(("num_stds", "expected"), [(0, 3), (1, 4), (3, 6)])
def test_each_mean_and_each_std_is_one_number_a_weight(num_stds: int, expected: int) -> None:
    assert mixture(num_stds=num_stds).num_components == NUM_COMPONENTS
    assert mixture(num_stds=num_stds).values_per_weight == expected


def test_networks_without_a_std_are_drawn_as_they_are(key) -> None:
    networks = mixture(num_stds=0, dtype=np.float32)
    expected = jax.tree.map(lambda leaf: leaf[[0, 1, 2, 0, 1]], networks.mean)
    jax.tree.map(np.testing.assert_array_equal, networks.sample(5, key=key), expected)


def test_networks_without_a_std_have_no_density() -> None:
    with pytest.raises(ValueError, match=r"without a std have no density\. Give the mixture a std"):
        mixture(num_stds=0).log_prob(random_tree(1))


@pytest.mark.parametrize("num_stds", [2, 4])
def test_stds_of_another_number_of_components_are_refused(num_stds: int) -> None:
    std = jax.tree.map(np.exp, random_tree(0, num_stds))
    with pytest.raises(ValueError, match=rf"same components.*Got \[3\] and \[{num_stds}\]"):
        GaussianMixture(random_tree(0, NUM_COMPONENTS), std)


def test_arrays_of_different_numbers_of_components_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Got \[2, 3\] and \[\]"):
        GaussianMixture({"a": np.zeros(2), "b": np.zeros((3, 1))})


@given(strategies.seeds, st.sampled_from([0, 1, NUM_COMPONENTS]))
def test_a_mixture_comes_back_from_its_file(tmp_path_factory, seed: int, num_stds: int) -> None:
    path = tmp_path_factory.mktemp("mixture") / "q"
    whole = mixture(seed, num_stds, np.float32)
    whole.save(path, source="chains", seed=3)
    for like in (None, SHAPES_AS_ARRAYS):
        found, metadata = load_mixture(path, like)
        assert metadata == {"source": "chains", "seed": 3}
        assert (found.std is None) == (num_stds == 0)
        assert jax.tree.structure(found) == jax.tree.structure(whole)
        jax.tree.map(np.testing.assert_array_equal, found, whole)


SHAPES_AS_ARRAYS = random_tree(0)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    DiagonalGaussian(random_tree(0), random_tree(1)).save(tmp_path / "q")
    with pytest.raises(StoreError, match=r"must hold a mixture of Gaussians\. Got kind 'diagonal'"):
        load_mixture(tmp_path / "q")


def test_metadata_may_not_take_the_name_of_the_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must leave the name 'kind' free\. Got 'mine'"):
        mixture().save(tmp_path / "q", kind="mine")
    assert not list(tmp_path.iterdir())


def test_a_mixture_is_compiled_like_any_array(key) -> None:
    whole, point = mixture(dtype=np.float32), random_tree(4, dtype=np.float32)
    compiled = jax.jit(lambda q, w: q.log_prob(w))(whole, jax.tree.map(jnp.asarray, point))
    np.testing.assert_allclose(compiled, whole.log_prob(point), rtol=1e-5)
