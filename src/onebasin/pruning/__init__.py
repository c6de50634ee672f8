"""Which weights of a network can be set to zero."""

from onebasin.pruning.conditional import Order, conditional_copies
from onebasin.pruning.prune import layer_wise, prune, pruned_copies, pruning_scores
from onebasin.pruning.pruned_by import PruningOrder, pruned_by

__all__ = [
    "Order",
    "PruningOrder",
    "conditional_copies",
    "layer_wise",
    "prune",
    "pruned_by",
    "pruned_copies",
    "pruning_scores",
]
