"""Aligns the posterior samples of a Bayesian neural network.

The public names are listed in `__init__.pyi`, for type checkers and for the line below. Nothing is
imported before a name is used, so commands that only print help need not wait for JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
