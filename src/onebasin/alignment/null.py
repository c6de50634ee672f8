"""The null floor: how far alignment alone shrinks the std of noise."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_key
from onebasin._collections import statistics_in, without_statistics
from onebasin._random import numpy_rng
from onebasin.alignment.align import align
from onebasin.alignment.autoregression import Autoregression, fit_autoregression
from onebasin.alignment.matching import Matching
from onebasin.alignment.reference import Reference
from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Key, Params


def null_draws(samples: Samples, symmetry: Symmetry, *, key: Key) -> Samples:
    r"""Noise with the number of draws and the autocorrelation of `samples`, in independent units.

    Each weight is independent normal noise with the mean and std that its position has over all
    draws and *all units that may take it*, in both signs if they may flip. Within a chain the
    noise of a position is the autoregression that fits the sum of the weights of these units, or
    the sum of their squares if they may flip. No relabelling of units changes such a sum, and the
    sum of independent units has the autocorrelation of each unit. Running statistics have the mean
    and do not vary. Every draw has the same `lp`, because noise has no density.

    Examples:
        >>> noise = ob.alignment.null_draws(samples, symmetry, key=key)
        >>> noise.num_chains, noise.num_draws
        (2, 10)
    """
    return noise_like(samples, symmetry)(key)


def noise_like(samples: Samples, symmetry: Symmetry) -> Callable[[Key], Samples]:
    """What gives `null_draws` for a key: the samples are read once, for however many keys."""
    samples = Samples(symmetry.arranged(samples.params), samples.stats).load()
    pieces = symmetry.unfold(samples.params, 2)
    statistics = statistics_in(samples.params)
    noises: dict[str, _Noise] = {}
    for name, leaf in _trees.named_leaves(pieces).items():
        exchanged = tuple(axis + 2 for axis in exchanged_axes(symmetry, name))
        flips = bool(symmetry.flips(name))
        mean, std = _pooled_moments(np.asarray(leaf), (0, 1, *exchanged), flips)
        process = None
        if symmetry.pieces[name].leaf not in statistics:
            centered = leaf - mean  # sums of large equal numbers would drown in their rounding
            sums = np.square(leaf, dtype=np.float64) if flips else centered
            process = fit_autoregression(sums.sum(axis=exchanged, keepdims=True), flips)
        noises[name] = _Noise(mean, std, process, leaf.shape, leaf.dtype)
    lp = np.zeros((samples.num_chains, samples.num_draws), np.float32)

    def drawn(key: Key) -> Samples:
        check_key(key)
        rng = numpy_rng(key)
        noise = {name: one.drawn(rng) for name, one in noises.items()}
        params = symmetry.fold(_trees.rebuild(noise, pieces), samples.params, 2)
        return Samples(params, {"lp": lp})

    return drawn


class _Noise(NamedTuple):
    """The noise of one array: `process` is None if it does not vary."""

    mean: np.ndarray
    std: np.ndarray
    process: Autoregression | None
    shape: tuple[int, ...]
    dtype: np.dtype

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        mean = self.mean
        if self.process is not None:
            mean = mean + self.std * self.process.sample(rng, self.shape)
        return np.asarray(np.broadcast_to(mean, self.shape), self.dtype)


def null_floor(
    samples: Samples,
    symmetry: Symmetry,
    matching: Matching | None = None,
    reference: Reference | None = None,
    *,
    key: Key,
) -> DiagonalGaussian:
    r"""The summary of `null_draws`, aligned as samples are.

    Alignment finds similar units even in noise, so the std of aligned noise is smaller than the
    std of noise. A std of aligned samples is evidence about the posterior only if it is smaller
    than this floor. The noise has independent weights; correlated units would shrink further. If
    samples are aligned in several steps, use the same steps for `null_draws`.

    Args:
        samples: Draws that are not aligned yet, of chains in their own order.
        symmetry: Which units may move.
        matching: As in `align`.
        reference: As in `align`.
        key: Fixes the noise.

    Raises:
        ValueError: As `align` does.

    Examples:
        >>> floor = ob.null_floor(samples, symmetry, key=key)
        >>> bool(ob.alignment.rms(floor.std) > 0)
        True
    """
    noise = null_draws(samples, symmetry, key=key)
    aligned = align(noise, symmetry, matching, reference).apply(noise)
    return summarize(aligned, mcse=False)


def exchanged_axes(symmetry: Symmetry, leaf: str) -> tuple[int, ...]:
    """The axes of an array of `Symmetry.leaves` whose entries may take each other's places.

    A group of one unit moves nothing, but may flip.
    """
    least = 1 if symmetry.flips(leaf) else 2
    return tuple(
        axis
        for axis, group in enumerate(symmetry.leaves[leaf].names)
        if isinstance(group, str) and symmetry.sizes.get(group, 0) >= least
    )


def _pooled_moments(
    leaf: Float[np.ndarray, "chain draw *shape"], pooled: tuple[int, ...], flips: bool
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Mean and std of every position over all draws and all units that may take it."""
    mean = np.asarray(leaf.mean(axis=pooled, keepdims=True, dtype=np.float64))
    std = np.asarray(leaf.std(axis=pooled, keepdims=True, dtype=np.float64))
    if flips:  # either sign may take the position
        mean, std = np.zeros_like(mean), np.hypot(mean, std)
    return mean, std


def rms(tree: Params) -> float:
    """The root mean square of a per-weight quantity over all weights, statistics left out.

    Examples:
        >>> ob.alignment.rms({"kernel": np.full((3, 2), 2.0), "bias": np.full(2, 2.0)})
        2.0
    """
    flat = _trees.ravel_batch(without_statistics(tree), 0).astype(np.float64)
    return float(np.sqrt((flat**2).mean()))
