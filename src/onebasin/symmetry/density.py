"""preserving: a symmetry without what changes a density of the params, such as a prior."""

from collections.abc import Callable, Sequence

import jax
from jaxtyping import Float

from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.trial import Values, begin
from onebasin.symmetry.trial_values import varied
from onebasin.symmetry.verify import failing, warn_of_drop, without
from onebasin.types import Array, Params

_NUM_ELEMENTS = 5


def preserving(
    symmetry: Symmetry,
    log_density: Callable[[Params], Float[Array, ""]],
    candidates: Sequence[Params],
    what: str,
    stacklevel: int = 3,
) -> Symmetry:
    """The symmetry without the groups and signs that change a log density in a trial.

    Two settings of the weights that compute the same function are equally probable only if their
    prior says so too. What changes it is dropped, with a warning.

    Args:
        symmetry: The groups and signs to try.
        log_density: A function of the params.
        candidates: Params, of which the first is taken at which the log density is finite.
        what: The density in words, for the warning.
        stacklevel: That of the warning.

    Raises:
        ValueError: If the log density is finite at none of the candidates.
    """
    trial = begin(log_density, [Values(varied(params), ()) for params in candidates])
    if trial is None:
        raise ValueError(
            f"The {what} must be finite at the params at which networks begin. Got NaN or infinity."
        )
    failed = failing(symmetry, trial, jax.random.key(0), _NUM_ELEMENTS)
    for part, by in failed.items():
        warn_of_drop(symmetry, part, *by, stacklevel + 1, what)
    return without(symmetry, list(failed), what)
