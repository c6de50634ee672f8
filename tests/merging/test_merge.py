"""Merging: permuted copies come back, shares count, losses and names, and what is refused."""

from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob
from onebasin.adapters import Adapted
from onebasin.symmetry import random_permutation

pytestmark = pytest.mark.slow

NETWORK = ob.mlp(6, (5, 4), 3)
X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
CLASSES = np.arange(40) % 3


def random_network(seed: int) -> dict:
    params = NETWORK.init(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype("float32"), params)


def copies(params: dict, num: int) -> list[dict]:
    permutation = random_permutation(NETWORK.symmetry, num, key=jax.random.key(1))
    return [ob.permute(params, NETWORK.symmetry, permutation[n]) for n in range(num)]


def largest_gap(a: dict, b: dict) -> float:
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: float(np.abs(x - y).max()), a, b)))


def squares(networks: list[dict], shares: list[float]) -> float:
    """The weighted sum of squared distances between all pairs."""
    return sum(
        shares[i] * shares[j] * ob.prediction.weight_distance(a, b) ** 2
        for i, a in enumerate(networks)
        for j, b in enumerate(networks)
    )


def test_permuted_copies_of_a_network_merge_to_that_network() -> None:
    given = copies(random_network(0), 4)
    targets = np.asarray(NETWORK.apply(given[0], X)).argmax(1)  # all have the least error there
    merged = ob.merge(given, NETWORK, inputs=X, targets=targets)
    assert largest_gap(merged.params, given[0]) <= 4 * np.finfo("float32").eps
    assert merged.distances.max() == 0
    assert merged.distances_before.min() > 1
    assert merged.barriers.max() < 1e-5
    assert merged.barriers_before.min() > 0.01


def test_parents_are_the_networks_moved_by_their_permutations() -> None:
    given = [random_network(seed) for seed in range(3)]
    merged = ob.merge(given, NETWORK)
    for before, permutation, after in zip(given, merged.permutations, merged.parents, strict=True):
        assert largest_gap(ob.permute(before, NETWORK.symmetry, permutation), after) == 0
        change = np.abs(NETWORK.apply(before, X) - NETWORK.apply(after, X)).max()
        assert change < 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_networks_are_no_further_apart_than_those_aligned_to_their_mean(seed) -> None:
    given = [random_network(10 * seed + number) for number in range(4)]
    samples = ob.Samples(jax.tree.map(lambda *leaves: np.stack(leaves)[:, None], *given))
    aligned = ob.align(samples, NETWORK.symmetry).apply(samples)
    to_mean = [aligned.draw(number, 0) for number in range(4)]
    shares = [0.25] * 4
    merged = ob.merge(given, NETWORK)
    assert squares([*merged.parents], shares) <= squares(to_mean, shares) * (1 + 1e-6)
    assert squares(to_mean, shares) <= squares(given, shares)


def test_the_merged_network_is_the_weighted_mean_of_the_aligned_ones() -> None:
    given = [random_network(seed) for seed in range(3)]
    merged = ob.merge(given, NETWORK.symmetry, weights=[1.0, 2.0, 5.0])
    mean = jax.tree.map(lambda a, b, c: (a + 2.0 * b + 5.0 * c) / 8, *merged.parents)
    assert largest_gap(merged.params, mean) < 1e-6


def test_a_network_with_all_of_the_weight_keeps_its_function() -> None:
    given = [random_network(seed) for seed in range(3)]
    merged = ob.merge(given, NETWORK, weights=[0.0, 3.0, 0.0])
    assert np.abs(NETWORK.apply(merged.params, X) - NETWORK.apply(given[1], X)).max() < 1e-4


def test_losses_are_those_of_the_networks_on_the_line() -> None:
    given = [random_network(seed) for seed in range(2)]
    targets = np.random.default_rng(1).normal(size=(40, 3))
    loss = lambda outputs, targets: jnp.abs(outputs - targets).mean()
    for options in ({}, {"loss": loss}):
        merged = ob.merge(given, NETWORK, inputs=X, targets=targets, **options)
        assert merged.losses.shape == merged.losses_before.shape == (1, 11)
        middle = jax.tree.map(lambda a, b: (a + b) / 2, *merged.parents)
        error = np.asarray(NETWORK.apply(middle, X)) - targets
        wanted = np.abs(error).mean() if options else np.square(error).mean()
        np.testing.assert_allclose(merged.losses[0, 5], wanted, rtol=1e-5)
        np.testing.assert_allclose(
            merged.losses[:, [0, -1]], merged.losses_before[:, [0, -1]], 1e-4
        )


def test_samples_are_networks_one_for_each_draw() -> None:
    given = [random_network(seed) for seed in range(4)]
    samples = ob.Samples(
        jax.tree.map(lambda *leaves: np.stack(leaves).reshape(2, 2, *leaves[0].shape), *given)
    )
    assert largest_gap(ob.merge(samples, NETWORK).params, ob.merge(given, NETWORK).params) == 0


def flat(params: dict) -> OrderedDict:
    """The names and layout of a PyTorch state_dict."""
    return OrderedDict(
        {
            "0.weight": params["hidden_0"]["kernel"].T,
            "0.bias": params["hidden_0"]["bias"],
            "2.weight": params["out"]["kernel"].T[:, :5],
            "2.bias": params["out"]["bias"],
        }
    )


