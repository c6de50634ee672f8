"""Draws of other libraries as `Samples`."""

from onebasin.interchange.arviz import from_arviz
from onebasin.interchange.blackjax import from_blackjax
from onebasin.interchange.numpyro import from_numpyro
from onebasin.interchange.state_dicts import from_state_dicts

__all__ = ["from_arviz", "from_blackjax", "from_numpyro", "from_state_dicts"]
