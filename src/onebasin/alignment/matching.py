r"""Matching: what "similar units" means.

A matching maps the params of a draw to *features*, arrays whose axes list units, and the mean
features of already aligned draws to a *target*. To match is to permute the features of a draw
so that their inner product with the target is largest:

$$\max_p\ \langle R, P_p(F(w)) \rangle.$$

With one hidden layer that is one linear assignment and exact. With several it is NP-hard
(Ainsworth et al. 2022, appendix). `descent` finds a local optimum for every meaning.
"""

from typing import Any, Protocol, TypeAlias, runtime_checkable

from onebasin.symmetry.axes import Symmetry
from onebasin.types import Params

Features: TypeAlias = Any
"""Arrays computed from params whose axes list units; draws lead."""


@runtime_checkable
class Matching(Protocol):
    """One meaning of "similar units": how features and targets are computed.

    A matching is a frozen value: two that were made with the same settings compare equal, and both
    pickle. Write your own as a frozen class with these five.
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def symmetry(self, symmetry: Symmetry) -> Symmetry:
        """Which axes of the features list which units, given the symmetry of the params."""
        ...

    def features(self, params: Params) -> Features:
        """Features of params that lead with a draw axis; they lead with one as well."""
        ...

    def target(self, mean_features: Features) -> Features:
        """What draws are matched to, given the mean features of aligned draws."""
        ...

    def constant(self, mean_features: Features) -> float:
        """What the objective adds to each draw's inner product with the target; often 0."""
        ...
