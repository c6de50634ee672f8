"""Draws of other libraries as `Samples`, and symmetries and masks in the form of others."""

from onebasin.interchange.arviz import from_arviz
from onebasin.interchange.bde import from_bde
from onebasin.interchange.blackjax import from_blackjax
from onebasin.interchange.masks import masks_to_torch
from onebasin.interchange.mile import from_mile
from onebasin.interchange.numpyro import from_numpyro
from onebasin.interchange.permutation_specs import axes_to_perm, perm_spec
from onebasin.interchange.state_dicts import from_state_dicts

__all__ = [
    "axes_to_perm",
    "from_arviz",
    "from_bde",
    "from_blackjax",
    "from_mile",
    "from_numpyro",
    "from_state_dicts",
    "masks_to_torch",
    "perm_spec",
]
