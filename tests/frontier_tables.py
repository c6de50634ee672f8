"""Made-up scores of the frontier, as one seed's file holds them."""

from typing import Any

NUMBERS = {
    "hmc": 40,
    "hmc-chain": 20,
    "kept-1": 1,
    "kept-2": 2,
    "kept-8": 8,
    "direct": 2,
    "compact-by-weights": 2,
    "compact": 2,
    "compact-mean": 1,
    "low-rank-6": 8,
    "unit-blocks": 40,
    "refined-elbo": 2,
    "refined-elbo-pull-1": 2,
}
"""The representations and the numbers that each stores for a weight."""


def made_up_seed(scale: float = 1.0, **variations: float) -> dict[str, Any]:
    """Scores where the nth representation's total variation is n hundredths, times a factor.

    `variations` sets total variations by name, with underscores for hyphens.
    """
    given = {name.replace("_", "-"): value for name, value in variations.items()}
    representations = {
        name: {
            "accuracy": 0.9 * scale,
            "nll": 0.3,
            "brier": 0.1,
            "ece": 0.02,
            "agreement": 0.95,
            "total_variation": given.get(name, 0.01 * number * scale),
            "values_per_weight": numbers,
        }
        for number, (name, numbers) in enumerate(NUMBERS.items())
    }
    representations["compact"]["elbo"] = -1234.5 * scale
    representations["compact-by-weights"]["significant_share"] = 0.25
    representations["compact"]["significant_share"] = 0.5
    return representations
