"""The Fisher information of a network, for each weight."""

from onebasin.fisher.diagonal import fisher_diagonal
from onebasin.fisher.importance import fisher_importance
from onebasin.fisher.laplace import diagonal_laplace

__all__ = ["diagonal_laplace", "fisher_diagonal", "fisher_importance"]
