"""The table of weights: every column against an oracle, and planted posteriors that it must see."""

import jax
import numpy as np
import pytest
import strategies
from arviz_stats.base.array import array_stats

import onebasin as ob
from onebasin.knowledge import (
    array_of,
    describe,
    load_table,
    save_table,
    unit_identity,
    weight_table,
)
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import random_permutation

NETWORK = mlp(3, (6,), 2)
SYMMETRY = NETWORK.symmetry
LIKE = jax.eval_shape(NETWORK.init, jax.random.key(0))
SHAPE = (4, 100)
STDS = {"hidden_0": {"bias": 0.3, "kernel": 0.1}, "out": {"bias": 1.0, "kernel": 0.05}}


def autocorrelated(rng: np.random.Generator, shape: tuple[int, ...], correlation: float = 0.5):
    draws = rng.standard_normal(shape)
    for draw in range(1, shape[1]):
        draws[:, draw] *= np.sqrt(1 - correlation**2)
        draws[:, draw] += correlation * draws[:, draw - 1]
    return draws


def planted(seed: int = 0, shape: tuple[int, int] = SHAPE) -> Samples:
    """A network whose weights vary by `STDS` about means that differ, with its units permuted."""
    rng = np.random.default_rng(seed)
    mean = strategies.make_case(NETWORK, 7).params
    draws = jax.tree.map(
        lambda m, s: (m + s * autocorrelated(rng, (*shape, *m.shape))).astype(np.float32),
        mean,
        STDS,
    )
    moved = random_permutation(SYMMETRY, *shape, key=jax.random.key(seed))
    return Samples(ob.permute(draws, SYMMETRY, moved))


def prior_draws(seed: int = 0, shape: tuple[int, int] = (4, 120)) -> Samples:
    rng = np.random.default_rng(seed)
    return Samples(
        jax.tree.map(
            lambda leaf: autocorrelated(rng, (*shape, *leaf.shape)).astype(np.float32), LIKE
        )
    )


@pytest.fixture(scope="module")
def made():
    samples = planted()
    alignment = ob.align(samples, SYMMETRY)
    nulls = ob.alignment.aligned_nulls(samples, SYMMETRY, key=jax.random.key(1), num_nulls=4)
    table = weight_table(alignment, samples, prior_std=2.0, nulls=nulls)
    return samples, alignment, table


def columns(table, name: str) -> np.ndarray:
    return table[name].values


def test_every_weight_has_a_row_that_says_where_it_is(made) -> None:
    samples, alignment, table = made
    means = alignment.apply(samples).mean()
    leaves = {
        f"{layer}/{name}": leaf.reshape(-1)
        for layer, weights in means.items()
        for name, leaf in weights.items()
    }
    assert table.sizes["weight"] == sum(len(leaf) for leaf in leaves.values())
    for array, place, mean in zip(
        table["array"].values, table["position"].values, columns(table, "mean"), strict=True
    ):
        assert mean == pytest.approx(leaves[array][place], abs=1e-6)


def test_errors_sizes_and_rhat_are_those_of_arviz(made) -> None:
    samples, alignment, table = made
    aligned = alignment.apply(samples)
    rows = np.random.default_rng(0).choice(table.sizes["weight"], 20, replace=False)
    arrays = {
        f"{layer}/{name}": np.asarray(leaf, np.float64)
        for layer, leaves in aligned.params.items()
        for name, leaf in leaves.items()
    }
    for row in rows:
        name, place = str(table["array"].values[row]), int(table["position"].values[row])
        values = arrays[name].reshape(*SHAPE, -1)[..., place]
        expected = {
            "mcse_mean": array_stats.mcse(values, chain_axis=0, draw_axis=1, method="mean"),
            "mcse_std": _mcse_std(values),
            "ess_bulk": array_stats.ess(values, chain_axis=0, draw_axis=1, method="bulk"),
            "ess_tail": array_stats.ess(
                values, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95)
            ),
            "r_hat": array_stats.rhat(values, chain_axis=0, draw_axis=1, method="rank"),
            "std": values.std(ddof=1),
        }
        for column, value in expected.items():
            assert columns(table, column)[row] == pytest.approx(value, rel=1e-6), column


