"""How permutations of units grow along chains and between them."""
