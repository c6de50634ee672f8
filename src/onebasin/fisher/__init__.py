"""The Fisher information of a network, for each weight."""

from onebasin.fisher.diagonal import fisher_diagonal
from onebasin.fisher.importance import fisher_importance

__all__ = ["fisher_diagonal", "fisher_importance"]
