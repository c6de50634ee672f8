"""Activation matching: units are similar if they respond alike to the same inputs."""

import dataclasses
from collections import Counter
from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from onebasin.alignment.matching import Features
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry
from onebasin.types import Array, Params


def activation_matching(
    activations: Callable[[Params], dict[str, Float[Array, "inputs units"]]],
) -> "ActivationMatching":
    r"""Match units by what they output: $\max_p \sum_x a(x) \cdot a'(x)[p]$ for each group.

    `activations(params)` returns one array for each group of the symmetry, evaluated on inputs
    of your choice, neither centred nor scaled. Weights that no input exercises are not seen.
    If a group has one sign, the output of its units must flip with it, as after tanh. If it has
    several, the output must flip with none: units are permuted, and their signs stay. It is
    compiled once for all matchings of one function, or of one `jax.tree_util.Partial` but for the
    arrays in it.

    Examples:
        >>> put_out = lambda params: network.activations(params, data.train.inputs)
        >>> ob.align(samples, symmetry, ob.alignment.activation_matching(put_out)).matching
        'activations'

    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 3.1.
    """
    return ActivationMatching(activations)


class ActivationMatching(eqx.Module):
    """Units are similar if their outputs on the same inputs are similar."""

    activations: Callable[[Params], dict[str, Float[Array, "inputs units"]]]

    @property
    def name(self) -> str:
        """What reports call it."""
        return "activations"

    def symmetry(self, symmetry: Symmetry) -> Symmetry:
        """Each group's activations list its units, and flip with them if the group has one sign."""
        if symmetry.nested:
            symmetry.check_simple("Matching by activations")
        alone = Symmetry({group: Axes(None, group) for group in symmetry.sizes}, symmetry.sizes)
        count = Counter(sign.group for sign in symmetry.signs.values())
        signs = {
            name: Sign(group, (Place(group, 1),) if count[group] == 1 else ())
            for name, group in symmetry.sign_groups.items()
        }
        return dataclasses.replace(alone, signs=signs)

    def features(self, params: Params) -> Features:
        """The activations of every draw."""
        return _padded(self.activations, params)

    def target(self, mean_features: Features) -> Features:
        """The mean activations."""
        return mean_features

    def constant(self, mean_features: Features) -> float:
        """The objective is the inner product alone."""
        return 0.0


@eqx.filter_jit
def _of_draws(activations: Callable[[Params], Features], params: Params) -> Features:
    return jax.vmap(activations)(params)


def _padded(activations: Callable[[Params], Features], params: Params) -> Features:
    # Counts of draws vary from round to round; powers of two keep the compiled programs few.
    num_draws = jax.tree.leaves(params)[0].shape[0]
    rows = np.minimum(np.arange(1 << (num_draws - 1).bit_length()), num_draws - 1)
    found = _of_draws(activations, jax.tree.map(lambda leaf: leaf[rows], params))
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:num_draws], found)
