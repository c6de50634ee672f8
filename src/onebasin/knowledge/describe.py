"""describe: one weight of a table, in words."""

import math
from typing import TYPE_CHECKING

import numpy as np

from onebasin.knowledge.arrays import shape_and_dims

if TYPE_CHECKING:
    import xarray

_SMALL_P = 0.05
_LEAST_ESS = 100
_LARGEST_RHAT = 1.05
_UNSURE_SHARE = 0.9
_LARGE_Z = 3.0


def describe(table: "xarray.Dataset", array: str, *index: int) -> str:
    """One weight of a table of weights, in words: a paragraph of plain sentences.

    Args:
        table: What `weight_table` gave.
        array: The path of the weight's array.
        index: The weight's place in the array, one number for each axis.

    Raises:
        ValueError: If the table has no such array.
        IndexError: If the array has no such place.

    Examples:
        >>> table = ob.weight_table(alignment, samples, prior_std=1.0)
        >>> print(ob.knowledge.describe(table, "hidden_0/kernel", 3, 2))
        hidden_0/kernel[3, 2] ...
    """
    shape, _ = shape_and_dims(table, array)
    if len(index) != len(shape) or any(not 0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise IndexError(
            f"An index must be a place in {array}, which has the shape {shape}. Got {index}."
        )
    first = int(np.flatnonzero(table["array"].values == array)[0])
    row = first + int(np.ravel_multi_index(index, shape)) if shape else first
    number = {
        str(name): float(variable.values[row])
        for name, variable in table.data_vars.items()
        if variable.dims == ("weight",)
    }
    place = f"[{', '.join(map(str, index))}]" if index else ""
    sentences = [
        f"{array}{place} has the mean {_with_error(number, 'mean')} and the std "
        f"{_with_error(number, 'std')}.",
        *_of_prior(number),
        *_of_noise(number),
        *_of_unit(number),
        *_of_chains(number),
        *_of_shape(number),
    ]
    return " ".join(sentences)


def _with_error(number: dict[str, float], name: str) -> str:
    """A value with its Monte Carlo standard error, to two digits of the error."""
    value, error = number[name], number[f"mcse_{name}"]
    if not (math.isfinite(error) and error > 0):
        return f"{value:.3g} (error unknown)"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _of_prior(number: dict[str, float]) -> list[str]:
    if "contraction" not in number:
        return []
    value, error = number["contraction"], number["mcse_contraction"]
    if not math.isfinite(value) or not math.isfinite(error):
        return []
    if value < -2 * error:
        return [f"Its variance is {-value:.0%} larger than that of the prior."]
    if value < 2 * error:
        return [
            f"Its variance is that of the prior within its error (contraction {value:.2f} ± "
            f"{error:.2f}): the data do not narrow it."
        ]
    digits = max(0, -1 - math.floor(math.log10(max(error, 1e-6))))
    return [f"The data remove {value:.{digits}%} (± {error:.{digits}%}) of the prior variance."]


def _of_noise(number: dict[str, float]) -> list[str]:
    if "p_std" not in number:
        return []
    words = {"mean": "so large a mean", "std": "so small a std"}
    sentences: list[str] = []
    for kind, what in words.items():
        p, floor = number[f"p_{kind}"], f"(aligned noise has {number[f'floor_{kind}']:.2f})"
        if math.isnan(p):
            continue  # no unit that may move has it, or it has too few effective draws
        if p <= _SMALL_P:
            sentences.append(f"Alignment of noise rarely gives {what} {floor}: p = {_p(p)}.")
        else:
            sentences.append(f"Alignment of noise gives {what} too {floor}: p = {_p(p)}.")
    return sentences


def _p(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else f"{value:.1g}"


def _of_unit(number: dict[str, float]) -> list[str]:
    share, margin = number["share"], number["margin"]
    if math.isnan(share):
        return ["It belongs to no unit that may move."]
    sure = "is" if share >= _UNSURE_SHARE else "is not always"
    return [
        f"Its unit {sure} the same unit within a chain: {share:.0%} of the draws have the unit "
        f"that the mean of their chain has there (margin {margin:.2f})."
    ]


def _of_chains(number: dict[str, float]) -> list[str]:
    rhat, bulk, tail = number["r_hat"], number["ess_bulk"], number["ess_tail"]
    if math.isnan(bulk):
        return ["It never moves."]
    least = min(bulk, tail)
    if rhat > _LARGEST_RHAT or least < _LEAST_ESS:
        return [
            f"Do not rely on these numbers: R-hat is {rhat:.2f} and {least:.0f} draws are "
            "effective. Draw more."
        ]
    return [f"R-hat is {rhat:.2f}, and {least:.0f} draws are effective."]


def _of_shape(number: dict[str, float]) -> list[str]:
    z = number["kurtosis_z"]
    if not abs(z) > _LARGE_Z:
        return []
    tails = "heavier" if z > 0 else "lighter"
    return [
        f"Its tails are {tails} than those of a Gaussian (excess kurtosis "
        f"{number['kurtosis']:.2f}, z = {z:.1f}), so mean and std do not say all."
    ]