def _mcse_std(values: np.ndarray) -> float:
    """As arviz-stats computes it from version 1 on: by the effective size of squares."""
    squares = (values - values.mean()) ** 2
    size = array_stats.ess(values, chain_axis=0, draw_axis=1, method="sd")
    return float(np.sqrt(squares.var() / size / squares.mean() / 4))


def test_planted_stds_and_contractions_are_found_within_their_errors(made) -> None:
    _, _, table = made
    for layer, kinds in STDS.items():
        for name, std in kinds.items():
            part = array_of(table, f"{layer}/{name}")
            away = (part["std"].values - std) / part["mcse_std"].values
            assert abs(away).max() < 4.5  # of 44 weights; a failure in 10,000
            wanted = 1 - std**2 / 4
            away = (part["contraction"].values - wanted) / part["mcse_contraction"].values
            assert abs(away).max() < 4.5


def test_draws_of_the_prior_contract_by_nothing_and_no_std_beats_the_floor() -> None:
    samples = prior_draws()
    alignment = ob.align(samples, SYMMETRY)
    nulls = ob.alignment.aligned_nulls(samples, SYMMETRY, key=jax.random.key(1), num_nulls=4)
    table = weight_table(alignment, samples, prior_std=1.0, nulls=nulls)
    frozen = array_of(table, "out/bias")  # alignment moves no other weight so little
    assert (abs(frozen["contraction"].values) < 4 * frozen["mcse_contraction"].values).all()
    tested = columns(table, "p_std")[~np.isnan(columns(table, "p_std"))]
    assert ob.alignment.significant_share({"p": tested}) == 0
    assert 0.3 < tested.mean() < 0.7
    means = columns(table, "p_mean")[~np.isnan(columns(table, "p_mean"))]
    assert ob.alignment.significant_share({"p": means}) == 0


def test_alignment_alone_takes_variance_from_noise_which_the_floor_shows() -> None:
    samples = prior_draws(1)
    alignment = ob.align(samples, SYMMETRY)
    nulls = ob.alignment.aligned_nulls(samples, SYMMETRY, key=jax.random.key(1), num_nulls=4)
    kernel = array_of(weight_table(alignment, samples, nulls=nulls), "hidden_0/kernel")
    assert kernel["std"].values.mean() < 0.9
    assert kernel["floor_std"].values.mean() == pytest.approx(kernel["std"].values.mean(), rel=0.05)
    assert kernel["floor_mean"].values.mean() > 0.3


def test_planted_stds_and_means_beat_the_floor(made) -> None:
    _, _, table = made
    kernel = array_of(table, "hidden_0/kernel")
    assert (kernel["p_std"].values < 0.05).all()
    assert (kernel["floor_std"].values > 4 * kernel["std"].values).all()


def test_a_planted_unit_is_the_same_unit_in_every_draw_and_noise_has_no_identity() -> None:
    samples = planted(2)
    still = Samples(ob.align(samples, SYMMETRY).apply(samples).params)  # each chain in one order
    alignment = ob.align(still, SYMMETRY)
    found = unit_identity(alignment, still, alignment.apply(still))
    assert (found.share["hidden_0"] == 1).all()
    assert (found.margin["hidden_0"] > 0.8).all()
    noise = prior_draws(3)
    alignment = ob.align(noise, SYMMETRY)
    found = unit_identity(alignment, noise, alignment.apply(noise))
    assert found.share["hidden_0"].mean() < 0.4
    assert found.margin["hidden_0"].max() < 0.6


