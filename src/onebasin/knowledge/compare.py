"""Comparing two posteriors weight by weight: whose mean or std differs, and whose is equal."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Shaped

from onebasin import _trees
from onebasin._arguments import check_count, check_is, check_positive
from onebasin._collections import without_statistics
from onebasin.gaussians import DiagonalGaussian
from onebasin.knowledge.arrays import Layout, assembled
from onebasin.knowledge.reliability import ALL
from onebasin.store import dims_of
from onebasin.symmetry import Symmetry

if TYPE_CHECKING:
    import xarray

KINDS = ("mean", "std")
"""What is compared of each weight."""

_EQUIVALENCE_LEVEL = 0.05
_FREEDOM = {"mean": 1 / 4, "std": 1 / 48}
"""The degrees of freedom of an error, times its square in stds.

`mcse_intervals` has 1 / 16 for stds. That holds at 90 %, but lets twice as many p-values pass 1e-4
as it should: the lower tail of an error's estimate is heavier than that of a chi-square.
"""


class _Difference(NamedTuple):
    """Differences, their joint errors, and the degrees of freedom of these."""

    value: Float[np.ndarray, " weight"]
    error: Float[np.ndarray, " weight"]
    freedom: Float[np.ndarray, " weight"]


def compare_tables(
    first: "xarray.Dataset",
    second: "xarray.Dataset",
    *,
    false_discovery_rate: float = 0.05,
    margin: float = 0.2,
) -> "xarray.Dataset":
    r"""Whose mean or std differs between two posteriors, and whose is equal, for every weight.

    The units of both tables must be matched: `compare_posteriors` does that. Over the dimension
    `weight`, the result has

    - `mean_difference`, $\mu_2 - \mu_1$ in the weight's unit, and `log_std_ratio`,
      $\log(s_2 / s_1)$, with their Monte Carlo standard errors `mcse_mean_difference`,
      $\sqrt{e_1^2 + e_2^2}$, and `mcse_log_std_ratio`, $\sqrt{(e_1/s_1)^2 + (e_2/s_2)^2}$;
    - `p_mean` and `p_std`: two-sided p-values of "no difference", by Student's t;
    - `differs_mean` and `differs_std`: whether the weight is among the discoveries of Benjamini and
      Hochberg, with half of `false_discovery_rate` for means and half for stds. If all weights are
      equal, the probability of any discovery is at most `false_discovery_rate`. If some differ, the
      expected share of false ones among the discoveries is at most that, and of each kind at most
      half of it. (If both kinds were judged together, stds that all differ would let means pass
      more easily.);
    - `equivalent_mean` and `equivalent_std`: whether two one-sided tests at 5 % say that the
      difference is smaller than `margin`: for the mean, in stds ($\sqrt{(s_1^2 + s_2^2)/2}$); for
      the std, in the log ratio. A weight can differ and be equivalent: then it differs by little.

    Over `array_name`, for each array and for "all arrays", it has the shares of weights that differ
    (`share_differs_mean`), that are equivalent (`share_equivalent_mean`), and of which neither
    holds (`share_undecided_mean`: more draws would decide), and the same of stds. A weight that
    never moves has no error. It is undecided.

    With the std $s$ and the error $e$ of a table, the error of a mean has $(s/e)^2 / 4$ degrees of
    freedom, that of a std $(s/e)^2 / 48$. These were measured on Gaussian autoregressive chains, so
    that p-values down to 1e-4 hold: effective sample sizes are estimates themselves. The degrees of
    freedom of two errors are joined by Welch and Satterthwaite.

    With four chains of 250 draws, autocorrelations of .5 to .9 and 250 weights, the tests of one
    kind at a rate of 5 % find anything in at most 5 % of equal pairs. Errors are too small if
    chains have not mixed: look at `r_hat` and at the shuffled control of `compare_posteriors`.

    Args:
        first: A table as `weight_table` or `gaussian_table` makes it. Of its columns, `mean`,
            `std`, `mcse_mean` and `mcse_std` are used, and `freedom` if it has one.
        second: The other table, of the same weights.
        false_discovery_rate: The false discovery rate, in (0, 1).
        margin: The largest difference that counts as equal, in stds and as a log ratio of stds.

    Raises:
        ValueError: If the tables list other weights, or an option is not in its range.

    Examples:
        >>> vi = ob.DiagonalGaussian(compact.mean, compact.std)
        >>> first = ob.knowledge.gaussian_table(vi, symmetry)
        >>> second = first.assign(std=2 * first["std"])
        >>> comparison = ob.knowledge.compare_tables(first, second)
        >>> float(comparison["share_differs_std"].sel(array_name="all arrays"))
        1.0

    Source: Benjamini and Hochberg (1995), J. R. Stat. Soc. B 57, 289-300; Schuirmann (1987),
    J. Pharmacokinet. Biopharm. 15, 657-680, for the two one-sided tests; Welch (1947), Biometrika
    34, 28-35, for the joint degrees of freedom.
    """
    if not 0 < false_discovery_rate < 1:
        raise ValueError(f"false_discovery_rate must lie in (0, 1). Got {false_discovery_rate}.")
    check_positive("margin", margin)
    _check_same_weights(first, second)
    pooled = np.sqrt((first["std"].values ** 2 + second["std"].values ** 2) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):  # a weight that never moves gives NaN
        differences = {"mean": _of_means(first, second), "std": _of_stds(first, second)}
    margins = {"mean": margin * pooled, "std": np.full_like(pooled, margin)}
    p_values = {kind: _p_values(one) for kind, one in differences.items()}
    columns: dict[str, Shaped[np.ndarray, " weight"]] = {}
    names = {"mean": "mean_difference", "std": "log_std_ratio"}
    for kind in KINDS:
        columns[names[kind]] = differences[kind].value
        columns[f"mcse_{names[kind]}"] = differences[kind].error
        columns[f"p_{kind}"] = p_values[kind]
        columns[f"differs_{kind}"] = _discoveries(p_values[kind], false_discovery_rate / 2)
        columns[f"equivalent_{kind}"] = _is_within(differences[kind], margins[kind])
    table = assembled(columns, {}, Layout.from_attributes(first.attrs))
    table.attrs |= {"false_discovery_rate": false_discovery_rate, "margin": margin}
    rows = {str(name): table["array"].values == name for name in table["array_name"].values[:-1]}
    rows |= {ALL: np.full(table.sizes["weight"], True)}
    return table.assign(
        {
            name: ("array_name", shares)
            for name, shares in shares_of(table, [*rows.values()]).items()
        }
    )


def gaussian_table(
    gaussian: DiagonalGaussian, symmetry: Symmetry, num_draws: int | None = None
) -> "xarray.Dataset":
    r"""A table of a Gaussian's means and stds, with its Monte Carlo errors or none.

    `compare_tables` compares it with the table of samples whose units are matched to its mean. The
    errors are `gaussian.mcse_mean` and `gaussian.mcse_std`. If it has none, as from
    `mean_field_vi`, they are 0.

    Args:
        gaussian: A Gaussian, as `mean_field_vi` fits it.
        symmetry: The symmetry of its network, which names the axes of hidden units.
        num_draws: If the Gaussian summarizes $n$ independent draws, such as members of an ensemble,
            their number. Errors are then those of Gaussian draws, $s / \sqrt n$ and
            $s / \sqrt{2 (n - 1)}$, with $n - 1$ degrees of freedom, in the column `freedom`.
            Default: the errors are those of the Gaussian.

    Raises:
        TypeError: If it is no `DiagonalGaussian`.
        ValueError: If `num_draws` is below 2.

    Examples:
        >>> vi = ob.DiagonalGaussian(compact.mean, compact.std)
        >>> table = ob.knowledge.gaussian_table(vi, symmetry)
        >>> float(table["mcse_mean"].max())
        0.0
    """
    check_is("gaussian", gaussian, DiagonalGaussian, "mean_field_vi and summarize give one.")
    flat = lambda tree: _trees.ravel_batch(without_statistics(tree), 0).astype(np.float64)
    leaves = _trees.named_leaves(without_statistics(gaussian.mean))
    shapes = {name: np.shape(leaf) for name, leaf in leaves.items()}
    columns = {"mean": flat(gaussian.mean), "std": flat(gaussian.std)}
    if num_draws is not None:
        check_count("num_draws", num_draws, 2)
        columns["mcse_mean"] = columns["std"] / np.sqrt(num_draws)
        columns["mcse_std"] = columns["std"] / np.sqrt(2 * (num_draws - 1))
        columns["freedom"] = np.full_like(columns["std"], num_draws - 1)
    else:
        for name in ("mcse_mean", "mcse_std"):
            errors = getattr(gaussian, name)
            columns[name] = np.zeros_like(columns["std"]) if errors is None else flat(errors)
    return assembled(columns, {}, Layout.of(shapes, dims_of(symmetry), (num_draws or 0, 1)))


def shares_of(
    comparison: "xarray.Dataset", rows: list[Shaped[np.ndarray, "..."]]
) -> dict[str, Float[np.ndarray, " parts"]]:
    """For each set of rows, the shares of its weights that differ, are equivalent, or neither."""
    shares = {}
    for kind in KINDS:
        differs, equivalent = (
            comparison[f"{name}_{kind}"].values for name in ("differs", "equivalent")
        )
        flags = {
            "differs": differs,
            "equivalent": equivalent,
            "undecided": ~differs & ~equivalent,
        }
        for name, flag in flags.items():
            shares[f"share_{name}_{kind}"] = np.array([_share(flag[own]) for own in rows])
    return shares


def _share(flags: Bool[np.ndarray, " weights"]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def _check_same_weights(first: "xarray.Dataset", second: "xarray.Dataset") -> None:
    ours, theirs = (Layout.from_attributes(table.attrs).shapes for table in (first, second))
    if list(ours.items()) != list(theirs.items()):
        names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        raise ValueError(
            "Tables to compare must list the same arrays. They differ in "
            f"{names or 'their order'}. Make both from params of one network."
        )


def _of_means(first: "xarray.Dataset", second: "xarray.Dataset") -> _Difference:
    errors = [table["mcse_mean"].values for table in (first, second)]
    freedoms = [_freedom(table, "mean") for table in (first, second)]
    return _joint(second["mean"].values - first["mean"].values, errors, freedoms)


def _of_stds(first: "xarray.Dataset", second: "xarray.Dataset") -> _Difference:
    relative = [table["mcse_std"].values / table["std"].values for table in (first, second)]
    freedoms = [_freedom(table, "std") for table in (first, second)]
    logs = [np.log(table["std"].values) for table in (first, second)]
    return _joint(logs[1] - logs[0], relative, freedoms)


def _freedom(table: "xarray.Dataset", kind: str) -> Float[np.ndarray, " weight"]:
    """The degrees of freedom of errors: the table's own, or those of autocorrelated draws."""
    if "freedom" in table:
        return table["freedom"].values
    return _FREEDOM[kind] * (table["std"].values / table[f"mcse_{kind}"].values) ** 2


