"""Draws of other libraries as `Samples`."""

from onebasin.interchange.arviz import from_arviz

__all__ = ["from_arviz"]
