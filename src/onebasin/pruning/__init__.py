"""Pruning: which weights of a network can be set to zero, and which are kept."""
