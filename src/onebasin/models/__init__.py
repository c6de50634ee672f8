"""Networks and their posteriors as log densities."""