def test_names_of_state_dicts_are_kept() -> None:
    wide = ob.mlp(6, (5,), 3)
    given = [flat(wide.init(jax.random.key(seed))) for seed in range(2)]
    apply = lambda p, x: jnp.tanh(x @ p["0.weight"].T) @ p["2.weight"].T + p["2.bias"][None]
    symmetry = ob.find_symmetry(apply, dict(given[0]), X)
    merged = ob.merge(given, symmetry, inputs=X)
    assert set(merged.params) == set(given[0])


def test_modules_of_equinox_stay_modules() -> None:
    import equinox as eqx

    modules = [eqx.nn.MLP(6, 3, 5, 1, key=jax.random.key(seed)) for seed in range(2)]
    apply, params = ob.from_equinox(modules[0])
    given = [ob.from_equinox(module)[1] for module in modules]
    symmetry = ob.find_symmetry(apply, params, X)
    merged = ob.merge(given, symmetry, inputs=X, targets=CLASSES, repair=True)
    assert jax.tree.structure(merged.params) == jax.tree.structure(params)


def normalized() -> tuple[Adapted, dict]:
    """A layer with BatchNorm as an adapter gives it."""

    def run(params: dict, x: jax.Array, mean: jax.Array, var: jax.Array) -> jax.Array:
        w = params["weights"]
        z = (x @ w["in"] - mean[None]) / jnp.sqrt(var[None] + 1e-5)
        return jax.nn.relu(z * w["scale"][None]) @ w["out"]

    def moments(params: dict, x: jax.Array) -> dict:
        z = x @ params["weights"]["in"]
        return {"mean": z.mean(0), "var": z.var(0)}

    evaluate = lambda params, x: run(params, x, **params["statistics"])
    by_batch = lambda params, x: run(params, x, **moments(params, x))
    recalibrate = lambda params, x: {**params, "statistics": moments(params, x)}
    rng = np.random.default_rng(3)
    normal = lambda *shape: rng.normal(size=shape).astype("float32")
    weights = {"in": normal(6, 8), "scale": np.abs(normal(8)), "out": normal(8, 3)}
    return Adapted(evaluate, by_batch, recalibrate), recalibrate({"weights": weights}, X)


def test_running_statistics_are_renewed_on_the_inputs() -> None:
    apply, params = normalized()
    symmetry = ob.find_symmetry(apply, params, X)
    other = apply.recalibrate(jax.tree.map(lambda leaf: leaf[::-1] * 0.5, params), X)
    for repair in (False, True):
        merged = ob.merge([params, other], symmetry, inputs=X, repair=repair)
        z = X.astype(np.float64) @ merged.params["weights"]["in"]
        np.testing.assert_allclose(merged.params["statistics"]["mean"], z.mean(0), atol=1e-5)
        np.testing.assert_allclose(merged.params["statistics"]["var"], z.var(0), rtol=1e-4)
    with pytest.warns(UserWarning, match="Pass inputs="):
        ob.merge([params, other], symmetry)


WRONG = ob.Symmetry.of(
    {
        "hidden_0": {"kernel": ob.Axes("hidden_0", "hidden_0"), "bias": ob.Axes("hidden_0")},
        "out": {"kernel": ob.Axes("hidden_0", None), "bias": ob.Axes(None)},
    },
    ob.mlp(5, (5,), 3).init(jax.random.key(0)),
)


def test_an_alignment_that_changes_a_function_is_refused() -> None:
    network = ob.mlp(5, (5,), 3)
    wrong = ob.Network(network.init, network.apply, None, WRONG)
    given = [network.init(jax.random.key(seed)) for seed in range(2)]
    with pytest.raises(ValueError, match="must leave the function of a network as it is") as error:
        ob.merge(given, wrong, inputs=X[:, :5])
    assert "\n" not in str(error.value)


A, B = random_network(0), random_network(1)
NARROW = ob.mlp(6, (4, 4), 3).init(jax.random.key(0))
BAD = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), A)
NO_FUNCTION = ob.Symmetry.of(NETWORK.symmetry.axes, A)
REFUSED = {
    "two networks or more. Got 1": ([A], NETWORK, {}),
    "one number for each of the 2 networks": ([A, B], NETWORK, {"weights": [1.0]}),
    "not negative": ([A, B], NETWORK, {"weights": [2.0, -1.0]}),
    "positive sum": ([A, B], NETWORK, {"weights": [0.0, 0.0]}),
    "the same shapes: .* in network 1": ([A, NARROW], NETWORK, {}),
    "the same arrays as the first. Missing: 'out/bias'": (
        [A, {**A, "out": {"kernel": A["out"]["kernel"]}}], NETWORK, {}
    ),
    "must be finite. Got NaN or infinity in .* of network 1": ([A, BAD], NETWORK, {}),
    "repair=True needs inputs": ([A, B], NETWORK, {"repair": True}),
    "targets needs inputs": ([A, B], NETWORK, {"targets": CLASSES}),
    "a symmetry that knows none": ([A, B], NO_FUNCTION, {"inputs": X}),
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_merged_is_refused_in_one_line(words) -> None:
    networks, symmetry, options = REFUSED[words]
    with pytest.raises(ValueError, match=words) as error:
        ob.merge(networks, symmetry, **options)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("unchecked")  # as users have it
def test_other_types_are_refused_in_one_line() -> None:
    for arguments in ((A, NETWORK), ([A, B], "mlp"), ([A, B], NETWORK.apply)):
        with pytest.raises(TypeError, match="Got") as error:
            ob.merge(*arguments)
        assert "\n" not in str(error.value)
