"""What the methods behind compared Gaussians are called."""

from onebasin.run.representations import COMPACT, COMPACT_ENSEMBLE, VI

METHODS = {COMPACT.key: "HMC", VI.key: "VI", COMPACT_ENSEMBLE.key: "ensemble"}
"""By the keys of their representations."""
