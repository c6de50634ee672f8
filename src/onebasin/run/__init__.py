"""One run: the steps that lead from a config to tables."""
