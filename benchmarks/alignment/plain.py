"""Alignment of MLPs in plain NumPy and SciPy: what someone writes who has no library for it.

Params are `{"hidden_0": {"kernel": W, "bias": b}, ..., "out": ...}` as in `ob.mlp`, with kernels of
shape (inputs, units). A permutation `p` of a layer puts its unit `p[i]` at place `i`.
"""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

Params = Mapping[str, Mapping[str, np.ndarray]]
Permutations = list[np.ndarray]
"""One permutation for each hidden layer."""


def one_draw(reference: Params, draw: Params, seed: int = 0) -> Params:
    """The draw with its units where coordinate descent finds them nearest to the reference's."""
    return permute(draw, coordinate_descent(reference, draw, seed))


def coordinate_descent(reference: Params, draw: Params, seed: int = 0) -> Permutations:
    """Match layer after layer in random order, the others as they are, until none gets better.

    Seed 0 begins where the units are, every other at random.

    Source: Ainsworth et al. (2022), arXiv 2209.04836, algorithm 1.
    """
    rng = np.random.default_rng(seed)
    sizes = [layer["bias"].size for layer in layers_of(reference)[:-1]]
    places = [rng.permutation(size) if seed else np.arange(size) for size in sizes]
    has_moved = True
    while has_moved:
        has_moved = False
        for layer in rng.permutation(len(places)):
            similarity = similarity_of(reference, draw, places, layer).astype(np.float64)
            rows, matched = linear_sum_assignment(similarity, maximize=True)
            before = similarity[rows, places[layer]].sum()
            if similarity[rows, matched].sum() > before + 1e-12:
                places[layer], has_moved = matched, True
    return places


def double_loop(reference: Params, draw: Params) -> Permutations:
    """Match the first hidden layer by the cosines of its incoming weights, pair after pair.

    This is how the code of Xiao, Liu and Bamler (2023), arXiv 2401.00611, matches weights: a loop
    over both networks' units fills the matrix of costs. Biases, outgoing weights and further
    layers play no part and, as there, a unit without weights makes the costs NaN.
    """
    ours, theirs = (params["hidden_0"]["kernel"].T for params in (reference, draw))
    costs = np.zeros((len(ours), len(theirs)))
    for i in range(len(ours)):
        for j in range(len(theirs)):
            norms = np.linalg.norm(ours[i]) * np.linalg.norm(theirs[j])
            costs[i, j] = 1 - np.dot(ours[i], theirs[j]) / norms
    others = [np.arange(layer["bias"].size) for layer in layers_of(draw)[1:-1]]
    return [linear_sum_assignment(costs)[1], *others]


def permute(params: Params, places: Permutations) -> Params:
    """Params whose unit `i` of each hidden layer is the old unit `places[layer][i]`."""
    layers = layers_of(params)
    incoming = [slice(None), *places]
    outgoing = [*places, slice(None)]
    return {
        name: {"kernel": layer["kernel"][before][:, after], "bias": layer["bias"][after]}
        for name, layer, before, after in zip(
            _names(params), layers, incoming, outgoing, strict=True
        )
    }


def distance(reference: Params, draw: Params) -> float:
    """The L2 distance over all weights."""
    differences = [
        np.square(reference[name][key].astype(np.float64) - draw[name][key]).sum()
        for name in _names(reference)
        for key in ("kernel", "bias")
    ]
    return float(np.sqrt(sum(differences)))


def similarity_of(reference: Params, draw: Params, places: Permutations, layer: int) -> np.ndarray:
    """Inner products of all weights of two units of a layer, all other layers as they are now."""
    (ours, ours_next), (theirs, theirs_next) = (
        layers_of(params)[layer : layer + 2] for params in (reference, draw)
    )
    before = places[layer - 1] if layer else slice(None)
    after = places[layer + 1] if layer + 1 < len(places) else slice(None)
    return (
        ours["kernel"].T @ theirs["kernel"][before]
        + np.outer(ours["bias"], theirs["bias"])
        + ours_next["kernel"] @ theirs_next["kernel"][:, after].T
    )


def layers_of(params: Params) -> list[Mapping[str, np.ndarray]]:
    """The layers from inputs to outputs."""
    return [params[name] for name in _names(params)]


def _names(params: Params) -> list[str]:
    """Names of the layers from inputs to outputs."""
    return [*(f"hidden_{index}" for index in range(len(params) - 1)), "out"]
