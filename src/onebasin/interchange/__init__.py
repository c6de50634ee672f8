"""Draws of other libraries as `Samples`."""

from onebasin.interchange.arviz import from_arviz
from onebasin.interchange.blackjax import from_blackjax
from onebasin.interchange.numpyro import from_numpyro

__all__ = ["from_arviz", "from_blackjax", "from_numpyro"]
