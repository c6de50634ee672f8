"""Marks: one more fact that a later walk tracks about the entries of a label.

The first walk finds out which axes share a label. Three later walks ask one question each. They
attach a *mark* to the labels of the params and follow it through the same rules:

| Walk | Module | Mark | Question |
|---|---|---|---|
| signs | `parity` | `Parity` | do entries change sign when their unit does? |
| scales | `scales` | `Power` | by which power of a unit's scale are entries multiplied? |
| roles | `roles` | `ArgumentAxes` | from which axes of the params do entries come? |
"""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Mark(Protocol):
    """A fact about entries, and how primitives change it.

    A mark belongs to the entries of one label. Frozen dataclasses implement it; a condition that
    arises (two marks must be equal, say) is added to a set that all marks of a walk share.
    """

    def combine(self, other: Any, *, is_product: bool) -> Any:
        """The mark of `f(a, b)` for entries a with this mark and b with the other one.

        `is_product` says that f is a product. Otherwise f is a sum, a maximum or a choice between
        a and b: then signs and powers of both have to be equal.
        """
        ...

    def require_invariant(self) -> Any | None:
        """The mark that is left if the entries must not change, or None if none is left.

        A sign or a power records the condition that it is trivial. Where entries come from is no
        change, so that this mark stays.
        """
        ...
