"""Formats on disk: sample stores, tensors, and files that are written whole or not at all."""
