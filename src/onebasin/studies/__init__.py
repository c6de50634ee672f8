"""Studies of many runs, each in a folder: what is measured, what is claimed, figures."""
