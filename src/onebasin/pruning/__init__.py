"""Which weights go: scores, stages, and what stays conditioned on what left."""
