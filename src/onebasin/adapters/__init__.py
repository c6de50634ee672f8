"""Networks of other libraries as `apply, params`, which every function of onebasin takes."""

from onebasin.adapters.adapted import Adapted
from onebasin.adapters.equinox import from_equinox
from onebasin.adapters.flax import from_flax
from onebasin.adapters.haiku import from_haiku
from onebasin.adapters.pytorch import from_torch, to_torch

__all__ = ["Adapted", "from_equinox", "from_flax", "from_haiku", "from_torch", "to_torch"]
