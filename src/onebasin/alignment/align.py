"""align: permute the units of every draw so that all draws match one reference.

The result is a permutation for each draw. `Alignment.apply` turns samples into aligned samples.
A `Matching` measures how similar units are, and `reference` is what draws are matched to.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from onebasin import _trees
from onebasin._arguments import check_is
from onebasin._stored_array import indexed_as_numpy
from onebasin.alignment.declared import declared_of, tried
from onebasin.alignment.matching import Matching
from onebasin.alignment.problem import Problem, Round
from onebasin.alignment.reference import Reference, to_mean
from onebasin.alignment.similarity import as_stored
from onebasin.alignment.starts import Effort
from onebasin.alignment.weight_matching import weight_matching
from onebasin.samples import Samples
from onebasin.store.tensors import load_tensors, save_tensors
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import Part
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permuted_view
from onebasin.symmetry.verify import without
from onebasin.types import Array, Params

_UNITS, _SIGNS = "permutation/units/", "permutation/signs/"


class Alignment(eqx.Module):
    """The permutation of every draw that matches it to the reference.

    Args:
        permutation: For each draw, what moves its units, with leading axes (chain, draw).
        objective: The matching's objective of each draw: for most matchings the inner product of
            target and permuted features.
        converged: Whether no group of a draw would move any more, given what it was matched to. If
            several layers are matched, this does not say that the optimum is global. A draw that
            still moved when `max_rounds` ended an iterated mean has not converged.
        reference: Params of the network that draws were brought to.
        symmetry: The symmetry that the permutations belong to.
        matching: The name of the matching.
        sweeps: How many times the groups of a draw were gone through, over all starts and rounds.
            Default: None, if it is not known.
        start: From which of `ob.alignment.STARTS` the permutation of a draw was found, by number.
            Default: None, if it is not known.

    Examples:
        >>> alignment = ob.align(samples, symmetry)
        >>> alignment.converged.shape
        (2, 10)
        >>> aligned = alignment.apply(samples)
    """

    permutation: Permutation
    objective: Float[Array, "chain draw"]
    converged: Bool[Array, "chain draw"]
    reference: Params
    symmetry: Symmetry = eqx.field(static=True)
    matching: str = eqx.field(static=True, default="weights")
    sweeps: Int[Array, "chain draw"] | None = None
    start: Int[Array, "chain draw"] | None = None

    def apply(self, samples: Samples) -> Samples:
        """The same draws with their units permuted. Each computes the function that it computed.

        Draws of a store stay there, and of each only its permutation is kept in memory: leaves are
        stored arrays again, which permute the draws that an index reads. The values are those that
        samples in memory get. `save_samples` writes them; `load` reads all, which saves time if
        they are used often.

        Raises:
            ValueError: If there are not as many samples as were aligned.
        """
        shape = (samples.num_chains, samples.num_draws)
        if shape != self.converged.shape:
            raise ValueError(
                "An alignment must be applied to the samples it was made from, of (chain, draw) "
                f"{tuple(self.converged.shape)}. Got {shape}. Align these samples themselves."
            )
        params = jax.tree.map(indexed_as_numpy, samples.params)
        return Samples(permuted_view(params, self.symmetry, self.permutation), samples.stats)

    def save(self, path: Path | str) -> None:
        """Write permutations, objective, convergence and reference to one safetensors file."""
        tree = {
            "permutation": self.permutation,
            "objective": self.objective,
            "converged": self.converged,
            "sweeps": self.sweeps,
            "start": self.start,
            "reference": _trees.nest(_trees.named_leaves(self.reference)),
        }
        metadata = {"matching": self.matching, "dropped": [*self.symmetry.dropped]}
        save_tensors(path, _trees.named_leaves(tree), metadata)

    @classmethod
    def load(cls, path: Path | str, symmetry: Symmetry) -> "Alignment":
        """Read an alignment that `save` wrote. `symmetry` is the symmetry of the same network.

        Groups and signs that a trial had dropped before are dropped from the symmetry as well.

        Raises: ValueError if the file is of another network or not an alignment.
        """
        tensors, metadata = load_tensors(path)
        # Names of groups may hold slashes, and one may begin as another does.
        units, signs = (
            {
                name.removeprefix(kind): tensors.pop(name)
                for name in [*tensors]
                if name.startswith(kind)
            }
            for kind in (_UNITS, _SIGNS)
        )
        tree: dict[str, Any] = _trees.nest(tensors)
        if set(tree) - {"sweeps", "start"} != {"objective", "converged", "reference"}:
            raise ValueError(f"An alignment file was expected. Got {path}. Align again.")
        reference = _trees.rebuild(_trees.named_leaves(tree["reference"]), like=symmetry.axes)
        symmetry.check(reference)
        dropped = [Part(kind, name) for kind, name in metadata.get("dropped", [])]
        symmetry = without(symmetry, [part for part in dropped if part in symmetry.parts])
        held = {group: p.shape[-1] for group, p in units.items()}
        if held != symmetry.sizes or signs.keys() != symmetry.signs.keys():
            raise ValueError(
                f"An alignment must permute the groups of the symmetry, {symmetry.sizes}, and "
                f"have its signs, {[*symmetry.signs]}. Got {held} and {[*signs]} in {path}. Was "
                "it made for another network?"
            )
        return cls(
            symmetry.permutation(units, signs),
            tree["objective"],
            tree["converged"],
            reference,
            symmetry,
            metadata["matching"],
            tree.get("sweeps"),
            tree.get("start"),
        )


def align(
    samples: Samples,
    symmetry: Symmetry,
    matching: Matching | None = None,
    reference: Reference | None = None,
    *,
    effort: Effort = "normal",
    progress: Callable[[Round], None] | None = None,
    apply: Callable[..., Any] | None = None,
    inputs: Any = None,
) -> Alignment:
    r"""Permute the units of every draw so that all draws match one reference.

    Draws are matched in float32 or finer, whatever their precision. Running statistics are no
    weights: they travel with their units and decide nothing.

    A symmetry that knows its function, as found ones do, is tried on it at the first draw, once:
    what changes the function is left out, with a warning.

    Args:
        samples: Draws of the weights, which lead with (chain, draw).
        symmetry: Which units may be permuted. `find_symmetry` finds it.
        matching: How the similarity of two units is measured. Default: `weight_matching()`.
        reference: What draws are matched to. Default: `to_mean()`, the mean of the aligned draws,
            recomputed until it settles. `to_first()` is faster and worse, `to(params)` matches to
            a given network.
        effort: How many local optima are looked for, if several groups make them local. "fast"
            descends from layer by layer, "normal" also from where the draw is, and "thorough" once
            more with noise that fades, and it lets units of two groups trade places at once: better
            optima for several times the time.
        progress: Called after every chunk of draws with the `Round`.
        apply: The function of a symmetry that you declared, called as `apply(params, *inputs)`.
            The symmetry is refused if it changes the function. A warning lists what it leaves out.
        inputs: The inputs that `apply` takes after the params. Several inputs are a tuple.

    Returns:
        A permutation for each draw, the value of the objective, and whether the draw has settled.
        With more than one hidden layer the optimum is local: compare objectives, not `converged`,
        between settings. The objective is summed from products in the precision of the draws, but
        at least in float32.

    Raises:
        ValueError: If the samples do not fit the symmetry or the reference, if a draw is not
            finite, or if a declared symmetry changes its function.
        TypeError: For arguments of other types.

    Examples:
        >>> alignment = ob.align(samples, network.symmetry)
        >>> compact = ob.summarize(alignment.apply(samples))

    Source: Ainsworth et al. (2022), arXiv 2209.04836, algorithm 1; the iterated mean is ours.
    """
    matching = weight_matching() if matching is None else matching
    reference = to_mean() if reference is None else reference
    samples = _fitting(samples, symmetry, matching, reference)
    if effort not in get_args(Effort):
        raise ValueError(f'effort must be "fast", "normal" or "thorough". Got {effort!r}.')
    draws = _finite_draws(samples)
    first = jax.tree.map(lambda leaf: leaf[0], draws)
    symmetry = tried(declared_of(symmetry, apply, inputs), first)
    problem = Problem(symmetry, matching, draws, effort)
    found, objective, network = reference.bring(problem, samples, progress)
    shape = (samples.num_chains, samples.num_draws)
    return Alignment(
        jax.tree.map(lambda p: p.reshape(*shape, *p.shape[1:]), found.permutation),
        objective.reshape(shape),
        found.converged.reshape(shape),
        network,
        symmetry,
        matching.name,
        found.sweeps.reshape(shape),
        found.start.reshape(shape),
    )


def _fitting(
    samples: Samples, symmetry: Symmetry, matching: Matching, reference: Reference
) -> Samples:
    """The samples as the symmetry lists their params.

    Raises: TypeError for arguments of other types; ValueError for samples that do not fit.
    """
    check_is("samples", samples, Samples, "Wrap params that lead with (chain, draw) in Samples.")
    check_is("symmetry", symmetry, Symmetry, "find_symmetry(apply, params, inputs) gives one.")
    check_is("matching", matching, Matching, "weight_matching() makes one, and others beside.")
    check_is("reference", reference, Reference, "Take to_mean(), to_first() or to(params).")
    samples = Samples(symmetry.arranged(samples.params), samples.stats, samples.last_state)
    symmetry.check(samples.params, num_batch_axes=2)
    return samples


def _finite_draws(samples: Samples) -> Params:
    """All draws along one axis, on the host.

    Raises: ValueError if a draw is not finite.
    """
    params = _trees.to_host(samples.params)
    for name, leaf in _trees.named_leaves(params).items():
        if np.issubdtype(leaf.dtype, np.integer) or _has_finite_squares(leaf):
            continue
        flat = leaf.reshape(*leaf.shape[:2], -1)
        bad = np.argwhere(~np.isfinite(flat).all(axis=-1))
        if len(bad):
            chain, draw = bad[0]
            raise ValueError(
                f"Samples to align must be finite. Got NaN or infinity in {name} at chain {chain}, "
                f"draw {draw}{f', and {len(bad) - 1} more' * (len(bad) > 1)}. "
                "Drop divergent draws."
            )
    return Samples(params).flatten()


def _has_finite_squares(leaf: np.ndarray) -> bool:
    """Whether sums of squares show that no entry is NaN or infinite, without a copy of all."""
    if not np.issubdtype(leaf.dtype, np.floating) or leaf.dtype.itemsize < 4:
        return False
    flat = as_stored(leaf.reshape(-1, *leaf.shape[2:]))
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.vecdot(flat, flat)).all())
