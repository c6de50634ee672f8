"""What draws and Gaussians say: predictions, comparisons, pruning, diagnostics."""
