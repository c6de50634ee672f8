"""Two posteriors compared weight by weight: formulas, planted differences, and false alarms."""

import json
import math

import jax
import numpy as np
import pytest
import scipy.stats
import strategies

import onebasin as ob
from onebasin.knowledge import (
    compare_posteriors,
    compare_tables,
    describe_comparison,
    gaussian_table,
    unit_shares,
    weight_table,
)
from onebasin.networks import mlp, vit
from onebasin.samples import Samples
from onebasin.symmetry import random_permutation

NETWORK = mlp(3, (6,), 2)
SYMMETRY = NETWORK.symmetry
MEAN = strategies.make_case(NETWORK, 7).params
STD = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.1), MEAN)


def autocorrelated(rng: np.random.Generator, shape: tuple[int, ...], correlation: float):
    draws = rng.standard_normal(shape)
    for draw in range(1, shape[1]):
        draws[:, draw] *= np.sqrt(1 - correlation**2)
        draws[:, draw] += correlation * draws[:, draw - 1]
    return draws


def planted(seed: int, mean=MEAN, std=STD, shape=(4, 150), correlation=0.5) -> Samples:
    """Autocorrelated Gaussian draws. In each chain, units are permuted at random."""
    rng = np.random.default_rng(seed)
    draws = jax.tree.map(
        lambda m, s: (m + s * autocorrelated(rng, (*shape, *m.shape), correlation)).astype("f4"),
        mean,
        std,
    )
    of_chains = random_permutation(SYMMETRY, shape[0], 1, key=jax.random.key(seed))
    moved = jax.tree.map(lambda p: np.repeat(np.asarray(p), shape[1], axis=1), of_chains)
    return Samples(ob.permute(draws, SYMMETRY, moved))


FREEDOM = {"mean": 1 / 4, "std": 1 / 48}
NAMES = {"mean": "mean_difference", "std": "log_std_ratio"}


def any_differs(comparison) -> bool:
    return bool(comparison["differs_mean"].any() or comparison["differs_std"].any())


def as_table(**columns: list[float]):
    """A table of one array, in float64."""
    import xarray

    count = len(columns["mean"])
    coordinates = {
        "array": ("weight", ["w"] * count),
        "position": ("weight", np.arange(count)),
        "array_name": ["w", "all arrays"],
    }
    layout = {"arrays": json.dumps({"w": {"shape": [count], "dims": ["w_dim_0"]}})}
    layout |= {"num_chains": 4, "num_draws": 100}
    variables = {name: ("weight", np.array(column)) for name, column in columns.items()}
    return xarray.Dataset(variables, coordinates, layout)


FIRST = as_table(
    mean=[0.0, 1.0, -2.0, 5.0, 0.0],
    std=[1.0, 2.0, 0.5, 1.0, 0.0],
    mcse_mean=[0.1, 0.1, 0.02, 0.01, np.nan],
    mcse_std=[0.05, 0.1, 0.02, 0.01, np.nan],
)
SECOND = as_table(
    mean=[0.05, 2.0, -1.0, 5.01, 0.0],
    std=[1.1, 2.0, 0.5, 1.01, 0.0],
    mcse_mean=[0.05, 0.2, 0.0, 0.01, np.nan],
    mcse_std=[0.04, 0.1, 0.0, 0.02, np.nan],
)


def differences(row: int) -> dict[str, tuple[float, float, float]]:
    """The difference, its error and its degrees of freedom for the mean and the log std."""
    one, other = ({k: float(v[row]) for k, v in t.data_vars.items()} for t in (FIRST, SECOND))
    values = {"mean": other["mean"] - one["mean"], "std": np.log(other["std"] / one["std"])}
    units = {"mean": (1.0, 1.0), "std": (one["std"], other["std"])}
    found = {}
    for kind, share in FREEDOM.items():
        errors = [t[f"mcse_{kind}"] for t in (one, other)]
        terms = [
            (error / unit) ** 4 / (share * (t["std"] / error) ** 2)
            for error, unit, t in zip(errors, units[kind], (one, other), strict=True)
            if error > 0
        ]
        error = np.hypot(*(e / unit for e, unit in zip(errors, units[kind], strict=True)))
        found[kind] = values[kind], error, error**4 / sum(terms)
    return found


def test_differences_errors_and_p_values_are_those_of_the_formulas():
    found = compare_tables(FIRST, SECOND)
    for row in range(4):
        for kind, (value, error, freedom) in differences(row).items():
            p = 2 * scipy.stats.t(freedom).sf(abs(value) / error)
            assert float(found[NAMES[kind]][row]) == pytest.approx(value, rel=1e-12)
            assert float(found[f"mcse_{NAMES[kind]}"][row]) == pytest.approx(error, rel=1e-12)
            assert float(found[f"p_{kind}"][row]) == pytest.approx(p, rel=1e-10)


