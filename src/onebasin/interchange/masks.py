"""masks_to_torch: which weights are kept, in the form of `torch.nn.utils.prune`."""

from collections import Counter
from typing import Any

import numpy as np

from onebasin import _trees
from onebasin._collections import own_names, weights_alone
from onebasin.adapters.pytorch_checks import plain_module
from onebasin.types import Params


def masks_to_torch(masks: Params, module: Any) -> Any:
    """The same PyTorch module, whose weights are pruned by masks through `torch.nn.utils.prune`.

    A mask is 1 or True for the weights that are kept. Masks have the names that `from_torch` gives
    to params; not all weights need one. As `prune.custom_from_mask` does, each masked weight
    becomes `weight_orig`, which trains on, and `weight_mask`. A mask that keeps all is left out.
    `prune.remove(part, "weight")` makes the zeros permanent.

    Raises:
        ValueError: If a mask is of no weight of the module, has another shape or other numbers, or
            is of tied weights, which `torch.nn.utils.prune` would untie.
        TypeError: If `module` is not a PyTorch module.

    Examples:
        >>> import torch
        >>> module = torch.nn.Linear(2, 1).eval()
        >>> pruned = ob.interchange.masks_to_torch({"weight": np.array([[True, False]])}, module)
        >>> pruned.weight_mask.tolist()
        [[1.0, 0.0]]
    """
    from torch.nn.utils import prune  # pyright: ignore[reportMissingImports]  # an extra

    inner = plain_module(module, "Masks come first: masks_to_torch(masks, module).")
    weights = dict(inner.named_parameters())
    uses = Counter(id(w) for _, w in inner.named_parameters(remove_duplicate=False))
    names = own_names(masks)
    named = {
        names[path].replace("/", "."): np.asarray(mask)
        for path, mask in _trees.named_leaves(weights_alone(masks)).items()
    }
    for name, mask in named.items():
        _check(name, mask, weights)
        if uses[id(weights[name])] > 1 and not mask.all():
            raise ValueError(
                f"torch.nn.utils.prune would untie weights that are used twice. Got {name!r}. "
                "Leave its mask out, or write the zeros by ob.adapters.to_torch."
            )
    for name, mask in named.items():
        if not mask.all():
            part, _, own = name.rpartition(".")
            tensor = weights[name].new_tensor(mask.astype(np.float32))
            prune.custom_from_mask(inner.get_submodule(part), own, tensor)
    return module


def _check(name: str, mask: np.ndarray, weights: dict[str, Any]) -> None:
    """Raise ValueError unless a mask is one of a weight of the module."""
    if name not in weights:
        missing = _trees.difference([name], weights)
        raise ValueError(
            f"Masks must have the names of the module's parameters. {missing} Were they made for "
            "another module, or is it pruned already?"
        )
    if mask.shape != tuple(weights[name].shape) or not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"The mask of {name!r} must have 0 or 1 for each weight, {tuple(weights[name].shape)}. "
            f"Got {mask.dtype}{mask.shape}. Make it by comparing: leaf != 0."
        )
