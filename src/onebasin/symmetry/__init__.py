"""WHAT may be permuted: axes, permutations, and counting them."""
