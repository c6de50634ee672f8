"""Everything on disk: sample stores, tensors and run directories."""
