"""Twins: two networks that differ by a planted permutation, their matching, and their line."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from onebasin.alignment.activation_matching import activation_matching
from onebasin.alignment.align import align
from onebasin.alignment.matching import Matching
from onebasin.alignment.reference import to
from onebasin.alignment.weight_matching import weight_matching
from onebasin.prediction.connectivity import line, losses_and_errors
from onebasin.samples import Samples
from onebasin.studies.training import Task
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute
from onebasin.symmetry.random_permutation import random_permutation
from onebasin.types import Key, Params

FRACTIONS = np.linspace(0.0, 1.0, 11)
"""The places on the line between two networks at which losses and errors are measured."""


class Judge(NamedTuple):
    """The numbers of images for matching by activations, and for losses and errors."""

    task: Task
    num_inputs: int
    num_examples: int

    @property
    def matchings(self) -> dict[str, Matching]:
        """Both matchings by name. Activations are computed on the first training images."""
        inputs = jnp.asarray(self.task.dataset.train.inputs[: self.num_inputs])
        put_out = self.task.network.activations
        assert put_out is not None
        return {
            "weights": weight_matching(),
            "activations": activation_matching(lambda params: put_out(params, inputs)),
        }

    def share_dead(self, params: Params) -> float:
        """The share of hidden units that are 0 for every image. Activations cannot match them."""
        inputs = jnp.asarray(self.task.dataset.train.inputs[: self.num_inputs])
        put_out = self.task.network.activations
        assert put_out is not None
        fires = put_out(params, inputs)
        return float(
            np.mean(np.concatenate([~np.any(np.asarray(a), axis=0) for a in fires.values()]))
        )

    def along(self, a: Params, b: Params) -> dict[tuple[str, str], Float[np.ndarray, " points"]]:
        """The losses and errors on the line from a to b, by part of the data and quantity."""
        found = {}
        networks = line(a, b, FRACTIONS)
        for part in ("train", "test"):
            split = getattr(self.task.dataset, part)
            inputs = split.inputs[: self.num_examples]
            targets = split.targets[: self.num_examples]
            losses, errors = losses_and_errors(self.task.network, networks, inputs, targets)
            found[part, "loss"], found[part, "error"] = losses, errors
        return found


def plant(
    task: Task, params: Params, wanted: dict[str, int], *, key: Key
) -> tuple[Permutation, Params]:
    """A random permutation with the wanted transpositions in each group, and permuted params."""
    permutation = random_permutation(task.network.symmetry, key=key, num_transpositions=wanted)
    return permutation, permute(params, task.network.symmetry, permutation)


def match_all(task: Task, matching: Matching, reference: Params, networks: Params) -> Permutation:
    """The permutations that align networks to a reference. Leaves begin with the network axis."""
    alone = Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[None], networks))
    return align(alone, task.network.symmetry, matching, to(reference)).permutation[0]


def total_transpositions(permutation: Permutation) -> Int[np.ndarray, "*batch"]:
    """The number of transpositions, summed over groups."""
    return np.sum(list(permutation.num_transpositions().values()), axis=0)


def displaced(found: Permutation, planted: Permutation) -> Bool[np.ndarray, "*batch units"]:
    """Which units a matching does not send back to their place before the planted permutation."""
    off = [
        np.take_along_axis(np.asarray(planted.units[group]), np.asarray(p), axis=-1)
        != np.arange(p.shape[-1])
        for group, p in found.units.items()
    ]
    return np.concatenate(off, axis=-1)
