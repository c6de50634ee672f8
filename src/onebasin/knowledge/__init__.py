"""What the posterior knows about every single weight, and how well."""

from onebasin.knowledge.arrays import array_of, load_table, save_table
from onebasin.knowledge.datatree import to_datatree
from onebasin.knowledge.describe import describe
from onebasin.knowledge.identity import UnitIdentity, unit_identity
from onebasin.knowledge.weight_table import weight_table

__all__ = [
    "UnitIdentity",
    "array_of",
    "describe",
    "load_table",
    "save_table",
    "to_datatree",
    "unit_identity",
    "weight_table",
]
