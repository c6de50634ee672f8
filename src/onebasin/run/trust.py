"""How far the draws of a run can be trusted: the null floor, the sampler's health, convergence.

These are sections of the results of the step `summarize`. The text under a field is its row in
docs/numbers.md.
"""

from onebasin.diagnostics import Converged
from onebasin.run.kinds import KINDS, MethodName, title_of
from onebasin.run.nested import Known, Section


class ArrayFloor(Section):
    """Root mean squares of the stds of an array, in units of the weights."""

    std: float
    """The root mean square over weights of the std of the aligned draws."""
    null_std: float
    """The null floor: the root mean square over weights of the std of aligned noise."""
    unaligned_std: float
    """The root mean square over weights of the std of the draws before alignment."""
    ess_median: float
    """The median over weights of the effective sample size of the aligned draws. For a weight, it
    is the smaller of two: that of the weight, and that of its squared deviation from its mean."""

    @property
    def ratio(self) -> float | None:
        """The aligned std divided by its null floor. None if the floor is 0."""
        return self.std / self.null_std if self.null_std > 0 else None


class NullFloor(ArrayFloor):
    """The floor of all weights, and of each array."""

    share_below: float
    """The share of the weights whose std after alignment is smaller than the null floor of the same
    weight."""
    undecided_share: float
    """The share of the weights whose effective sample size is below 50. For these, the comparison
    with the null floor has no answer."""
    by_array: dict[str, ArrayFloor]
    """The same numbers for each array of weights, by its path."""


class SamplerHealth(Section):
    """The health of the sampler. A number that it does not record is None."""

    num_divergent: int | None
    """The number of divergent draws."""
    acceptance_rate: Known
    """The mean acceptance rate."""
    step_size: Known
    """The mean step size."""
    bfmi_min: Known
    """The energy Bayesian fraction of missing information (E-BFMI) of the chain in which it is
    lowest."""
    tree_depth: Known = None
    """The mean number of doublings of a trajectory of NUTS."""
    energy_variance: Known = None
    """The mean squared error of the energy of MCLMC, in nats squared for each weight."""


class Convergence(Section):
    """R-hat and effective sample sizes of at most 200 weights or predictions."""

    rhat_median: Known
    """The median of the rank-normalized R-hat."""
    rhat_max: Known
    """The largest R-hat."""
    ess_median: Known
    """The median of the bulk effective sample size."""
    ess_min: Known
    """The smallest bulk effective sample size."""


class Diagnostics(Section):
    """Whether the sampler can be trusted."""

    warning: str | None
    """That the sampler has not converged, and why, in words. `null` if it has converged."""
    sampler: SamplerHealth
    predictions: Convergence
    """The convergence of predictions on the test set. These numbers show whether the sampler has
    converged."""
    log_density: Convergence | None = None
    """The convergence of the log density of the draws. Its R-hat counts too. `null` if the sampler
    does not record the log density."""
    weights_unaligned: Convergence
    """The convergence of weights before alignment. It is misleading: chains may sample the same
    functions, but with their units in different orders."""
    weights_aligned: Convergence
    """The convergence of weights after alignment."""


def warning_of(
    kind: MethodName, predictions: Convergence, log_density: Convergence | None = None
) -> str | None:
    """That a sampler has not converged, and why, in words. None if it has converged."""
    found = predictions.model_dump()
    if log_density is not None:
        found["rhat_lp"] = log_density.rhat_max
    problem = Converged().problem(found)
    if problem is None:
        return None
    title = title_of(kind)
    if KINDS[kind].is_fit:
        return f"The chains of {title} do not agree: of the predictions, {problem}."
    return f"{title} has not converged: of the predictions, {problem}."


def cautions(kind: MethodName, diagnostics: Diagnostics) -> list[str]:
    """What a reader must know before the numbers of a run: the warning, and that draws are biased.

    Empty for an exact sampler that has converged.
    """
    title, found = title_of(kind), []
    if diagnostics.warning is not None:
        found.append(f"{diagnostics.warning} {_advice(kind)}")
    if not KINDS[kind].is_exact:
        found.append(
            f"{title} is not exact: numbers that compare with {title} compare with an "
            "approximation of the posterior, whose bias R-hat does not show."
        )
    return found


def _advice(kind: MethodName) -> str:
    title = title_of(kind)
    if KINDS[kind].is_fit:
        return (
            "Each chain draws from the Gaussian of its own trained network, so more draws do not "
            "bring chains together. Raise method.num_chains to average over more networks."
        )
    more = "most_draws" if "most_draws" in KINDS[kind].keys else "num_draws"
    return (
        f"Draw more samples (raise method.{more}, method.thin or method.num_warmup). Until then, "
        f"numbers that compare with {title} compare with these draws, not with the posterior."
    )
