"""The frontier: how well each representation predicts for the numbers it stores, over seeds."""
