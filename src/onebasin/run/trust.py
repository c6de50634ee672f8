"""How far a run's draws can be trusted: the null floor, HMC's health, and convergence.

Sections of the results that the step `summarize` finds. The text under a field is its row in
docs/numbers.md.
"""

from onebasin.run.nested import Known, Section


class ArrayFloor(Section):
    """Root mean squares of the stds of an array, in units of the weights."""

    std: float
    """The std of the aligned draws."""
    null_std: float
    """The null floor: the std of draws that share nothing, aligned the same way."""
    unaligned_std: float
    """The std of the draws before alignment."""
    ess_median: float
    """The median over weights of the effective sample size of the aligned draws for a std."""

    @property
    def ratio(self) -> float | None:
        """The aligned std in units of its null floor; None where the floor is 0."""
        return self.std / self.null_std if self.null_std > 0 else None


class NullFloor(ArrayFloor):
    """The floor of all weights, and of each array."""

    share_below: float
    """The share of weights whose aligned std lies below its floor."""
    undecided_share: float
    """The share of weights whose effective sample size is too small to tell."""
    by_array: dict[str, ArrayFloor]
    """The same for each array of weights, by its path."""


class SamplerHealth(Section):
    """How HMC fared; None where the sampler does not say."""

    num_divergent: int | None
    """The number of divergent draws."""
    acceptance_rate: Known
    """The mean acceptance rate."""
    step_size: Known
    """The mean step size."""
    bfmi_min: Known
    """The lowest energy Bayesian fraction of missing information (E-BFMI) of a chain."""


class Convergence(Section):
    """R-hat and effective sample sizes over at most 200 quantities."""

    rhat_median: Known
    """The median of the rank-normalized R-hat."""
    rhat_max: Known
    """The largest R-hat."""
    ess_median: Known
    """The median of the bulk effective sample size."""
    ess_min: Known
    """The smallest effective sample size."""


class Diagnostics(Section):
    """Whether HMC can be trusted."""

    sampler: SamplerHealth
    predictions: Convergence
    """The convergence of predictions on the test set, by which HMC is to be judged."""
    weights_unaligned: Convergence
    """The convergence of weights before alignment. It misleads: chains that agree in function may
    sit in different copies."""
    weights_aligned: Convergence
    """The convergence of weights after alignment."""
