"""Which weights of a network can be set to zero."""

from onebasin.pruning.conditional import Order, conditional_copies
from onebasin.pruning.prune import layer_wise, prune, pruned_copies, pruning_scores

__all__ = [
    "Order",
    "conditional_copies",
    "layer_wise",
    "prune",
    "pruned_copies",
    "pruning_scores",
]
