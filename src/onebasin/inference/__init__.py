"""How draws are made: methods, and the one driver that runs them."""
