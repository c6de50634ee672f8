"""Results of a run with other values in them: models are frozen, so a changed one is a copy."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

_M = TypeVar("_M", bound=BaseModel)


def with_changes(model: _M, changes: Mapping[str, Any]) -> _M:
    """A copy with other fields; a mapping changes fields of a model that is in a field."""
    unknown = set(changes) - set(type(model).model_fields)
    assert not unknown, f"{type(model).__name__} has no {unknown}"
    return model.model_copy(
        update={name: _changed(getattr(model, name), value) for name, value in changes.items()}
    )


def _changed(old: Any, new: Any) -> Any:
    is_nested = isinstance(old, BaseModel) and isinstance(new, Mapping)
    return with_changes(old, new) if is_nested else new
