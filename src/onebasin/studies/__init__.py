"""Studies of many runs, each in a folder with its measurements, its claims and its figures."""
