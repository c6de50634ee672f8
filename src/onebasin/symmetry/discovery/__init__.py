"""The symmetry of any function: labels followed through its jaxpr, primitive by primitive."""
