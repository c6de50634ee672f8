"""align and Alignment: references, the iterated mean, files, and what is refused."""

import dataclasses
import pickle
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given

from onebasin import _trees
from onebasin.alignment import Alignment, Round, align, problem, to, to_densest, to_first, to_mean
from onebasin.alignment.iteration import match_to
from onebasin.gaussians import DiagonalGaussian, summarize
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import Permutation, permute, random_permutation

pytestmark = [pytest.mark.usefixtures("strict_dtypes"), pytest.mark.slow]

NETWORK = mlp(3, (6, 5), 2, "tanh")
DEEPER = mlp(3, (6, 5, 4), 2, "tanh")


def make_samples(seed: int = 0, with_lp: bool = False) -> Samples:
    samples = strategies.random_samples(NETWORK, seed, num_chains=2, num_draws=4)
    lp = np.array([[-3, -2, -4, -9], [-5, -1, np.nan, -7]], np.float32)
    return Samples(samples.params, {"lp": lp} if with_lp else {})


def assert_same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


# ---- references


def test_the_first_draw_stays_where_it_is_and_is_the_reference() -> None:
    samples = make_samples(with_lp=True)
    alignment = align(samples, NETWORK.symmetry, reference=to_first())
    assert_same(alignment.reference, samples.draw(0, 0))
    assert_same(alignment.apply(samples).draw(0, 0), samples.draw(0, 0))


def test_the_densest_draw_is_the_one_of_largest_finite_lp() -> None:
    samples = make_samples(with_lp=True)
    alignment = align(samples, NETWORK.symmetry, reference=to_densest())
    assert_same(alignment.reference, samples.draw(1, 1))
    assert_same(alignment.apply(samples).draw(1, 1), samples.draw(1, 1))


@pytest.mark.parametrize("xp", [np, jnp])
def test_given_params_are_the_reference(xp) -> None:
    samples = make_samples()
    params = jax.tree.map(xp.asarray, strategies.make_case(NETWORK, 99).params)
    alignment = align(samples, NETWORK.symmetry, reference=to(params))
    assert_same(alignment.reference, params)
    aligned = alignment.apply(samples)
    for chain, draw in np.ndindex(2, 4):
        expected = oracles.inner_product(params, aligned.draw(chain, draw))
        assert alignment.objective[chain, draw] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("with_lp", [False, True])
def test_the_mean_starts_at_the_densest_draw_or_at_the_first_where_lp_is_unknown(with_lp) -> None:
    samples = make_samples(with_lp=with_lp)
    start = to_densest() if with_lp else to_first()
    from_mean = align(samples, NETWORK.symmetry, reference=to_mean(max_rounds=0))
    assert_same(
        from_mean.permutation, align(samples, NETWORK.symmetry, reference=start).permutation
    )


def test_the_mean_reference_is_the_mean_of_the_aligned_draws() -> None:
    samples = make_samples()
    alignment = align(samples, NETWORK.symmetry)
    assert alignment.converged.all()
    assert_same(alignment.reference, summarize(alignment.apply(samples)).mean)
    squared_norm = oracles.inner_product(alignment.reference, alignment.reference)
    assert alignment.objective.mean() == pytest.approx(squared_norm, rel=1e-6)


def test_an_alignment_that_has_converged_moves_no_draw_again() -> None:
    samples = make_samples()
    alignment = align(samples, NETWORK.symmetry)
    again = align(samples, NETWORK.symmetry, reference=to_mean(start=alignment))
    assert_same(again.permutation, alignment.permutation)


def test_the_mean_is_told_to_progress_each_round_until_no_draw_moves() -> None:
    samples = strategies.random_samples(NETWORK, 0, num_chains=2, num_draws=20)
    rounds = whole_rounds(samples, tolerance=0.0)
    assert [told.number for told in rounds] == list(range(len(rounds)))
    assert len(rounds) > 2
    assert rounds[-1].num_moved == 0
    assert all(0 < told.num_moved <= 40 for told in rounds[:-1])


