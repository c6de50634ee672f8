"""How well each representation predicts for the numbers it stores, over seeds."""