def test_welch_is_scipys_test_of_independent_draws():
    """With ESS = n and freedom n - 1, the p-value is that of SciPy. Ours has n / 4: p is larger."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 1, 400), rng.normal(0.15, 2, 300)
    tables = [
        as_table(
            mean=[x.mean()], std=[x.std(ddof=1)], mcse_mean=[scipy.stats.sem(x)], mcse_std=[0.1]
        )
        for x in (ours, theirs)
    ]
    found = float(compare_tables(*tables)["p_mean"][0])
    expected = scipy.stats.ttest_ind(ours, theirs, equal_var=False).pvalue
    assert expected < found < 1.05 * expected


def test_discoveries_are_those_of_benjamini_and_hochberg_at_half_the_rate_for_each_kind():
    found = compare_tables(FIRST, SECOND, false_discovery_rate=0.2)
    for kind, num_expected in {"mean": 2, "std": 0}.items():
        p_values = found[f"p_{kind}"].values[:4]
        below = np.flatnonzero(np.sort(p_values) <= 0.1 * np.arange(1, 5) / 4)
        largest = np.sort(p_values)[below[-1]] if len(below) else -1.0
        np.testing.assert_array_equal(found[f"differs_{kind}"][:4], p_values <= largest)
        assert int(found[f"differs_{kind}"].sum()) == num_expected


def test_equal_within_the_margin_is_said_if_both_one_sided_tests_reject():
    found = compare_tables(FIRST, SECOND, margin=0.3)
    said = []
    for row in range(4):
        spread = np.sqrt((float(FIRST["std"][row]) ** 2 + float(SECOND["std"][row]) ** 2) / 2)
        margins = {"mean": 0.3 * spread, "std": 0.3}
        for kind, (value, error, freedom) in differences(row).items():
            test = scipy.stats.t(freedom)
            p = max(test.sf((margins[kind] + side * value) / error) for side in (-1, 1))
            assert bool(found[f"equivalent_{kind}"][row]) == (p < 0.05)
            said.append(p < 0.05)
    assert 0 < sum(said) < 8


def test_a_weight_that_never_moves_is_undecided_and_does_not_count_among_discoveries():
    found = compare_tables(FIRST, SECOND)
    without = compare_tables(
        *(t.isel(weight=slice(4)).assign_attrs(_four()) for t in (FIRST, SECOND))
    )
    for kind in ("mean", "std"):
        assert np.isnan(found[f"p_{kind}"][4])
        assert not found[f"differs_{kind}"][4]
        assert not found[f"equivalent_{kind}"][4]
        np.testing.assert_array_equal(found[f"differs_{kind}"][:4], without[f"differs_{kind}"])


def _four() -> dict[str, str]:
    return {"arrays": json.dumps({"w": {"shape": [4], "dims": ["w_dim_0"]}})}


@pytest.mark.parametrize("num_draws", [5, 10, 40])
def test_a_gaussian_of_independent_draws_has_their_errors(num_draws: int) -> None:
    """Of 40,000 weights, shares of p-values below a level are within 5 standard errors of it.

    Those of means are exact. Those of stds may be smaller, down to a fourth of the level.
    """
    network = mlp(199, (199,), 1)
    like = jax.eval_shape(network.init, jax.random.key(0))
    rng = np.random.default_rng(num_draws)
    draws = jax.tree.map(lambda leaf: rng.standard_normal((num_draws, 1, *leaf.shape)), like)
    fitted = gaussian_table(ob.summarize(Samples(draws)), network.symmetry, num_draws)
    truth = ob.DiagonalGaussian(
        jax.tree.map(lambda leaf: np.zeros(leaf.shape), like),
        jax.tree.map(lambda leaf: np.ones(leaf.shape), like),
    )
    found = compare_tables(fitted, gaussian_table(truth, network.symmetry))
    for level in (0.05, 0.01):
        error = np.sqrt(level / found.sizes["weight"])
        assert float((found["p_mean"] < level).mean()) == pytest.approx(level, abs=5 * error)
        assert level / 4 < float((found["p_std"] < level).mean()) < level + 5 * error


def test_a_summary_of_samples_has_the_errors_of_their_table() -> None:
    samples = planted(0)
    alignment = ob.align(samples, SYMMETRY)
    table = weight_table(alignment, samples)
    summary = gaussian_table(ob.summarize(alignment.apply(samples)), SYMMETRY)
    for name in ("mean", "std", "mcse_mean", "mcse_std"):
        np.testing.assert_allclose(summary[name], table[name], rtol=1e-4, atol=1e-6)


def test_shares_by_array_are_those_of_its_weights():
    table = gaussian_table(ob.DiagonalGaussian(MEAN, STD), SYMMETRY)
    is_moved = (table["array"] == "out/kernel") & (table["position"] < 3)
    found = compare_tables(table, table.assign(std=table["std"].where(~is_moved, 0.3)))
    shares = found["share_differs_std"].to_series()
    assert shares["out/kernel"] == pytest.approx(3 / 12)
    assert shares["hidden_0/kernel"] == 0
    assert shares["all arrays"] == pytest.approx(3 / 38)
    for kind in ("mean", "std"):
        parts = [found[f"share_{name}_{kind}"] for name in ("differs", "equivalent", "undecided")]
        np.testing.assert_allclose(sum(parts), 1)


def test_shares_by_unit_count_the_weights_into_and_out_of_each_unit():
    table = gaussian_table(ob.DiagonalGaussian(MEAN, STD), SYMMETRY)
    # Weight 7 of the output kernel (6 units, 2 outputs) leaves unit 3.
    is_moved = (table["array"] == "out/kernel") & (table["position"] == 7)
    found = compare_tables(table, table.assign(mean=table["mean"].where(~is_moved, 9.0)))
    by_unit = unit_shares(found, SYMMETRY)
    assert by_unit["group"].values.tolist() == ["hidden_0"] * 6
    assert by_unit["position"].values.tolist() == list(range(6))
    # Each unit has 3 weights and a bias that go in, and 2 weights that go out.
    np.testing.assert_allclose(by_unit["share_differs_mean"], [0, 0, 0, 1 / 6, 0, 0])


def test_units_of_nested_groups_are_counted_for_each_unit_that_they_are_nested_in():
    network = vit((4, 4), outputs=2, width=4, depth=1, heads=2, patch=2)
    params = network.init(jax.random.key(0))
    symmetry = network.symmetry
    gaussian = ob.DiagonalGaussian(params, jax.tree.map(np.ones_like, params))
    table = gaussian_table(gaussian, symmetry)
    by_unit = unit_shares(compare_tables(table, table), symmetry)
    for group, size in symmetry.sizes.items():
        count = int((by_unit["group"] == group).sum())
        assert count == size * math.prod(symmetry.around(group))
    assert symmetry.nested
    np.testing.assert_array_equal(by_unit["share_equivalent_mean"], 1)


def test_tables_of_other_networks_are_refused():
    table = gaussian_table(ob.DiagonalGaussian(MEAN, STD), SYMMETRY)
    with pytest.raises(ValueError, match="must list the same arrays"):
        compare_tables(table, FIRST)
    with pytest.raises(ValueError, match="must be those of the given tree"):
        unit_shares(compare_tables(FIRST, SECOND), SYMMETRY)


@pytest.mark.parametrize("options", [{"false_discovery_rate": 1.0}, {"margin": 0.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must"):
        compare_tables(FIRST, SECOND, **options)


def test_gaussians_without_errors_are_equal_only_if_they_are():
    gaussian = ob.DiagonalGaussian(MEAN, STD)
    table = gaussian_table(gaussian, SYMMETRY)
    same = compare_tables(table, table)
    assert float(same["share_equivalent_mean"].sel(array_name="all arrays")) == 1
    assert not any_differs(same)
    moved = table.assign(mean=table["mean"] + 0.05)  # half a std
    found = compare_tables(table, moved)
    assert float(found["share_differs_mean"].sel(array_name="all arrays")) == 1
    assert float(found["share_equivalent_mean"].sel(array_name="all arrays")) == 0
    assert float(found["share_equivalent_std"].sel(array_name="all arrays")) == 1


# ------------------------------------------------------------------ samples, with label switching


@pytest.mark.slow
def test_two_samplings_of_one_posterior_differ_nowhere():
    """10 pairs: 4 or more with a discovery have a probability of .001 at a rate of 5 %."""
    found = [compare_posteriors(planted(2 * n), planted(2 * n + 1), SYMMETRY) for n in range(10)]
    assert sum(any_differs(one.comparison) for one in found) < 4
    assert sum(any_differs(one.control) for one in found) < 4


@pytest.mark.long
@pytest.mark.parametrize("correlation", [0.5, 0.8, 0.9])
def test_at_most_a_twentieth_of_equal_pairs_has_any_difference(correlation, capsys):
    """200 pairs: 18 or more have a probability below .015 at 5 %, and below 1e-4 at 3 %."""
    pairs = [
        compare_posteriors(
            *(planted(1000 + 2 * n + k, correlation=correlation, shape=(4, 250)) for k in (0, 1)),
            SYMMETRY,
        )
        for n in range(200)
    ]
    counts = [
        sum(map(any_differs, parts)) for parts in zip(*(pair[:2] for pair in pairs), strict=True)
    ]
    with capsys.disabled():
        print(f"correlation {correlation}: {counts} of 200 comparisons and controls differ")
    assert max(counts) < 18


def test_a_shifted_mean_and_a_doubled_std_are_found_and_only_there():
    mean = jax.tree.map(np.copy, MEAN)
    mean["out"]["bias"] = mean["out"]["bias"] + 0.1  # one std
    std = jax.tree.map(np.copy, STD)
    std["hidden_0"]["bias"] = 2 * std["hidden_0"]["bias"]
    found = compare_posteriors(planted(0), planted(1, mean, std), SYMMETRY)
    arrays = found.comparison["array"].values
    np.testing.assert_array_equal(found.comparison["differs_mean"], arrays == "out/bias")
    np.testing.assert_array_equal(found.comparison["differs_std"], arrays == "hidden_0/bias")
    moved = found.comparison.isel(weight=arrays == "out/bias")
    np.testing.assert_allclose(moved["mean_difference"], 0.1, atol=0.05)
    wide = found.comparison.isel(weight=arrays == "hidden_0/bias")
    np.testing.assert_allclose(wide["log_std_ratio"], np.log(2), atol=0.3)
    assert not any_differs(found.control)


def test_a_variational_gaussian_is_compared_with_samples():
    samples = planted(0)
    alignment = ob.align(samples, SYMMETRY, reference=ob.to(MEAN))
    sampled = weight_table(alignment, samples)
    right = gaussian_table(ob.DiagonalGaussian(MEAN, STD), SYMMETRY)
    assert not any_differs(compare_tables(sampled, right))
    narrow = gaussian_table(
        ob.DiagonalGaussian(MEAN, jax.tree.map(lambda leaf: leaf / 2, STD)), SYMMETRY
    )
    found = compare_tables(sampled, narrow)
    assert not found["differs_mean"].any()  # though all stds differ
    assert found["differs_std"].all()


def test_samples_are_compared_in_the_same_way_in_either_order():
    first, second = planted(0), planted(1, correlation=0.2)
    reference = ob.to(MEAN)  # the mean of chains in another order rounds otherwise
    one = compare_posteriors(first, second, SYMMETRY, reference=reference).comparison
    other = compare_posteriors(second, first, SYMMETRY, reference=reference).comparison
    np.testing.assert_array_equal(one["mean_difference"], -other["mean_difference"])
    np.testing.assert_array_equal(one["p_std"], other["p_std"])


def test_posteriors_with_other_numbers_of_chains_are_compared_and_of_draws_are_refused():
    first, second = planted(0), planted(1, shape=(1, 150))
    found = compare_posteriors(first, second, SYMMETRY)
    assert found.second.attrs["num_chains"] == 1
    assert (found.control["p_mean"] > 0).all()
    with pytest.raises(ValueError, match="as many draws in each chain. Got 150 and 75"):
        compare_posteriors(first, second.thin(2), SYMMETRY)
    with pytest.raises(ValueError, match="16 draws in each chain, or more. Got 15"):
        compare_posteriors(first.thin(10), second.thin(10), SYMMETRY)


def test_the_control_of_posteriors_that_differ_everywhere_differs_nowhere():
    """It is of standardized draws: else their difference would hide in the errors."""
    mean = jax.tree.map(lambda leaf: leaf + 1.0, MEAN)
    std = jax.tree.map(lambda leaf: 3 * leaf, STD)
    found = compare_posteriors(planted(0), planted(1, mean, std), SYMMETRY)
    assert found.comparison["differs_std"].all()
    assert not any_differs(found.control)
    # The errors of the control are as small as those of equal posteriors.
    assert float(found.control["mcse_mean_difference"].max()) < 0.25


def test_a_comparison_is_told_in_words():
    table = gaussian_table(ob.DiagonalGaussian(MEAN, STD), SYMMETRY)
    is_moved = (table["array"] == "out/kernel") & (table["position"] < 3)
    found = compare_tables(table, table.assign(std=table["std"].where(~is_moved, 0.3)))
    assert describe_comparison(found, compare_tables(table, table)) == (
        "Of 38 weights, 0% of means and 7.9% of stds differ (false discovery rate 5%). 100% of "
        "means and 92.1% of stds are equal within a margin of 0.2 (of means in stds, of stds in "
        "their log ratio). The other 0% of means and 0% of stds are undecided. In the shuffled "
        "control, in which nothing differs, 0% of means and 0% of stds differ."
    )
    assert describe_comparison(found, array="out/kernel").startswith(
        "Of 12 weights of out/kernel, 0% of means and 25.0% of stds differ"
    )
    with pytest.raises(ValueError, match="must have the array. Got 'kernel'"):
        describe_comparison(found, array="kernel")
