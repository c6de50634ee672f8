"""describe_comparison: two posteriors compared, in words."""

from typing import TYPE_CHECKING

from onebasin.knowledge.compare import KINDS
from onebasin.knowledge.reliability import ALL

if TYPE_CHECKING:
    import xarray


def describe_comparison(
    comparison: "xarray.Dataset", control: "xarray.Dataset | None" = None, array: str = ALL
) -> str:
    """Two posteriors compared, in words: a paragraph of plain sentences.

    `comparison` and `control` are what `compare_posteriors` found, or `comparison` alone is what
    `compare_tables` found. `array` is the path of one array; by default, all weights count.

    Raises:
        ValueError: If the comparison has no such array.

    Examples:
        >>> vi = ob.DiagonalGaussian(compact.mean, compact.std)
        >>> table = ob.knowledge.gaussian_table(vi, symmetry)
        >>> print(ob.knowledge.describe_comparison(ob.knowledge.compare_tables(table, table)))
        Of 610 weights, 0% of means and 0% of stds differ (false discovery rate 5%). 100% of means
        and 100% of stds are equal within a margin of 0.2 (of means in stds, of stds in their log
        ratio). The other 0% of means and 0% of stds are undecided.
    """
    names = [str(name) for name in comparison["array_name"].values]
    if array not in names:
        raise ValueError(f"The comparison must have the array. Got {array!r}; it has {names}.")
    is_own = comparison["array"].values == array
    count = comparison.sizes["weight"] if array == ALL else int(is_own.sum())
    rate, margin = comparison.attrs["false_discovery_rate"], comparison.attrs["margin"]
    where = "" if array == ALL else f" of {array}"
    sentences = [
        f"Of {count:,} weights{where}, {_shares(comparison, 'differs', array)} differ (false "
        f"discovery rate {100 * rate:g}%).",
        f"{_shares(comparison, 'equivalent', array)} are equal within a margin of {margin:g} (of "
        "means in stds, of stds in their log ratio).",
        f"The other {_shares(comparison, 'undecided', array)} are undecided.",
    ]
    if control is not None:
        sentences.append(
            "In the shuffled control, in which nothing differs, "
            f"{_shares(control, 'differs', array)} differ."
        )
    return " ".join(sentences)


def _shares(comparison: "xarray.Dataset", name: str, array: str) -> str:
    shares = [
        _percent(float(comparison[f"share_{name}_{kind}"].sel(array_name=array))) for kind in KINDS
    ]
    return f"{shares[0]} of means and {shares[1]} of stds"


def _percent(share: float) -> str:
    """A share to a tenth of a per cent, but 0% and 100% only if it is that."""
    if share in (0, 1):
        return f"{share:.0%}"
    if share < 0.0005:
        return "under 0.1%"
    return "over 99.9%" if share > 0.9995 else f"{share:.1%}"
