"""compare_posteriors: two sets of samples, aligned together and compared weight by weight."""

from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from onebasin._arguments import check_is
from onebasin._collections import without_statistics
from onebasin.alignment import Alignment, Matching, Reference, align
from onebasin.knowledge.arrays import table_of_trees
from onebasin.knowledge.blocks import statistics_of
from onebasin.knowledge.compare import compare_tables
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry

if TYPE_CHECKING:
    import xarray

_LEAST_DRAWS = 16


class PosteriorComparison(NamedTuple):
    """Two posteriors compared weight by weight, and the same comparison without a difference.

    `comparison` and `control` are as `compare_tables` makes them; differences of means are in the
    weights' units in the one, and in stds in the other. `first` and `second` are the tables that
    were compared, and `alignment` is that of the chains of the first and then of the second.
    """

    comparison: "xarray.Dataset"
    control: "xarray.Dataset"
    first: "xarray.Dataset"
    second: "xarray.Dataset"
    alignment: Alignment


def compare_posteriors(
    first: Samples,
    second: Samples,
    symmetry: Symmetry,
    matching: Matching | None = None,
    reference: Reference | None = None,
    *,
    false_discovery_rate: float = 0.05,
    margin: float = 0.2,
) -> PosteriorComparison:
    """Whose mean or std differs between two sets of samples of one network, on matched units.

    All chains are aligned together to one reference: samples that were aligned to the mean of the
    others would be pulled to it, and the others not. Then `compare_tables` compares the means and
    stds of each weight.

    The shuffled control is the same comparison of two groups that have half of the chains of both
    posteriors each (if one of them has a single chain, half of the draws of each chain). Each
    weight of each posterior is first standardized, so that differences of the posteriors do not
    count. What differs in the control is a false alarm: chains are too short, or have not mixed, or
    their units cannot be matched. Of an odd number of chains the last is left out.

    Args:
        first: Samples, as they were drawn.
        second: The other samples, with as many draws in each chain.
        symmetry: Which units may be permuted.
        matching: How the similarity of two units is measured. Default: `weight_matching()`.
        reference: What draws are matched to. Default: `to_mean()`, the mean of both.
        false_discovery_rate: The false discovery rate, in (0, 1).
        margin: The largest difference that counts as equal, in stds and as a log ratio of stds.

    Raises:
        ValueError: If the chains of both have not as many draws, or fewer than 16, or if samples do
            not fit the symmetry.

    Examples:
        >>> draws = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf], 1), samples.params)
        >>> longer = ob.Samples(draws)  # 20 draws in each of 2 chains
        >>> one, other = longer.select_chains(0), longer.select_chains(1)
        >>> found = ob.knowledge.compare_posteriors(one, other, symmetry)
        >>> print(ob.knowledge.describe_comparison(found.comparison, found.control))
        Of 610 weights, ...

    Source: ours; `compare_tables` has the sources of the tests.
    """
    first, second = (_fitting(samples, symmetry) for samples in (first, second))
    if first.num_draws != second.num_draws:
        raise ValueError(
            "Samples to compare must have as many draws in each chain. Got "
            f"{first.num_draws} and {second.num_draws}. Thin the longer: samples.thin(step)."
        )
    if first.num_draws < _LEAST_DRAWS:
        raise ValueError(
            f"Samples to compare must have {_LEAST_DRAWS} draws in each chain, or more. Got "
            f"{first.num_draws}. Draw more."
        )
    together = _joined(first, second)
    alignment = align(together, symmetry, matching, reference)
    aligned = alignment.apply(together)
    ours = aligned.select_chains(*range(first.num_chains))
    theirs = aligned.select_chains(*range(first.num_chains, together.num_chains))
    of_first, of_second = (_table(samples, alignment.symmetry) for samples in (ours, theirs))
    mixed = (_table(samples, alignment.symmetry) for samples in _shuffled(ours, theirs))
    options = {"false_discovery_rate": false_discovery_rate, "margin": margin}
    return PosteriorComparison(
        comparison=compare_tables(of_first, of_second, **options),
        control=compare_tables(*mixed, **options),
        first=of_first,
        second=of_second,
        alignment=alignment,
    )


def _fitting(samples: Samples, symmetry: Symmetry) -> Samples:
    check_is("samples", samples, Samples, "Wrap params that lead with (chain, draw) in Samples.")
    check_is("symmetry", symmetry, Symmetry, "find_symmetry(apply, params, inputs) gives one.")
    samples = Samples(symmetry.arranged(samples.params), samples.stats)
    symmetry.check(samples.params, num_batch_axes=2)
    return samples


def _joined(first: Samples, second: Samples) -> Samples:
    """The chains of both, with the statistics that both have."""
    join = lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves])
    names = [name for name in first.stats if name in second.stats]
    return Samples(
        jax.tree.map(join, first.params, second.params),
        {name: join(first.stats[name], second.stats[name]) for name in names},
    )


def _table(aligned: Samples, symmetry: Symmetry) -> "xarray.Dataset":
    weights = Samples(without_statistics(aligned.params))
    counts = aligned.num_chains, aligned.num_draws
    return table_of_trees(statistics_of(weights).by_name, symmetry, counts)


def _shuffled(first: Samples, second: Samples) -> list[Samples]:
    """Two groups that mix the standardized draws of both posteriors."""
    parts = [_standardized(samples) for samples in (first, second)]
    if min(part.num_chains for part in parts) > 1:
        halves = [part.num_chains // 2 for part in parts]
        take = lambda part, half, number: part.select_chains(
            *range(number * half, (number + 1) * half)
        )
    else:
        halves = [first.num_draws // 2] * 2
        take = lambda part, half, number: Samples(
            jax.tree.map(lambda leaf: leaf[:, number * half : (number + 1) * half], part.params)
        )
    return [
        _joined(*(take(part, half, number) for part, half in zip(parts, halves, strict=True)))
        for number in (0, 1)
    ]


def _standardized(samples: Samples) -> Samples:
    """Every weight with mean 0 and std 1, or 0 if it never moves."""

    def one(leaf: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        return (leaf - mean) / np.where(std > 0, std, 1.0)

    return Samples(jax.tree.map(one, samples.params, samples.mean(), samples.std()))
