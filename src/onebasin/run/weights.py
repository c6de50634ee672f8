"""What the posterior knows about its weights, in numbers: a section of the step `summarize`.

The text under a field is its row in docs/numbers.md.
"""

from onebasin.run.nested import Known, Section


class Reliability(Section):
    """How well two halves of the chains agree on the weights, in Spearman's rank correlation."""

    mean: Known
    """The correlation of the means."""
    std: Known
    """The correlation of the stds."""
    std_between_units: Known
    """The correlation of the stds after the mean std of each position is subtracted: whether the
    units of a layer have stds of their own. `null` if no unit may move."""


class ArrayKnowledge(Section):
    """What the draws say of the weights of an array."""

    num_weights: int
    """The number of weights."""
    contraction: Known
    """The mean over weights of the contraction: the share of the variance of the prior that the
    data have removed, 1 - std² / (prior std)². `null` if the std of the prior is not known."""
    moved_share: Known
    """The share of the weights whose variance is smaller than that of the prior by more than two
    Monte Carlo standard errors, among weights with an effective sample size of at least 50. `null`
    if there are none: if chains have not spread yet, a small variance says nothing."""
    small_p_share: Known
    """The share of the weights whose std is so small that noise has so small a std after the same
    alignment with a probability of at most .05. If all weights were noise, it would be .05. `null`
    if no weight of the array can be tested."""
    significant_share: Known
    """The same share at a false discovery rate of .05 (Benjamini and Hochberg)."""
    relative_error: Known
    """The median over weights of the Monte Carlo standard error of the std, divided by the std."""
    rhat_median: Known
    """The median of the R-hat of all weights, after alignment."""
    rhat_max: Known
    """The largest R-hat of all weights, after alignment."""
    ess_median: Known
    """The median of the bulk effective sample size of all weights, after alignment."""
    kurtosis_share: Known
    """The share of the weights whose excess kurtosis is more than three standard errors from that
    of a Gaussian. If all were Gaussian, it would be .003."""
    same_unit_share: Known
    """How often the unit of a weight is the unit that the mean of its chain has there, as a share
    of the draws, averaged over weights. `null` if no weight has a unit that may move."""
    reliability: Reliability
    null_reliability: Reliability
    """The same correlations of aligned noise: what alignment alone gives."""


class WeightKnowledge(ArrayKnowledge):
    """What the draws say of all weights, and of each array."""

    by_array: dict[str, ArrayKnowledge]
    """The same numbers for each array of weights, by its path."""


class WeightDifferences(Section):
    """How many weights differ between two methods, as shares of all weights."""

    differs_mean: float
    """The share of the weights whose means differ at a false discovery rate of .025 (Benjamini and
    Hochberg), given the Monte Carlo errors of both methods."""
    differs_std: float
    """The same share for stds."""
    equivalent_mean: float
    """The share of the weights whose means are equal within .2 stds, by two one-sided tests at 5 %.
    A weight can differ and be equal within the margin."""
    equivalent_std: float
    """The share of the weights whose stds are equal within .2 in the log of their ratio."""
    undecided_mean: float
    """The share of the weights whose means neither differ nor are equal within the margin."""
    undecided_std: float
    """The same share for stds."""
