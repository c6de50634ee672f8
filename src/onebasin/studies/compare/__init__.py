"""Methods compared weight by weight."""
