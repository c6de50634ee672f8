"""merge: one network made of two or more trained ones."""

import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from onebasin._arguments import check_key
from onebasin._collections import statistics_in
from onebasin.merging.arguments import (
    Data,
    data_of,
    networks_of,
    shares_of,
    symmetry_of,
)
from onebasin.merging.losses import losses_between
from onebasin.merging.repair import repaired
from onebasin.merging.rounds import aligned_in_rounds, weighted_mean
from onebasin.merging.same_function import check_same_functions
from onebasin.networks.network import Network
from onebasin.prediction.connectivity import barrier, weight_distance
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.types import Key, Params

FRACTIONS = np.linspace(0.0, 1.0, 11)
"""The points of a line between two networks at which its loss is computed."""


class Merged(eqx.Module):
    """One network made of several, the aligned networks, and how far apart they are.

    Pairs of networks are in the order of `itertools.combinations`: 0 and 1, 0 and 2, and so on.

    Args:
        params: The merged network, named as `from_torch` and the other adapters name params.
        parents: The networks that it was made of, aligned. Each computes the function that it
            computed before.
        permutations: For each network, what moved its units.
        distances_before: The Euclidean distance between the weights of each pair as they came.
        distances: The same after alignment.
        fractions: The points of a line at which losses are computed, from 0 to 1.
        losses_before: The loss along the line between each pair as they came. None without targets.
        losses: The same after alignment. None without targets.

    Examples:
        >>> merged = ob.merge([samples.draw(0, 9), samples.draw(1, 9)], symmetry)
        >>> bool(merged.distances[0] <= merged.distances_before[0])
        True
    """

    params: Params
    parents: tuple[Params, ...]
    permutations: tuple[Permutation, ...]
    distances_before: Float[np.ndarray, " pairs"]
    distances: Float[np.ndarray, " pairs"]
    fractions: Float[np.ndarray, " points"]
    losses_before: Float[np.ndarray, "pairs points"] | None = None
    losses: Float[np.ndarray, "pairs points"] | None = None

    @property
    def barriers_before(self) -> Float[np.ndarray, " pairs"] | None:
        """The barrier between each pair of networks as they came. None without targets."""
        return None if self.losses_before is None else barrier(self.losses_before, self.fractions)

    @property
    def barriers(self) -> Float[np.ndarray, " pairs"] | None:
        """The barrier between each pair after alignment. None without targets."""
        return None if self.losses is None else barrier(self.losses, self.fractions)


def merge(
    networks: Sequence[Params] | Samples,
    symmetry: Symmetry | Network,
    *,
    weights: Sequence[float] | None = None,
    inputs: Any = None,
    targets: Any = None,
    loss: Callable[[Any, Any], Any] | None = None,
    repair: bool = False,
    key: Key | None = None,
) -> Merged:
    r"""Align trained networks and average them into one.

    The units of each network are permuted until it is as close as it gets to the mean of the
    others. The merged network is the weighted mean of the aligned ones,
    $\theta = \sum_n c_n\, P_n(\theta_n)$ with the shares $c_n$ and the permutations $P_n$. The
    symmetry is tried as `align` tries it. With `inputs`, each aligned network is also checked to
    compute on them what it computed before.

    Averaging shrinks the spread of units. In networks with BatchNorm, statistics that are renewed
    on `inputs` undo it. For others, `repair=True` rescales and shifts the units of each layer so
    that the mean and the std of their pre-activations over `inputs` are the weighted means of those
    of the parents. Layers inside of loops, as in an LSTM, are not repaired.

    Merged networks are worse than their parents if these were trained apart and are narrow: look at
    `Merged.barriers`, and compare the merged network with its parents on data of its own.

    Args:
        networks: Params of each network, state_dicts of PyTorch, or draws.
        symmetry: Which units may be permuted. `find_symmetry` finds it. A `Network` has one.
        weights: How much each network counts, in any unit. Default: all the same.
        inputs: Inputs on which statistics are renewed, units are repaired, functions are compared
            and losses are taken. Several hundred inputs will do. Several arguments of the network
            are a tuple.
        targets: The targets of these inputs. With them, losses between pairs are computed.
        loss: `loss(outputs, targets)` is the mean loss over the inputs. Default: the cross-entropy
            in nats of logits and integer targets, and the mean squared error of others.
        repair: Whether the pre-activation statistics of units are restored. Networks with running
            statistics have them renewed instead.
        key: What draws the order in which networks are matched. Default: `jax.random.key(0)`.

    Raises:
        ValueError: If there is one network, networks differ in names or shapes or are not finite,
            weights are negative or all 0, inputs are missing, or an alignment changes a function.
        TypeError: For arguments of other types.

    Examples:
        >>> merged = ob.merge([samples.draw(0, 9), samples.draw(1, 9)], network)
        >>> network.apply(merged.params, data.test.inputs).shape
        (50, 10)

    Source: Ainsworth et al. (2022), arXiv 2209.04836, algorithm 3; repair: Jordan et al. (2022),
    arXiv 2211.08403.
    """
    of_units = symmetry_of(symmetry)
    check_key(key := jax.random.key(0) if key is None else key)
    asked = {"targets": targets is not None, "repair=True": repair}
    data = data_of(symmetry, inputs, [name for name, is_asked in asked.items() if is_asked])
    given = networks_of(networks, of_units)
    shares = shares_of(weights, len(given))
    aligned = aligned_in_rounds(given, of_units, shares, key=key)
    if data is not None:
        check_same_functions(data, given, aligned.networks)
    merged = weighted_mean(aligned.networks, shares)
    if data is not None and repair and not statistics_in(merged):
        merged = repaired(merged, aligned.networks, aligned.symmetry, data, shares)
    before, after = None, None
    if data is not None and targets is not None:
        groups = (given, aligned.networks)
        before, after = losses_between(groups, data, targets, FRACTIONS, loss)
    return Merged(
        params=_renewed(merged, data),
        parents=tuple(aligned.networks),
        permutations=tuple(aligned.permutations),
        distances_before=_distances(given),
        distances=_distances(aligned.networks),
        fractions=FRACTIONS,
        losses_before=before,
        losses=after,
    )


def _renewed(merged: Params, data: Data | None) -> Params:
    """The network with running statistics of the inputs, if it has some."""
    if not statistics_in(merged):
        return merged
    if data is None or data.recalibrate is None:
        warnings.warn(
            "The merged network has the mean of its parents' running statistics, which do not fit "
            "its weights. Pass inputs=, and a network or symmetry that knows how to renew them.",
            stacklevel=3,
        )
        return merged
    renewed = data.recalibrate(merged, *data.inputs)
    return jax.tree.map(lambda new, old: np.asarray(new, old.dtype), renewed, merged)


def _distances(networks: Sequence[Params]) -> Float[np.ndarray, " pairs"]:
    return np.array([weight_distance(a, b) for a, b in combinations(networks, 2)])
