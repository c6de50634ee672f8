"""Every matching of the library, and what each of them must hold to."""

import importlib
import inspect
import pkgutil

import jax
import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given, settings

import onebasin.alignment
from onebasin import _trees
from onebasin.alignment import (
    Matching,
    activation_matching,
    align,
    gaussian_matching,
    mixed_matching,
    to,
    to_first,
    to_mean,
    weight_matching,
)
from onebasin.alignment.descent import match
from onebasin.alignment.goal import Goal
from onebasin.alignment.similarity import Draws
from onebasin.gaussians import summarize
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import Permutation, permute

pytestmark = [pytest.mark.usefixtures("strict_dtypes"), pytest.mark.slow]

# The one list: a builder of the library, and how to call it for a network and inputs.
MATCHINGS = {
    "weight_matching": lambda case: weight_matching(),
    "activation_matching": lambda case: activation_matching(
        lambda params: case.network.activations(params, case.inputs)
    ),
    "gaussian_matching": lambda case: gaussian_matching(),
    "mixed_matching": lambda case: mixed_matching(
        [weight_matching(), gaussian_matching()], [2.0, 1.0]
    ),
}
# Built once for each network: what a matching compiles is then shared by all tests.
SMALL = {
    depth: strategies.make_case(mlp(3, hidden, 2, "tanh"), seed=0)
    for depth, hidden in {"one layer": (6,), "two layers": (6, 5)}.items()
}
BUILT = {
    (depth, name): MATCHINGS[name](case) for depth, case in SMALL.items() for name in MATCHINGS
}

every_matching = pytest.mark.parametrize("build", MATCHINGS.values(), ids=MATCHINGS)
every_small_matching = pytest.mark.parametrize(
    ("case", "matching"),
    [(SMALL[depth], matching) for (depth, _), matching in BUILT.items()],
    ids=[f"{name}, {depth}" for depth, name in BUILT],
)
with_one_layer = pytest.mark.parametrize(
    "matching", [BUILT["one layer", name] for name in MATCHINGS], ids=MATCHINGS
)


def rms(tree) -> float:
    return float(np.sqrt((_trees.ravel_batch(tree, 0).astype(np.float64) ** 2).mean()))


def assert_same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


def assert_nothing_moves(permutation) -> None:
    assert not any(count.any() for count in permutation.num_transpositions().values())


def test_every_public_builder_of_a_matching_is_in_the_list() -> None:
    package = onebasin.alignment
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]
    names = {
        name
        for module in [package, *modules, onebasin]
        for name, value in vars(module).items()
        if name.endswith("_matching") and not name.startswith("_") and inspect.isfunction(value)
    }
    assert names == set(MATCHINGS)


# ---- what a matching is


@every_small_matching
def test_a_matching_is_named_and_its_features_list_the_units_of_every_group(case, matching) -> None:
    assert isinstance(matching, Matching)
    assert matching.name
    draws = strategies.random_samples(case.network, 1, 1, 3).flatten()
    features, symmetry = matching.features(draws), matching.symmetry(case.network.symmetry)
    assert symmetry.sizes == case.network.symmetry.sizes
    symmetry.check(features, num_batch_axes=1)
    assert {leaf.shape[0] for leaf in jax.tree.leaves(features)} == {3}
    target = matching.target(jax.tree.map(lambda leaf: leaf.mean(axis=0), features))
    symmetry.check(target)


@every_small_matching
def test_features_of_permuted_params_are_the_permuted_features(case, matching, key) -> None:
    samples, planted = strategies.permuted_copies(case, key, 1, 4)
    found = matching.features(samples.flatten())
    single = matching.features(jax.tree.map(lambda leaf: leaf[None], case.params))
    repeated = jax.tree.map(lambda leaf: np.repeat(leaf, 4, axis=0), single)
    flat = jax.tree.map(lambda p: p.reshape(4, -1), planted)
    expected = permute(repeated, matching.symmetry(case.network.symmetry), flat)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, expected)


# ---- what matching with it does


@every_small_matching
@pytest.mark.parametrize("reference", [to_first(), to_mean()], ids=lambda one: one.name)
def test_aligning_permutes_units_and_leaves_every_draws_function(case, matching, reference) -> None:
    samples = strategies.random_samples(case.network, 1, 2, 4)
    alignment = align(samples, case.network.symmetry, matching, reference)
    sizes = case.network.symmetry.sizes
    for group, p in alignment.permutation.units.items():
        assert p.shape == (2, 4, sizes[group])
        assert (np.sort(p, axis=-1) == np.arange(p.shape[-1])).all()
    for name, signs in alignment.permutation.signs.items():
        assert signs.shape == (2, 4, sizes[alignment.permutation.sign_groups[name]])
        assert (np.abs(signs) == 1).all()
    apply = jax.vmap(jax.vmap(case.network.apply, (0, None)), (0, None))
    before = np.asarray(apply(samples.params, case.inputs))
    after = np.asarray(apply(alignment.apply(samples).params, case.inputs))
    assert np.abs(after - before).max() <= 1e-4 * np.abs(before).max()


@every_small_matching
def test_the_objective_is_what_its_definition_says_and_no_worse_than_unaligned(
    case, matching
) -> None:
    samples = strategies.random_samples(case.network, 1, 2, 4)
    alignment = align(samples, case.network.symmetry, matching, to(case.params))
    one = lambda params: matching.features(jax.tree.map(lambda leaf: leaf[None], params))
    features = jax.tree.map(lambda leaf: np.asarray(leaf[0], np.float64), one(case.params))
    target, constant = matching.target(features), matching.constant(features)
    reference, aligned = jax.tree.map(lambda leaf: leaf[None], target), alignment.apply(samples)
    for chain, draw in np.ndindex(2, 4):
        reached = oracles.inner_product(reference, one(aligned.draw(chain, draw))) + constant
        unaligned = oracles.inner_product(reference, one(samples.draw(chain, draw))) + constant
        assert alignment.objective[chain, draw] == pytest.approx(reached, rel=1e-5)
        assert reached >= unaligned - 1e-5 * abs(unaligned)


