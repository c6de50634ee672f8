"""The ways of the frontier to bring samples into one basin, each a row with a null floor."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax
import numpy as np

from onebasin import _trees
from onebasin.alignment.align import Alignment, align
from onebasin.alignment.gaussian_matching import gaussian_matching
from onebasin.alignment.null import null_draws, rms
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
"""The row of the relabelling by likelihood, which everything else begins at."""
WITHOUT_SIGNS = "compact-without-signs"
"""The row of the same relabelling by permutations alone, where units may flip."""
_NUM_NULLS = 5  # or more: those of thousands of weights allow p-values from .0001 on
_NUM_INPUTS = 128  # of activations: more cost much, for each null floor is matched too


class Way(NamedTuple):
    """Samples to be aligned, under which symmetry, and how."""

    samples: Samples
    symmetry: Symmetry
    align: Callable[[Samples], Alignment]


def ways(setup: Setup, samples: Samples) -> dict[str, Way]:
    """Every way by the name of its row, all to the iterated mean.

    `compact-balanced` matches by weights after the scales of relu units are removed; other
    activations have no such symmetry, and no such row. `compact-without-signs` relabels units
    that may flip by permutations alone.
    """
    symmetry = setup.posterior.symmetry
    permuted = symmetry.with_signs([])
    by_matching = lambda matching: lambda some: align(some, symmetry, matching)
    named = lambda name: by_matching(_with_matching(setup, name).matching)
    importance = fisher_importance(setup.key("fisher"), setup.posterior, samples.draws())
    found = {
        LIKELIHOOD: Way(samples, symmetry, lambda some: relabelled(some, symmetry)[1]),
        "compact-by-weights": Way(samples, symmetry, named("weights")),
        "compact-by-activations": Way(samples, symmetry, named("activations")),
        "compact-by-mixed": Way(samples, symmetry, named("mixed")),
        "compact-by-fisher": Way(samples, symmetry, by_matching(weight_matching(importance))),
    }
    if setup.config.network.activation == "relu":
        balanced = balance(symmetry, samples.params, num_batch_axes=2, tolerance=1e-6)
        scaled = Samples(balanced, samples.stats)
        found["compact-balanced"] = Way(scaled, symmetry, named("weights"))
    if symmetry.signs:
        found[WITHOUT_SIGNS] = Way(samples, permuted, lambda some: relabelled(some, permuted)[1])
    return found


def relabelled(samples: Samples, symmetry: Symmetry) -> tuple[Alignment, Alignment]:
    """The alignment to the iterated mean by weights, and the relabelling by likelihood from it."""
    by_weights = align(samples, symmetry, weight_matching())
    # A likelihood moves by small shares: most of it is the weights that no permutation helps.
    return by_weights, align(
        samples, symmetry, gaussian_matching(), start=by_weights, max_rounds=40, tolerance=1e-6
    )


def significance(setup: Setup, way: Way, aligned: Samples) -> Numbers:
    """Of aligned stds: their size, the null floor's, its noise's, and the share below it.

    No share where most weights have too small an effective sample size to tell.
    """
    number = num_null_draws(way.samples, way.symmetry, at_least=_NUM_NULLS)
    keys = jax.random.split(setup.key("null"), number)
    noises = [null_draws(key, way.samples, way.symmetry) for key in keys]
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
