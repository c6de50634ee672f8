"""The steps of a run, one in each file."""
