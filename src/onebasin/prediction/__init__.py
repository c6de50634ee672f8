"""What draws and Gaussians predict, and how far apart predictions are."""