def _joint(
    value: Float[np.ndarray, " weight"],
    errors: list[Float[np.ndarray, " weight"]],
    freedoms: list[Float[np.ndarray, " weight"]],
) -> _Difference:
    """A difference with its joint error. Freedoms are joined by Welch and Satterthwaite."""
    square = errors[0] ** 2 + errors[1] ** 2
    variance = errors[0] ** 4 / freedoms[0] + errors[1] ** 4 / freedoms[1]
    freedom = np.where(variance > 0, square**2 / variance, np.inf)
    return _Difference(value, np.sqrt(square), freedom)


def _p_values(difference: _Difference) -> Float[np.ndarray, " weight"]:
    """Two-sided p-values. Without an error, any difference has 0, and none has 1."""
    value, error, freedom = difference
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where((value == 0) & (error == 0), 0.0, abs(value) / error)
    return 2 * scipy.stats.t.sf(statistic, freedom)


def _discoveries(
    p_values: Float[np.ndarray, " weight"], rate: float
) -> Bool[np.ndarray, " weight"]:
    """The discoveries among p-values. NaN is none, and does not count."""
    is_known = ~np.isnan(p_values)
    discoveries = np.zeros(len(p_values), bool)
    if is_known.any():
        adjusted = scipy.stats.false_discovery_control(p_values[is_known])
        discoveries[is_known] = adjusted <= rate
    return discoveries


def _is_within(
    difference: _Difference, margin: Float[np.ndarray, " weight"]
) -> Bool[np.ndarray, " weight"]:
    """Whether both one-sided tests reject: the interval of 1 - 2 * 5 % lies inside the margins."""
    reach = scipy.stats.t.ppf(1 - _EQUIVALENCE_LEVEL, difference.freedom) * difference.error
    return abs(difference.value) + reach < margin
