"""Which score of weights prunes best."""
