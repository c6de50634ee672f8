"""Figures: their theme, labels and numbers, shared by the report and the studies."""