@pytest.mark.parametrize(
    "given",
    [to_first(), to_mean(), to_mean(by_chain=True), to(strategies.make_case(NETWORK, 9).params)],
    ids=lambda given: given.name,
)
def test_with_every_reference_progress_is_told_of_all_draws_chunk_by_chunk(
    given, monkeypatch
) -> None:
    monkeypatch.setattr(problem, "_LEAST_CHUNK_BYTES", 1)
    samples = strategies.random_samples(NETWORK, 0, num_chains=2, num_draws=20)
    told: list[Round] = []
    align(samples, NETWORK.symmetry, reference=given, progress=told.append)
    assert told[0].number == 0
    assert told[0].num_matched == told[0].num_draws // 8
    assert told[-1].num_matched == told[-1].num_draws == 40


def test_draws_that_moved_in_the_last_allowed_round_are_not_converged() -> None:
    samples = strategies.random_samples(NETWORK, 0, num_chains=2, num_draws=20)
    alignment = align(samples, NETWORK.symmetry, reference=to_mean(max_rounds=1))
    last = whole_rounds(samples, max_rounds=1)[-1]
    assert last.number == 1
    assert last.num_moved == (~alignment.converged).sum() > 0


def test_a_round_that_gains_less_than_the_tolerance_is_the_last_and_has_converged() -> None:
    samples = strategies.random_samples(NETWORK, 0, num_chains=2, num_draws=20)
    alignment = align(samples, NETWORK.symmetry, reference=to_mean(tolerance=1e9))
    last = whole_rounds(samples, tolerance=1e9)[-1]
    assert last.number == 1
    assert last.num_moved > 0
    assert_same(
        alignment.permutation,
        align(samples, NETWORK.symmetry, reference=to_mean(max_rounds=1)).permutation,
    )
    assert alignment.converged.all()


def whole_rounds(samples: Samples, **options) -> list[Round]:
    """What progress is told at the end of each round."""
    told: list[Round] = []
    align(samples, NETWORK.symmetry, reference=to_mean(**options), progress=told.append)
    return [now for now in told if now.num_matched == now.num_draws]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("given", ["mean", strategies.make_case(NETWORK, 9).params])
def test_what_is_no_reference_is_refused_with_a_hint(given) -> None:
    with pytest.raises(TypeError, match=r"must be of type Reference\. Got .*to\(params\)"):
        align(make_samples(), NETWORK.symmetry, reference=given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_rounds": -1}, r"range \[0, inf\)\. Got -1"),
        ({"tolerance": -0.1}, r"range \[0, inf\)\. Got -0\.1"),
        ({"tolerance": float("nan")}, r"range \[0, inf\)\. Got nan"),
    ],
)
def test_an_iteration_that_cannot_be_is_refused(options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_mean(**options)


def test_references_of_equal_settings_are_equal_and_pickle() -> None:
    params = strategies.make_case(NETWORK, 9).params
    start = align(make_samples(), NETWORK.symmetry, reference=to_first())
    made = lambda: [
        to_first(), to_densest(), to_mean(), to_mean(by_chain=True), to_mean(tolerance=0.5),
        to_mean(start=start), to(params),
    ]  # fmt: skip
    for number, (one, other) in enumerate(zip(made(), made(), strict=True)):
        assert one == other
        assert pickle.loads(pickle.dumps(one)) == one
        assert all((one == another) == (number == at) for at, another in enumerate(made()))


@dataclasses.dataclass(frozen=True)
class ToLast:
    """A reference of one's own: the last draw."""

    name: str = "last"

    def bring(self, problem, samples, progress):
        return match_to(problem, samples.draw(-1, -1), progress)


def test_a_reference_of_ones_own_is_a_class_with_a_name_and_a_rule() -> None:
    samples = make_samples()
    alignment = align(samples, NETWORK.symmetry, reference=ToLast())
    expected = align(samples, NETWORK.symmetry, reference=to(samples.draw(-1, -1)))
    assert_same(alignment.permutation, expected.permutation)
    assert_same(alignment.reference, samples.draw(-1, -1))


def test_the_densest_draw_needs_lp() -> None:
    with pytest.raises(ValueError, match=r'needs the log density.*stats\["lp"\].*Got statistics'):
        align(make_samples(), NETWORK.symmetry, reference=to_densest())


def test_a_reference_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="the leaves that the symmetry lists"):
        align(
            make_samples(), NETWORK.symmetry, reference=to(strategies.make_case(DEEPER, 0).params)
        )


