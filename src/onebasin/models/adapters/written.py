"""Calls that write to statistics or random states, as they do in training."""

from typing import Any

from onebasin import _trees


def check_nothing_written(before: Any, after: Any, hint: str) -> None:
    """Refuse a call that wrote to arrays: what is not written to stays the same object.

    Raises: ValueError.
    """
    old, new = _trees.named_leaves(before), _trees.named_leaves(after)
    written = [name for name, leaf in new.items() if leaf is not old.get(name)]
    if written:
        raise ValueError(
            "A module must be in evaluation mode: in training, dropout is random and BatchNorm "
            f"uses its batch. Got a call that writes to {', '.join(written)}. {hint}"
        )
