"""Whether planted permutations have the effects that the paper reports."""
