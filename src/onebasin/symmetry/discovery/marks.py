"""Mark: what a walk follows beside the entries of a label, such as whether they change sign."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Mark(Protocol):
    """What is known of entries, and how it changes as they are used."""

    def meet(self, other: Any, *, is_product: bool) -> Any:
        """The mark of products of entries with both, or of sums and choices of them."""
        ...

    def keep(self) -> Any | None:
        """What is left of it where entries must stay as they are, which may be a condition."""
        ...
