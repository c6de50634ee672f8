"""The representations that were evaluated: their order, their table and their baselines."""

from collections.abc import Sequence
from typing import NamedTuple

from onebasin.plots.numbers import fixed, whole
from onebasin.run.results import CompareResults, Evaluated


class WithBaseline(NamedTuple):
    """A Gaussian (or its mean), and the kept draws that store as many numbers or fewer."""

    ours: Evaluated
    kept: Evaluated

    @property
    def is_equal(self) -> bool:
        """Whether both store the same number of values for each weight."""
        mine, theirs = self.ours.representation, self.kept.representation
        return mine.values_per_weight == theirs.values_per_weight


def in_order(found: CompareResults) -> list[Evaluated]:
    """The draws first, then the others by numbers stored, and for equal storage by distance."""

    def place(one: Evaluated) -> tuple[bool, int, float]:
        representation = one.representation
        is_other = not representation.is_reference
        stored = representation.values_per_weight if is_other else 0
        return is_other, stored, one.scores.total_variation

    return sorted(found.representations, key=place)


def kept_draws(found: CompareResults) -> list[Evaluated]:
    """The selections of kept draws, the smallest first."""
    kept = [one for one in found.representations if one.representation.family == "kept"]
    return sorted(kept, key=lambda one: one.representation.values_per_weight)


def with_baselines(found: CompareResults) -> list[WithBaseline]:
    """Every Gaussian and compact mean, each with the most kept draws of no more storage."""
    pairs: list[WithBaseline] = []
    for one in in_order(found):
        stored = one.representation.values_per_weight
        fewer = [k for k in kept_draws(found) if k.representation.values_per_weight <= stored]
        if one.representation.has_baseline and fewer:
            pairs.append(WithBaseline(one, fewer[-1]))
    return pairs


def representation_rows(found: CompareResults) -> list[tuple[str, ...]]:
    """The table of representations as text, with its header first. A dash is a missing number."""
    table = in_order(found)
    is_regression = table[0].scores.rmse is not None
    titles = ("RMSE", "NLL", "CRPS") if is_regression else ("Accuracy", "NLL", "Brier")
    header = ("Representation", "Numbers/weight", *titles, "ECE", "Agreement", "TV")
    return [header, *map(_row, table)]


def _row(one: Evaluated) -> tuple[str, ...]:
    scores = one.scores
    proper = scores.brier if scores.crps is None else scores.crps
    values: Sequence[float | None] = (
        scores.first, scores.nll, proper, scores.ece, scores.agreement, scores.total_variation,
    )  # fmt: skip
    stored = whole(one.representation.values_per_weight)
    return one.representation.label, stored, *map(fixed, values)
