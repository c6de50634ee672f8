"""The paper's claims, each tested by an experiment: one experiment a file."""
