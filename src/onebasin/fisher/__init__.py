"""Fisher information: of weights, of units, of parts of a network."""
