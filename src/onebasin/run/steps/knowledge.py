"""The tables of weights of a run, and what they say in numbers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from onebasin.alignment import Alignment, significant_share
from onebasin.alignment.effective_size import LEAST_ESS
from onebasin.alignment.null import null_draws
from onebasin.knowledge import balanced, exchangeable_std, weight_table
from onebasin.knowledge.reliability import ALL
from onebasin.methods.method import inits
from onebasin.run.setup import Setup
from onebasin.run.weights import ArrayKnowledge, Reliability, WeightKnowledge
from onebasin.samples import Samples

if TYPE_CHECKING:
    import xarray

_ERRORS = 2.0
_LEVEL = 0.05
_LARGE_Z = 3.0
_NUM_PRIOR_DRAWS = 1000


def aligned_noise(setup: Setup, samples: Samples) -> Samples:
    """Noise with the autocorrelation of the draws, aligned in the same way."""
    noise = null_draws(samples, setup.posterior.symmetry, key=setup.key("null"))
    return setup.align(noise, setup.reference).apply(noise)


def balanced_table(
    setup: Setup, alignment: Alignment, samples: Samples, noise: Samples
) -> "xarray.Dataset":
    """The table of weights in balanced coordinates. Their prior std is that of prior draws."""
    symmetry = setup.posterior.symmetry
    key = setup.key("balanced-prior")
    prior = inits(setup.posterior.init_from_prior, _NUM_PRIOR_DRAWS, key=key)
    scale = setup.posterior.temperature**0.5
    prior_draws = Samples(jax.tree.map(lambda leaf: scale * np.asarray(leaf)[None], prior))
    return weight_table(
        alignment,
        balanced(samples, symmetry),
        prior_std=exchangeable_std(balanced(prior_draws, symmetry), symmetry),
        nulls=[balanced(noise, symmetry)],
    )


def knowledge_of(table: "xarray.Dataset") -> WeightKnowledge:
    """What a table of weights says, in numbers. Columns that it lacks are not known."""
    arrays = [str(name) for name in table["array_name"].values if name != ALL]
    return WeightKnowledge(
        **_of_array(table, ALL).model_dump(),
        by_array={name: _of_array(table, name) for name in arrays},
    )


def _of_array(table: "xarray.Dataset", name: str) -> ArrayKnowledge:
    rows = slice(None) if name == ALL else np.flatnonzero(table["array"].values == name)
    unknown = np.full(table.sizes.get("weight", 0), np.nan)
    column = lambda key: np.asarray(
        (table[key].values if key in table else unknown)[rows], np.float64
    )
    contraction, p_std, z = column("contraction"), column("p_std"), column("kurtosis_z")
    is_enough = np.minimum(column("ess_bulk"), column("ess_tail")) >= LEAST_ESS
    return ArrayKnowledge(
        num_weights=len(contraction),
        contraction=float(contraction.mean()),
        moved_share=_share(
            contraction > _ERRORS * column("mcse_contraction"), is_enough & ~np.isnan(contraction)
        ),
        small_p_share=_share(p_std <= _LEVEL, ~np.isnan(p_std)),
        significant_share=significant_share({"std": p_std}, _LEVEL),
        relative_error=_median(column("mcse_std") / column("std")),
        rhat_median=_median(column("r_hat")),
        rhat_max=_known(np.max, column("r_hat")),
        ess_median=_median(column("ess_bulk")),
        kurtosis_share=_share(abs(z) > _LARGE_Z, ~np.isnan(z)),
        same_unit_share=_known(np.mean, column("share")),
        reliability=_reliability(table, name, ""),
        null_reliability=_reliability(table, name, "null_"),
    )


def _reliability(table: "xarray.Dataset", name: str, prefix: str) -> Reliability:
    row = int(np.flatnonzero(table["array_name"].values == name)[0])
    kinds = Reliability.model_fields
    return Reliability(
        **{kind: float(table[f"{prefix}reliability_{kind}"].values[row]) for kind in kinds}
    )


def _share(is_so: np.ndarray, is_known: np.ndarray) -> float | None:
    return float(is_so[is_known].mean()) if is_known.any() else None


def _median(values: np.ndarray) -> float | None:
    return _known(np.median, values)


def _known(summary: Callable[[np.ndarray], Any], values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(summary(finite)) if len(finite) else None
