"""weight_table: what the posterior knows about every single weight, and how well."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import jax
import numpy as np

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.alignment import Alignment
from onebasin.alignment.significance import against_nulls
from onebasin.knowledge.arrays import table_of_trees
from onebasin.knowledge.blocks import Statistics, statistics_of
from onebasin.knowledge.identity import of_weights, unit_identity
from onebasin.knowledge.reliability import split_half
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry
from onebasin.types import Params

if TYPE_CHECKING:
    import xarray


def weight_table(
    alignment: Alignment,
    samples: Samples,
    *,
    prior_std: Params | float | None = None,
    nulls: Iterable[Samples] = (),
    progress: Callable[[int, int], None] | None = None,
) -> "xarray.Dataset":
    r"""What the posterior knows about every weight, and how well: an Xarray Dataset.

    Its dimension `weight` lists all weights of all arrays. The coordinates `array` and `position`
    say which weight it is: the path of its array and its place there, as in `array.reshape(-1)`.
    `array_of` gives the table of one array, in the array's own shape, and `describe` tells one
    weight in words. Running statistics are left out. Draws are aligned.

    - `mean`, `std`: mean and std (ddof = 1) over all draws, in the weight's unit, with their Monte
      Carlo standard errors `mcse_mean` and `mcse_std`.
    - `ess_bulk`, `ess_tail`, `ess_std`: effective sample sizes, in draws of all chains together;
      `per_weight` says which. `r_hat`: the rank-normalized R-hat.
    - `kurtosis`, `kurtosis_z`: the excess kurtosis, and as a multiple of its standard error.
    - `contraction`, with its error `mcse_contraction`: $1 - s^2 / s_0^2$ with the std $s$ and the
      prior std $s_0$, and $2 s\, \mathrm{MCSE}(s) / s_0^2$. If `prior_std` is given.
    - `margin`, `share`: `unit_identity` of the weight's unit; of several units, the smaller.
    - `floor_mean`, `floor_std`, `floor_signal_to_noise`: what $|\mu|$, $s$ and $|\mu| / s$ are for
      aligned noise at the weight's position. `p_mean`, `p_std`, `p_signal_to_noise`: how probable
      so large a mean, so small a std and so large a ratio are for noise, as `std_significance` says
      it for stds. If `nulls` are given.

    The dimension `array_name` lists all arrays, and "all arrays" together. `reliability_mean`,
    `reliability_std` and `reliability_std_between_units` are `split_half` correlations, and
    `null_reliability_mean` and so on are those of aligned noise.

    Samples from a store are read by blocks of weights, in a few passes. Noise is in memory, as
    large as the samples.

    Args:
        alignment: The alignment of the samples.
        samples: The samples, as they were aligned: at least 8 draws of each chain.
        prior_std: The std of each weight's prior, as `posterior.prior_std` has it, or one number.
            If it is not known in closed form, give that of draws: `Samples.std`. Default: no
            contraction.
        nulls: Aligned noise, as `aligned_nulls(samples, symmetry, key=key)` gives it with the
            matching and the reference of the alignment. Default: no floors.
        progress: Called with the number of blocks of weights that are done, and their total.

    Raises:
        ValueError: If the alignment is of other samples, or a prior std is not positive.

    Examples:
        >>> nulls = ob.alignment.aligned_nulls(samples, symmetry, key=key, num_nulls=5)
        >>> table = ob.weight_table(alignment, samples, prior_std=1.0, nulls=nulls)
        >>> print(ob.knowledge.describe(table, "hidden_0/kernel", 3, 2))
        hidden_0/kernel[3, 2] ...

    Source: Vehtari et al. (2021), arXiv 1903.08008, for errors, effective sample sizes and R-hat;
    Schad, Betancourt and Vasishth (2021), arXiv 1904.12765, equation 2, for the contraction.
    """
    aligned = alignment.apply(samples)
    weights = Samples(without_statistics(aligned.params), aligned.stats)
    symmetry = alignment.symmetry.of_weights
    found = statistics_of(weights, progress)
    columns = dict(found.by_name)
    if prior_std is not None:
        columns |= _contraction(columns["std"], columns["mcse_std"], prior_std)
    like = columns["mean"]
    identity = unit_identity(alignment, samples, aligned)
    columns["margin"] = of_weights(identity.margin, symmetry, like)
    columns["share"] = of_weights(identity.share, symmetry, like)
    floors, null_halves = _floors(found, nulls, symmetry)
    columns |= floors
    by_array = {"": split_half(found.first_half, found.second_half, symmetry)}
    if null_halves is not None:
        halves = null_halves.first_half, null_halves.second_half
        by_array["null_"] = split_half(*halves, symmetry)
    correlations = {
        f"{prefix}reliability_{kind}": np.array([one[kind] for one in found.values()])
        for prefix, found in by_array.items()
        for kind in ("mean", "std", "std_between_units")
    }
    num_draws = samples.num_chains, samples.num_draws
    return table_of_trees(columns, symmetry, num_draws, correlations)


def _contraction(std: Params, mcse_std: Params, prior_std: Params | float) -> dict[str, Params]:
    if isinstance(prior_std, (int, float)):
        number = float(prior_std)
        prior_std = jax.tree.map(lambda leaf: np.full(leaf.shape, number), std)
    prior = _trees.named_leaves(without_statistics(prior_std))
    missing = _trees.difference(prior, _trees.named_leaves(std))
    if missing:
        raise ValueError(f"prior_std must have the arrays of the weights. {missing}")
    for name, leaf in prior.items():
        if not (np.isfinite(leaf) & (np.asarray(leaf) > 0)).all():
            raise ValueError(
                f"prior_std must be positive and finite. Got {np.min(leaf)} in {name}. "
                "Leave it out if the prior has no std: contraction compares with it."
            )
    squares = jax.tree.map(
        lambda s, p: np.broadcast_to(np.asarray(p, np.float64) ** 2, s.shape), std,
        _trees.rebuild(prior, std),
    )  # fmt: skip
    return {
        "contraction": jax.tree.map(lambda s, p: 1 - s**2 / p, std, squares),
        "mcse_contraction": jax.tree.map(lambda s, e, p: 2 * s * e / p, std, mcse_std, squares),
    }


def _floors(
    found: Statistics, nulls: Iterable[Samples], symmetry: Symmetry
) -> tuple[dict[str, Params], Statistics | None]:
    """Columns of floors and p-values, and the statistics of the first null draws."""
    first = None
    stats: dict[str, list[Params]] = {"mean": [], "std": [], "signal_to_noise": []}
    for noise in nulls:
        noise = Samples(without_statistics(noise.params), noise.stats)
        symmetry.check(noise.params, 2)
        if first is None:
            first = statistics_of(noise)
        for kind, value in _kinds(noise.mean(), noise.std()).items():
            stats[kind].append(value)
    if first is None:
        return {}, None
    ess, null_ess = found.by_name["ess_std"], first.by_name["ess_std"]
    columns = {}
    for kind, observed in _kinds(found.by_name["mean"], found.by_name["std"]).items():
        # The p-value is of a large mean and ratio, but of a small std.
        sign = 1 if kind == "std" else -1
        signed = lambda tree, sign=sign: jax.tree.map(lambda leaf: sign * leaf, tree)
        noise_stats = [signed(tree) for tree in stats[kind]]
        against = against_nulls(signed(observed), noise_stats, ess, null_ess, symmetry)
        columns[f"floor_{kind}"] = signed(against.null_mean)
        columns[f"p_{kind}"] = against.p_values
    return columns, first


def _kinds(mean: Params, std: Params) -> dict[str, Params]:
    ratio = lambda m, s: np.divide(abs(m), s, out=np.full(np.shape(s), np.inf), where=s > 0)
    size = jax.tree.map(lambda leaf: abs(np.asarray(leaf, np.float64)), mean)
    return {"mean": size, "std": std, "signal_to_noise": jax.tree.map(ratio, size, std)}
