"""Samplers side by side: effective draws for a gradient and for a second, on real posteriors."""
