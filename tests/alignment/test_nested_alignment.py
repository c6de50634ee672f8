"""Alignment where groups are nested: planted permutations are found again, heads by dimensions."""

import itertools

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from nested_networks import INPUTS, PARAMS, attention, random_params

from onebasin.alignment import (
    Alignment,
    activation_matching,
    align,
    gaussian_matching,
    null_floor,
    rms,
    std_significance,
    to_first,
    to_mean,
)
from onebasin.alignment.descent import match
from onebasin.alignment.goal import Goal
from onebasin.alignment.similarity import Draws
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry, find_symmetry, permute, random_permutation
from onebasin.symmetry.axes import Axes

pytestmark = pytest.mark.slow

FOUND = find_symmetry(attention, PARAMS, INPUTS)
HEADS = Symmetry.of(
    {"w": Axes(None, ("heads", "dims"))},
    {"w": np.zeros((4, 6))},
    sizes={"heads": 2},
    nested={"dims": ["heads"]},
)


def copies(seed: int, noise: float = 0.0) -> Samples:
    """Networks that differ by random permutations and noise."""
    shape = (2, 5)
    permutation = random_permutation(FOUND, *shape, key=jax.random.key(seed))
    base = random_params(seed)
    rng = np.random.default_rng(seed)
    noisy = jax.tree.map(lambda w: w + noise * rng.standard_normal((*shape, *w.shape)), base)
    return Samples(permute(noisy, FOUND, permutation))


@pytest.mark.parametrize("reference", [to_first(), to_mean(), to_mean(by_chain=True)])
def test_permuted_copies_collapse_to_one_network(reference) -> None:
    samples = copies(0)
    aligned = align(samples, FOUND, reference=reference)
    assert rms(samples.std()) > 0.5
    assert rms(aligned.apply(samples).std()) < 1e-12
    assert aligned.converged.all()


def test_relabelling_by_likelihood_keeps_what_weights_have_found() -> None:
    samples = copies(1, noise=0.05)
    start = align(samples, FOUND)
    relabelled = align(samples, FOUND, gaussian_matching(), reference=to_mean(start=start))
    assert rms(relabelled.apply(samples).std()) < 0.06


@given(strategies.seeds)
@settings(max_examples=10)
def test_heads_with_their_dimensions_are_matched_as_well_as_by_trying_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target, draw = rng.standard_normal((4, 6)), rng.standard_normal((1, 4, 6))
    draws = Draws(Goal(HEADS, {"w": target}), {"w": draw})
    found = match(draws, HEADS.identity(1))
    best = max(
        draws.objective(HEADS.permutation({"heads": [heads], "dims": [[one, other]]}))[0]
        for heads in itertools.permutations(range(2))
        for one, other in itertools.product(itertools.permutations(range(3)), repeat=2)
    )
    reached = draws.objective(found.permutation)[0]
    assert reached == pytest.approx(best, rel=1e-12)


def test_the_null_floor_and_significance_have_the_shape_of_the_params() -> None:
    samples = copies(2, noise=0.1)
    std = align(samples, FOUND).apply(samples).std()
    floor = null_floor(samples, FOUND, key=jax.random.key(0))
    shapes = lambda tree: jax.tree.map(np.shape, tree)
    assert shapes(floor.std) == shapes(std)
    found = std_significance(samples, FOUND, key=jax.random.key(0), num_nulls=3)
    assert shapes(found.p_values) == shapes(found.ess) == shapes(found.tested) == shapes(std)
    assert rms(std) < 0.2 < rms(floor.std)


def test_activations_of_nested_groups_are_refused() -> None:
    matching = activation_matching(lambda params: {})
    with pytest.raises(ValueError, match="by activations needs a symmetry"):
        align(copies(3), FOUND, matching)


@given(strategies.seeds)
@settings(max_examples=5)
def test_a_nested_alignment_comes_back_from_its_file_and_does_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    samples = copies(seed, noise=0.1)
    found = align(samples, FOUND)
    path = tmp_path_factory.mktemp("alignments") / "nested.safetensors"
    found.save(path)
    loaded = Alignment.load(path, FOUND)
    same = lambda one, other: jax.tree.map(np.testing.assert_array_equal, one, other)
    same(loaded.permutation, found.permutation)
    same(loaded.reference, found.reference)
    same(loaded.apply(samples).params, found.apply(samples).params)
