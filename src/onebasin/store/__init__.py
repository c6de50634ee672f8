"""Formats on disk: sample stores, tensors and tables."""
