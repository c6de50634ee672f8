"""How far the draws of a run can be trusted: the null floor, HMC's health, and convergence.

These are sections of the results of the step `summarize`. The text under a field is its row in
docs/numbers.md.
"""

from onebasin.diagnostics import Converged
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
    """The health of HMC. A number that the sampler does not record is None."""

    num_divergent: int | None
    """The number of HMC's divergent draws."""
    acceptance_rate: Known
    """The mean acceptance rate of HMC."""
    step_size: Known
    """The mean step size of HMC."""
    bfmi_min: Known
    """The energy Bayesian fraction of missing information (E-BFMI) of the chain in which it is
    lowest."""


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
    """Whether HMC can be trusted."""

    sampler: SamplerHealth
    predictions: Convergence
    """The convergence of predictions on the test set. These numbers show whether HMC has
    converged."""
    weights_unaligned: Convergence
    """The convergence of weights before alignment. It is misleading: chains may sample the same
    functions, but with their units in different orders."""
    weights_aligned: Convergence
    """The convergence of weights after alignment."""

    @property
    def warning(self) -> str | None:
        """That HMC has not converged, why, and what to do, in words. None if it has converged."""
        problem = Converged().problem(self.predictions.model_dump())
        if problem is None:
            return None
        return (
            f"HMC has not converged: of the predictions, {problem}. Draw more samples (raise "
            "hmc.num_draws, hmc.thin or hmc.num_warmup). Until then, numbers that compare with HMC "
            "compare with these draws, not with the posterior."
        )
