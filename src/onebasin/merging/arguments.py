"""The arguments of `merge`, checked: networks, their shares, and what they compute."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_arrays
from onebasin.adapters.pytorch_checks import numpy_array
from onebasin.networks.network import Network
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Params


class Data(NamedTuple):
    """Inputs, and the functions of networks that take them.

    Args:
        inputs: What functions take after the params.
        apply: `apply(params, *inputs)` gives the outputs.
        recalibrate: `recalibrate(params, *inputs)` renews running statistics. None if there is no
            such function.
    """

    inputs: tuple[Any, ...]
    apply: Callable[..., Any]
    recalibrate: Callable[..., Params] | None


def symmetry_of(symmetry: Any) -> Symmetry:
    """The symmetry itself, or that of a network. Raises: TypeError for something else."""
    if isinstance(symmetry, Network):
        return symmetry.symmetry
    if not isinstance(symmetry, Symmetry):
        raise TypeError(
            f"symmetry must be a Symmetry or a Network. Got {type(symmetry).__name__}. "
            "find_symmetry(apply, params, inputs) gives one."
        )
    return symmetry


def data_of(subject: Symmetry | Network, inputs: Any, wanted_for: Sequence[str]) -> Data | None:
    """The inputs with the functions of a network, or of a symmetry; None without inputs.

    `wanted_for` names the arguments that need inputs.

    Raises: ValueError if inputs or the function are missing; TypeError for other arrays.
    """
    if inputs is None:
        if wanted_for:
            raise ValueError(f"{wanted_for[0]} needs inputs. Got none. Pass inputs= as well.")
        return None
    several = inputs if isinstance(inputs, tuple) else (inputs,)
    check_arrays("inputs", several)
    if isinstance(subject, Network):
        return Data(several, subject.apply, subject.recalibrate)
    if subject.function is None:
        raise ValueError(
            "inputs are used with the function of the networks. Got a symmetry that knows none. "
            "Pass a Network, or what find_symmetry(apply, params, inputs) finds."
        )
    apply = subject.function.apply
    return Data(several, apply, getattr(apply, "recalibrate", None))


def networks_of(networks: Any, symmetry: Symmetry) -> list[Params]:
    """The params of each network on the host, in the structure of the symmetry.

    Raises: ValueError if there is one network, or they differ, or one is not finite; TypeError if
    they are no sequence of params.
    """
    if isinstance(networks, Samples):
        places = np.ndindex(networks.num_chains, networks.num_draws)
        networks = [networks.draw(chain, draw) for chain, draw in places]
    if not isinstance(networks, Sequence) or isinstance(networks, str):
        raise TypeError(
            f"networks must be a list of params, or Samples. Got {type(networks).__name__}. "
            "Pass [params_a, params_b]."
        )
    if len(networks) < 2:
        raise ValueError(f"merge needs two networks or more. Got {len(networks)}.")
    given = [_on_host(one, symmetry, number) for number, one in enumerate(networks)]
    symmetry.check(given[0])
    first = _trees.named_leaves(given[0])
    for number, one in enumerate(given):
        _check_alike(_trees.named_leaves(one), first, number)
    return given


def _on_host(network: Params, symmetry: Symmetry, number: int) -> Params:
    """The arrays of a network, also if they were tensors of PyTorch."""
    is_tensor = lambda leaf: type(leaf).__module__.partition(".")[0] == "torch"
    as_array = lambda leaf: numpy_array(leaf) if is_tensor(leaf) else leaf
    # A state_dict is an OrderedDict, which JAX takes for another tree than a dict.
    tree = dict(network) if isinstance(network, OrderedDict) else network
    params = symmetry.arranged(jax.tree.map(as_array, tree))
    check_arrays(f"network {number}", params)
    return _trees.to_host(_trees.loaded(params))


def _check_alike(leaves: dict[str, np.ndarray], first: dict[str, np.ndarray], number: int) -> None:
    if leaves.keys() != first.keys():
        raise ValueError(
            "All networks must have the same arrays as the first. "
            f"{_trees.difference(leaves, first)} This is network {number}."
        )
    for name, leaf in leaves.items():
        if leaf.shape != first[name].shape:
            raise ValueError(
                f"All networks must have arrays of the same shapes: {first[name].shape} for "
                f"{name!r}, as the first has. Got {leaf.shape} in network {number}. Networks of "
                "other widths cannot be averaged."
            )
        if not np.isfinite(leaf.astype(np.float64)).all():
            raise ValueError(
                f"Networks to merge must be finite. Got NaN or infinity in {name!r} of network "
                f"{number}. Leave it out."
            )


def shares_of(weights: Sequence[float] | None, num_networks: int) -> Float[np.ndarray, " network"]:
    """The share of each network. They sum to 1.

    Raises: ValueError if there is not one weight a network, or weights are no shares.
    """
    shares = np.ones(num_networks) if weights is None else np.asarray(weights, np.float64)
    if shares.shape != (num_networks,):
        raise ValueError(
            f"weights must have one number for each of the {num_networks} networks. "
            f"Got shape {shares.shape}."
        )
    if not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
        raise ValueError(
            "weights must be finite and not negative, and have a positive sum. "
            f"Got {shares.tolist()}."
        )
    return shares / shares.sum()
