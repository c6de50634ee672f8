"""What the posterior knows about every single weight, and how well."""

from onebasin.knowledge.arrays import array_of, load_table, save_table
from onebasin.knowledge.compare import compare_tables, gaussian_table
from onebasin.knowledge.datatree import to_datatree
from onebasin.knowledge.describe import describe
from onebasin.knowledge.describe_comparison import describe_comparison
from onebasin.knowledge.identity import UnitIdentity, unit_identity
from onebasin.knowledge.posteriors import PosteriorComparison, compare_posteriors
from onebasin.knowledge.scales import balanced, exchangeable_std
from onebasin.knowledge.unit_shares import unit_shares
from onebasin.knowledge.weight_table import weight_table

__all__ = [
    "PosteriorComparison",
    "UnitIdentity",
    "array_of",
    "balanced",
    "compare_posteriors",
    "compare_tables",
    "describe",
    "describe_comparison",
    "exchangeable_std",
    "gaussian_table",
    "load_table",
    "save_table",
    "to_datatree",
    "unit_identity",
    "unit_shares",
    "weight_table",
]
