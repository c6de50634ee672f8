"""Compact posteriors: Gaussians and their mixtures, fitted and compared."""
