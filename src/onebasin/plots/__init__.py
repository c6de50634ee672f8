"""What all figures share: their theme, labels beside points, and numbers as text."""