# ---- samples


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused_by_leaf_and_draw(bad: float) -> None:
    samples = make_samples()
    samples.params["hidden_1"]["kernel"][1, 2, 0, 0] = bad
    samples.params["hidden_1"]["kernel"][1, 3, 1, 1] = bad
    with pytest.raises(ValueError, match=r"hidden_1/kernel at chain 1, draw 2, and 1 more"):
        align(samples, NETWORK.symmetry)


def test_samples_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="the leaves that the symmetry lists"):
        align(make_samples(), DEEPER.symmetry)


def test_samples_on_the_device_are_aligned_like_samples_on_the_host() -> None:
    samples = make_samples()
    on_device = Samples(jax.tree.map(jnp.asarray, samples.params))
    first, second = (align(s, NETWORK.symmetry) for s in (samples, on_device))
    assert_same(first.permutation, second.permutation)
    assert_same(first.apply(samples).params, second.apply(on_device).params)


def test_applying_keeps_statistics_with_their_draws() -> None:
    samples = make_samples(with_lp=True)
    assert_same(align(samples, NETWORK.symmetry).apply(samples).stats, samples.stats)


@pytest.mark.parametrize("part", [slice(0, 1), slice(0, 2)])
def test_applying_to_other_samples_than_were_aligned_is_refused(part: slice) -> None:
    alignment = align(make_samples(), NETWORK.symmetry)
    others = Samples(jax.tree.map(lambda leaf: leaf[:, part], make_samples().params))
    with pytest.raises(ValueError, match=rf"of \(chain, draw\) \(2, 4\)\. Got \(2, {part.stop}\)"):
        alignment.apply(others)


def test_each_draw_is_aligned_as_if_it_were_alone() -> None:
    samples, reference = make_samples(), strategies.make_case(NETWORK, 99).params
    together = align(samples, NETWORK.symmetry, reference=to(reference))
    for chain, draw in np.ndindex(2, 4):
        alone = Samples(jax.tree.map(lambda leaf: leaf[None, None], samples.draw(chain, draw)))
        found = align(alone, NETWORK.symmetry, reference=to(reference))
        for group, p in found.permutation.units.items():
            np.testing.assert_array_equal(p[0, 0], together.permutation.units[group][chain, draw])


def test_a_scalar_weight_that_no_group_touches_comes_along() -> None:
    samples = make_samples()
    noise = np.arange(8, dtype=np.float32).reshape(2, 4)
    with_noise = Samples({"network": samples.params, "log_noise_std": noise})
    axes = {"network": NETWORK.symmetry.axes, "log_noise_std": strategies.Axes()}
    symmetry = strategies.Symmetry(axes, NETWORK.symmetry.sizes)
    alignment = align(with_noise, symmetry, reference=to_first())
    np.testing.assert_array_equal(alignment.apply(with_noise).params["log_noise_std"], noise)


def test_a_network_without_symmetry_is_left_as_it_is(tmp_path: Path) -> None:
    network = mlp(3, (), 2)
    samples = strategies.random_samples(network, 0, 2, 3)
    for reference in (to_first(), to_mean()):
        alignment = align(samples, network.symmetry, reference=reference)
        assert alignment.permutation == Permutation({})
        assert alignment.converged.all()
        assert_same(alignment.apply(samples).params, samples.params)
    alignment.save(tmp_path / "a")
    assert_same(Alignment.load(tmp_path / "a", network.symmetry), alignment)


# ---- planted permutations


@given(strategies.seeds)
def test_a_planted_permutation_is_found_under_small_noise_with_one_hidden_layer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = mlp(int(rng.integers(3, 6)), (int(rng.integers(1, 20)),), int(rng.integers(2, 4)))
    case = strategies.make_case(network, seed)
    samples, planted = strategies.permuted_copies(case, jax.random.key(seed), 1, 5)
    noisy = Samples(
        jax.tree.map(
            lambda leaf: leaf + np.float32(1e-3) * rng.standard_normal(leaf.shape, np.float32),
            samples.params,
        )
    )
    found = align(noisy, network.symmetry, reference=to(case.params)).permutation
    assert_same(found, planted.inverse())
    assert_same(found.num_transpositions(), planted.num_transpositions())


