"""What may be permuted: axes, permutations, and how many transpositions one takes."""

from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import Axes, Blocks, Function, Name, Part, Place, Role, Sign
from onebasin.symmetry.balance import balance
from onebasin.symmetry.discovery.find import find_symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute
from onebasin.symmetry.random_permutation import random_num_transpositions, random_permutation
from onebasin.symmetry.verify import Verified, verify

__all__ = [
    "Axes",
    "Blocks",
    "Function",
    "Name",
    "Part",
    "Permutation",
    "Place",
    "Role",
    "Sign",
    "Symmetry",
    "Verified",
    "balance",
    "find_symmetry",
    "permute",
    "random_num_transpositions",
    "random_permutation",
    "verify",
]
