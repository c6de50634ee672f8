"""The Fisher information of a network: its diagonal, and blocks of the weights of one unit."""
