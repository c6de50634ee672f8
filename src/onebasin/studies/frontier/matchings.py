"""The ways in which the frontier aligns samples. Each way is a row with a null floor."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax
import numpy as np

from onebasin import _trees
from onebasin.alignment.align import Alignment, align
from onebasin.alignment.gaussian_matching import gaussian_matching
from onebasin.alignment.matching import Matching
from onebasin.alignment.null import noise_like, rms
from onebasin.alignment.reference import to_mean
from onebasin.alignment.significance import compare_with_nulls, num_null_draws
from onebasin.alignment.weight_matching import weight_matching
from onebasin.fisher.importance import fisher_importance
from onebasin.run.setup import Setup
from onebasin.samples import Samples
from onebasin.studies.frontier.table import Numbers
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.balance import balance

_Named: TypeAlias = Literal["weights", "activations", "mixed"]

LIKELIHOOD = "compact"
"""The row of the relabelling by likelihood, whose result most other rows start from."""
WITHOUT_SIGNS = "compact-without-signs"
"""The row of the same relabelling without sign changes, for networks whose units may flip."""
_NUM_NULLS = 5  # at least; with thousands of weights these allow p-values from .0001 on
_BATCH_SIZE = 64  # for the Fisher information of each draw
_NUM_INPUTS = 128  # for activations; more inputs are slow, because every null draw is matched too


class Way(NamedTuple):
    """Samples, the symmetry under which they are aligned, and the function that aligns them."""

    samples: Samples
    symmetry: Symmetry
    align: Callable[[Samples], Alignment]


class _Row(NamedTuple):
    """A way, and whether it applies to the network of a setup."""

    applies: Callable[[Setup], bool]
    way: Callable[[Setup, Samples], Way]


def ways_that_apply(setup: Setup) -> list[str]:
    """The ways that apply to the network of a setup, by the names of their rows.

    Matching by activations needs a network that gives its activations. Matching by the Fisher
    information needs a symmetry of whole axes. Balancing needs units that may be scaled.
    `compact-without-signs` needs units that may flip. All this is known without samples.
    """
    return [name for name, row in _ROWS.items() if row.applies(setup)]


def ways(setup: Setup, samples: Samples) -> dict[str, Way]:
    """Every way that applies, by the name of its row. All align to the iterated mean.

    `compact-balanced` matches by weights after the scales of units are removed.
    `compact-without-signs` permutes units that may flip, but does not change their signs.
    """
    return {name: _ROWS[name].way(setup, samples) for name in ways_that_apply(setup)}


def _by_likelihood(setup: Setup, samples: Samples) -> Way:
    return _relabelling(samples, setup.posterior.symmetry)


def _without_signs(setup: Setup, samples: Samples) -> Way:
    return _relabelling(samples, setup.posterior.symmetry.with_signs([]))


def _relabelling(samples: Samples, symmetry: Symmetry) -> Way:
    return Way(samples, symmetry, lambda draws: relabelled(draws, symmetry)[1])


def _by(name: _Named) -> Callable[[Setup, Samples], Way]:
    return lambda setup, samples: _matched(setup, samples, _with_matching(setup, name).matching)


def _by_fisher(setup: Setup, samples: Samples) -> Way:
    batch_size = min(_BATCH_SIZE, len(setup.dataset.train))
    key = setup.key("fisher")
    importance = fisher_importance(setup.posterior, samples.flatten(), batch_size, key=key)
    return _matched(setup, samples, weight_matching(importance))


def _balanced(setup: Setup, samples: Samples) -> Way:
    symmetry = setup.posterior.symmetry
    params = balance(symmetry, samples.params, num_batch_axes=2, tolerance=1e-6)
    return _matched(setup, Samples(params, samples.stats), weight_matching())


def _matched(setup: Setup, samples: Samples, matching: Matching) -> Way:
    symmetry = setup.posterior.symmetry
    return Way(samples, symmetry, lambda draws: align(draws, symmetry, matching))


def _always(setup: Setup) -> bool:
    return True


def _has_activations(setup: Setup) -> bool:
    return setup.posterior.network.has_activations


def _is_simple(setup: Setup) -> bool:
    return setup.posterior.symmetry.is_simple


def _has_scales(setup: Setup) -> bool:
    return setup.has_scales


def _has_signs(setup: Setup) -> bool:
    return bool(setup.posterior.symmetry.signs)


_ROWS = {
    LIKELIHOOD: _Row(_always, _by_likelihood),
    "compact-by-weights": _Row(_always, _by("weights")),
    "compact-by-activations": _Row(_has_activations, _by("activations")),
    "compact-by-mixed": _Row(_has_activations, _by("mixed")),
    "compact-by-fisher": _Row(_is_simple, _by_fisher),
    "compact-balanced": _Row(_has_scales, _balanced),
    WITHOUT_SIGNS: _Row(_has_signs, _without_signs),
}


def relabelled(samples: Samples, symmetry: Symmetry) -> tuple[Alignment, Alignment]:
    """The alignment to the iterated mean by weights, and the relabelling that starts from it."""
    by_weights = align(samples, symmetry, weight_matching())
    # The likelihood changes by small shares, because no permutation improves most of the weights.
    further = to_mean(start=by_weights, max_rounds=40, tolerance=1e-6)
    return by_weights, align(samples, symmetry, gaussian_matching(), further)


def significance(setup: Setup, way: Way, aligned: Samples) -> Numbers:
    """The rms of aligned stds, of the null floor and of its noise, and the share below the floor.

    The share is None if the effective sample size of most weights is too small.
    """
    number = num_null_draws(way.samples, way.symmetry, at_least=_NUM_NULLS)
    keys = jax.random.split(setup.key("null"), number)
    drawn = noise_like(way.samples, way.symmetry)
    noises = [drawn(key) for key in keys]
    nulls = [way.align(noise).apply(noise) for noise in noises]
    found = compare_with_nulls(aligned, nulls, way.symmetry)
    return {
        "std": rms(found.std),
        "null_std": float(np.mean([rms(null.std()) for null in nulls])),
        "noise_std": float(np.mean([rms(noise.std()) for noise in noises])),
        "std_ess": float(np.median(_trees.ravel_batch(found.ess, 0))),
        "significant_share": None if found.cannot_tell else found.share(),
    }


def _with_matching(setup: Setup, name: _Named) -> Setup:
    changes = {"matching": name, "num_inputs": _NUM_INPUTS}
    chosen = setup.config.alignment.model_copy(update=changes)
    return setup._replace(config=setup.config.model_copy(update={"alignment": chosen}))