@pytest.mark.parametrize("hidden", [(20,), (20, 15)])
def test_copies_of_the_given_reference_come_back_to_it_exactly(hidden, key) -> None:
    network = mlp(3, hidden, 2, "tanh")
    case = strategies.make_case(network, 0)
    samples, planted = strategies.permuted_copies(case, key, 2, 4)
    alignment = align(samples, network.symmetry, reference=to(case.params))
    assert_same(alignment.permutation, planted.inverse())
    assert_same(alignment.permutation.inverse().num_transpositions(), planted.num_transpositions())
    expected = jax.tree.map(lambda x: np.broadcast_to(x, (2, 4, *x.shape)), case.params)
    assert_same(alignment.apply(samples).params, expected)


def test_permuting_the_samples_first_is_undone_by_alignment_with_one_hidden_layer(key) -> None:
    network = mlp(3, (7,), 2)
    samples, reference = (
        strategies.random_samples(network, 0, 2, 4),
        strategies.make_case(network, 99).params,
    )
    moved = random_permutation(network.symmetry, 2, 4, key=key)
    shuffled = Samples(permute(samples.params, network.symmetry, moved))
    first, second = (
        align(s, network.symmetry, reference=to(reference)) for s in (samples, shuffled)
    )
    assert_same((second.permutation @ moved), first.permutation)
    # Draws in float32 are multiplied in float32.
    np.testing.assert_allclose(second.objective, first.objective, rtol=1e-6)


# ---- files


@pytest.mark.parametrize("xp", [np, jnp])
def test_a_saved_alignment_loads_as_it_was(xp, tmp_path: Path) -> None:
    samples = Samples(jax.tree.map(xp.asarray, make_samples().params))
    alignment = align(samples, NETWORK.symmetry)
    alignment.save(tmp_path / "alignment")
    again = Alignment.load(tmp_path / "alignment", NETWORK.symmetry)
    assert jax.tree.structure(again) == jax.tree.structure(alignment)
    assert_same(again, alignment)
    assert again.matching == "weights"
    assert_same(again.apply(samples).params, alignment.apply(samples).params)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (mlp(3, (6,), 2), "leaves must be those of the given tree"),
        (DEEPER, "leaves must be those of the given tree"),
        (mlp(3, (5, 6), 2), "must have the units that the symmetry lists"),
    ],
)
def test_an_alignment_of_another_network_does_not_load(other, message, tmp_path: Path) -> None:
    align(make_samples(), NETWORK.symmetry).save(tmp_path / "alignment")
    with pytest.raises(ValueError, match=message):
        Alignment.load(tmp_path / "alignment", other.symmetry)


def test_an_alignment_of_other_groups_does_not_load(tmp_path: Path) -> None:
    align(make_samples(), NETWORK.symmetry).save(tmp_path / "alignment")
    rename = lambda axes: strategies.Axes(*(name and name.upper() for name in axes.names))
    is_axes = lambda leaf: isinstance(leaf, strategies.Axes)
    axes = jax.tree.map(rename, NETWORK.symmetry.axes, is_leaf=is_axes)
    renamed = strategies.Symmetry.of(axes, make_samples().draw(0, 0))
    with pytest.raises(ValueError, match=r"groups of the symmetry, \{'HIDDEN_0': 6.*Got \{'hidden"):
        Alignment.load(tmp_path / "alignment", renamed)


def test_a_file_that_is_no_alignment_does_not_load(tmp_path: Path) -> None:
    params = strategies.make_case(NETWORK, 0).params
    DiagonalGaussian(params, params).save(tmp_path / "gaussian")
    with pytest.raises(ValueError, match="An alignment file was expected"):
        Alignment.load(tmp_path / "gaussian", NETWORK.symmetry)


def test_an_alignment_stores_integers_and_one_network_not_the_draws() -> None:
    samples = make_samples()
    alignment = align(samples, NETWORK.symmetry)
    num_weights = _trees.size(samples.draw(0, 0))
    units_and_signs = 2 * (6 + 5)
    # An objective, whether it has converged, its sweeps and its start are the other four.
    assert _trees.size(alignment) == num_weights + 8 * (units_and_signs + 4)