def test_the_margin_is_the_cosine_between_differences_of_units(made) -> None:
    samples, alignment, _ = made
    aligned = alignment.apply(samples)
    rows = lambda tree: np.concatenate(
        [tree["hidden_0"]["kernel"].T, tree["hidden_0"]["bias"][:, None], tree["out"]["kernel"]],
        axis=1,
    ).astype(np.float64)
    target, expected = rows(alignment.reference), np.zeros(6)
    for chain in range(SHAPE[0]):
        for draw in range(SHAPE[1]):
            units = rows(aligned.draw(chain, draw))
            for u in range(6):
                cosines = [
                    (target[u] - target[v])
                    @ (units[u] - units[v])
                    / np.linalg.norm(target[u] - target[v])
                    / np.linalg.norm(units[u] - units[v])
                    for v in range(6)
                    if v != u
                ]
                expected[u] += min(cosines) / np.prod(SHAPE)
    found = unit_identity(alignment, samples, aligned).margin["hidden_0"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_halves_of_the_chains_agree_on_what_differs_and_not_on_noise(made) -> None:
    _, _, table = made
    together = table.sel(array_name="all arrays")
    assert float(together["reliability_std"]) > 0.7
    assert float(together["reliability_mean"]) > 0.9
    kernel = table.sel(array_name="hidden_0/kernel")
    assert abs(float(kernel["reliability_std_between_units"])) < 0.7  # all have one std
    assert np.isnan(float(table.sel(array_name="out/bias")["reliability_std_between_units"]))


def test_a_table_can_be_saved_and_read_again(made, tmp_path) -> None:
    _, _, table = made
    save_table(tmp_path / "weights.safetensors", table)
    assert load_table(tmp_path / "weights.safetensors").identical(table)


def test_samples_in_a_store_give_the_same_table(made, tmp_path) -> None:
    samples, alignment, table = made
    ob.save_samples(tmp_path / "draws.zarr", samples)
    stored = weight_table(alignment, ob.load_samples(tmp_path / "draws.zarr"), prior_std=2.0)
    for name, column in stored.data_vars.items():
        np.testing.assert_array_equal(column.values, table[name].values, str(name))


def test_an_array_of_a_table_has_the_shape_and_the_axes_of_the_array(made) -> None:
    _, _, table = made
    kernel = array_of(table, "hidden_0/kernel")
    assert kernel["std"].dims == ("hidden_0.kernel_dim_0", "hidden_0")
    assert kernel["std"].shape == (3, 6)
    with pytest.raises(ValueError, match=r"must have the array\. Got 'nothing'"):
        array_of(table, "nothing")


def test_one_weight_in_words_says_its_numbers(made) -> None:
    _, _, table = made
    words = describe(table, "hidden_0/kernel", 2, 5)
    row = array_of(table, "hidden_0/kernel").isel({"hidden_0.kernel_dim_0": 2, "hidden_0": 5})
    assert words.startswith("hidden_0/kernel[2, 5] has the mean")
    assert f"{float(row['mean']):.3f}" in words
    assert f"{float(row['contraction']):.3%}" in words
    assert "noise rarely gives so small a std" in words
    assert "no unit that may move" in describe(table, "out/bias", 1)
    with pytest.raises(IndexError, match=r"the shape \(3, 6\)\. Got \(3, 5\)"):
        describe(table, "hidden_0/kernel", 3, 5)


def test_a_prior_std_must_fit_and_be_positive(made) -> None:
    samples, alignment, _ = made
    with pytest.raises(ValueError, match="prior_std must be positive"):
        weight_table(alignment, samples, prior_std=0.0)
    with pytest.raises(ValueError, match="prior_std must have the arrays"):
        weight_table(alignment, samples, prior_std={"w": np.ones(3)})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lstm", "two layers"])
def test_each_weight_of_any_network_has_the_identity_of_its_units(kind: str) -> None:
    network = {
        "lstm": lambda: ob.networks.lstm((2, 3), 2, width=4),
        "two layers": lambda: mlp(3, (4, 5), 2, activation="tanh"),
    }[kind]()
    samples = strategies.random_samples(network, 0, 2, 10)
    alignment = ob.align(samples, network.symmetry)
    table = weight_table(alignment, samples)
    moves = {name for name, axes in network.symmetry.named.items() if any(_names(axes))}
    for name in {str(name) for name in table["array"].values}:
        share = array_of(table, name)["share"].values
        assert np.isfinite(share).all() == (name in moves), name
        assert ((share >= 0) & (share <= 1)).all() or name not in moves


def _names(axes):
    if hasattr(axes, "cuts"):
        return [name for block in axes.axes for name in block.names]
    return axes.names