@every_small_matching
def test_the_mean_objective_never_decreases_over_rounds_of_the_iterated_mean(
    case, matching
) -> None:
    samples = strategies.random_samples(case.network, 1, 2, 20)
    values = [
        align(
            samples,
            case.network.symmetry,
            matching,
            reference=to_mean(max_rounds=rounds, tolerance=0.0),
        ).objective.mean()
        for rounds in (0, 1, 2, 3, 100)
    ]
    assert (np.diff(values) >= -1e-6 * np.abs(values[0])).all()
    assert values[-1] > values[0]


@every_small_matching
def test_equal_draws_do_not_move(case, matching) -> None:
    samples = Samples(jax.tree.map(lambda x: np.broadcast_to(x, (2, 4, *x.shape)), case.params))
    assert_nothing_moves(align(samples, case.network.symmetry, matching).permutation)


@every_small_matching
def test_a_network_of_zeros_does_not_move(case, matching) -> None:
    samples = Samples(jax.tree.map(lambda x: np.zeros((2, 4, *x.shape), x.dtype), case.params))
    for reference in (to_first(), to_mean(), to(case.params)):
        found = align(samples, case.network.symmetry, matching, reference)
        assert_nothing_moves(found.permutation)


@every_matching
def test_dead_units_stay_where_they_are_while_others_return(build) -> None:
    network, dead, live = mlp(3, (9,), 2, "tanh"), [1, 4, 7], [0, 2, 3, 5, 6, 8]
    case = strategies.make_case(network, 0)
    case.params["hidden_0"]["kernel"][:, dead] = 0
    case.params["hidden_0"]["bias"][dead] = 0
    case.params["out"]["kernel"][dead] = 0
    planted = np.tile(np.arange(9), (1, 20, 1))
    planted[..., live] = np.random.default_rng(0).permuted(planted[..., live], axis=-1)
    repeated = jax.tree.map(lambda x: np.broadcast_to(x, (1, 20, *x.shape)), case.params)
    samples = Samples(permute(repeated, network.symmetry, Permutation({"hidden_0": planted})))
    for reference in (to_first(), to_mean(), to(case.params)):
        alignment = align(samples, network.symmetry, build(case), reference)
        found = alignment.permutation.units["hidden_0"]
        assert (found[..., dead] == dead).all()
    np.testing.assert_array_equal(found, np.argsort(planted, axis=-1))


@with_one_layer
@settings(max_examples=8)
@given(seed=strategies.seeds)
def test_a_planted_permutation_is_found_under_small_noise_with_one_hidden_layer(
    matching, seed: int
) -> None:
    case = strategies.make_case(SMALL["one layer"].network, seed)
    samples, planted = strategies.permuted_copies(case, jax.random.key(seed), 1, 8)
    rng = np.random.default_rng(seed)
    noisy = jax.tree.map(
        lambda x: x + np.float32(1e-3) * rng.standard_normal(x.shape, np.float32), samples.params
    )
    found = align(Samples(noisy), case.network.symmetry, matching, to(case.params))
    assert_same(found.permutation, planted.inverse())


@with_one_layer
def test_features_that_are_not_finite_are_refused(matching) -> None:
    network = SMALL["one layer"].network
    draws = strategies.random_samples(network, 1, 1, 3).flatten()
    draws["hidden_0"]["bias"][1, 2] = np.nan
    features = matching.features(draws)
    target = matching.target(jax.tree.map(lambda leaf: leaf[0], features))
    symmetry = matching.symmetry(network.symmetry)
    with pytest.raises(ValueError, match=r"Similarities must be finite\. Got NaN or infinity"):
        match(Draws(Goal(symmetry, target), features), symmetry.identity(3))


# ---- 200 permuted copies of one network


@pytest.fixture(scope="module", params=[(64,), (64, 64)], ids=["one layer", "two layers"])
def copies(request) -> tuple[strategies.Case, Samples]:
    case = strategies.make_case(mlp(20, request.param, 10, "relu"), seed=0, num_inputs=400)
    case = case._replace(inputs=3 * case.inputs)
    # Activation matching cannot see a unit that no input makes fire.
    fires = case.network.activations(case.params, case.inputs)
    assert all((np.asarray(units) > 0).any(axis=0).all() for units in fires.values())
    samples, _ = strategies.permuted_copies(case, jax.random.key(0), num_chains=4, num_draws=50)
    return case, samples


@every_matching
@pytest.mark.parametrize("reference", [to_first(), to_mean()], ids=lambda one: one.name)
def test_200_permuted_copies_of_one_network_are_that_network_with_std_0(
    build, reference, copies
) -> None:
    case, samples = copies
    alignment = align(samples, case.network.symmetry, build(case), reference)
    compact = summarize(alignment.apply(samples))
    assert rms(compact.std) <= 1e-6
    assert max(leaf.max() for leaf in jax.tree.leaves(compact.std)) <= 1e-6
    # The mean is the first copy, which computes what the network computes.
    assert_same(compact.mean, samples.draw(0, 0))
    assert_same(alignment.reference, samples.draw(0, 0))
    expected = np.asarray(case.network.apply(case.params, case.inputs))
    outputs = np.asarray(case.network.apply(compact.mean, case.inputs))
    assert np.abs(outputs - expected).max() <= 1e-4 * np.abs(expected).max()


def test_without_alignment_the_200_copies_have_a_std(copies) -> None:
    assert rms(summarize(copies[1]).std) > 0.01
