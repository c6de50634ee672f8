"""What a compact representation keeps of the predictions."""
