"""What draws show without data: their alignment, spread, transpositions and convergence."""

import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.aligned.results import (
    ArraySpread,
    ConvergenceFound,
    Group,
    Request,
    Spread,
    SymmetryFound,
)
from onebasin.alignment import Alignment, Round, align, weight_matching
from onebasin.alignment.null import noise_like, rms
from onebasin.alignment.significance import num_null_draws
from onebasin.alignment.transpositions import transpositions_between_chains, transpositions_by_lag
from onebasin.diagnostics import Converged, convergence, weight_convergence
from onebasin.diagnostics.effective_size import LEAST_DRAWS
from onebasin.gaussians import DiagonalGaussian, summarize
from onebasin.knowledge import weight_table
from onebasin.networks import Network
from onebasin.prediction.kept_draws import evenly_spaced
from onebasin.run.results import AlignmentQuality, LagTranspositions, Transpositions
from onebasin.run.setup import REFERENCES, ProgressCallback
from onebasin.run.trust import Convergence
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry, random_num_transpositions
from onebasin.symmetry.trial_values import drawn_inputs
from onebasin.types import Array, Params

if TYPE_CHECKING:
    import xarray

_MOST_TRIED = 64
"""How many draws are asked whether alignment changes an output."""


class Weights(NamedTuple):
    """The Gaussians of draws by name, their table if there are enough draws, and aligned noise."""

    gaussians: dict[str, DiagonalGaussian]
    table: "xarray.Dataset | None"


@contextmanager
def collected_warnings() -> Generator[list[str]]:
    """A list of the warnings that come within this context, in place of the warnings."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
        found += dict.fromkeys(" ".join(str(one.message).split()) for one in caught)


def aligned_to(
    samples: Samples, symmetry: Symmetry, request: Request, on_progress: ProgressCallback
) -> Alignment:
    """The alignment that a request asks for."""

    def on_round(now: Round) -> None:
        details = f"round {now.number}: {now.num_moved} of {now.num_draws} draws changed"
        on_progress("aligning", now.num_matched / now.num_draws, details)

    reference = REFERENCES[request.reference]
    return align(samples, symmetry, None, reference, effort=request.effort, progress=on_round)


def quality_of(
    alignment: Alignment, samples: Samples, network: Network, inputs: Array, request: Request
) -> AlignmentQuality:
    """How the draws were aligned, and by how much that changed an output."""
    change = _function_change(alignment, samples, network, inputs)
    return AlignmentQuality(
        matching=alignment.matching,
        reference=request.reference,
        objective=float(np.mean(alignment.objective)),
        converged_share=float(np.mean(alignment.converged)),
        max_function_change=change,
    )


def _function_change(
    alignment: Alignment, samples: Samples, network: Network, inputs: Array
) -> float:
    """The largest change of an output over 64 draws at most, divided by the largest output."""
    total = samples.num_chains * samples.num_draws
    rows = evenly_spaced(total, min(total, _MOST_TRIED))
    before, after = (
        outputs_of(network, jax.tree.map(lambda leaf: leaf[rows], some.flatten()), inputs)
        for some in (samples, alignment.apply(samples))
    )
    largest = float(np.abs(before).max()) or 1.0
    return float(np.abs(after - before).max()) / largest


def outputs_of(network: Network, draws: Params, inputs: Array) -> Float[np.ndarray, "draw rest"]:
    """All outputs of each draw in one row; draws lead every leaf."""
    found = np.asarray(_mapped(network.apply, draws, inputs), np.float64)
    return found.reshape(len(found), -1)


@eqx.filter_jit
def _mapped(apply: Callable[..., Any], draws: Params, inputs: Array) -> Array:
    return jax.lax.map(lambda params: apply(params, inputs), draws)


def example_inputs(symmetry: Symmetry) -> Any:
    """The inputs that a symmetry was tried at: random numbers of their shape. None without any."""
    function = symmetry.function
    if function is None or len(function.inputs) != 1:
        return None
    return jax.tree.map(jnp.asarray, drawn_inputs(function.inputs)[0])


def symmetry_found(symmetry: Symmetry, told: Iterable[str]) -> SymmetryFound:
    """The groups of a symmetry, why other axes are not permuted, and warnings."""
    pieces = symmetry.pieces
    groups = tuple(
        Group(
            name=name,
            num_units=size,
            nested_in=tuple(symmetry.nested.get(name, ())),
            num_signs=sum(sign.group == name for sign in symmetry.signs.values()),
            arrays=tuple(dict.fromkeys(pieces[place.leaf].leaf for place in symmetry.places(name))),
        )
        for name, size in symmetry.sizes.items()
    )
    return SymmetryFound(
        groups=groups,
        log10_num_equivalent=symmetry.log10_num_equivalent(),
        frozen=dict(symmetry.frozen),
        warnings=tuple(told),
    )


def transpositions_of(samples: Samples, symmetry: Symmetry) -> Transpositions:
    """How many transpositions lie between draws, and how many a random permutation needs."""
    matching = weight_matching()
    mean, std = random_num_transpositions(symmetry)
    lags = transpositions_by_lag(samples, symmetry, matching)
    return Transpositions(
        between_chains=transpositions_between_chains(samples, symmetry, matching),
        by_lag=tuple(LagTranspositions(lag=lag, count=count) for lag, count in lags),
        baseline_mean=mean,
        baseline_std=std,
    )


def weights_of(
    samples: Samples, alignment: Alignment, request: Request, on_progress: ProgressCallback
) -> Weights:
    """Gaussians of draws, of halves of them and of aligned noise, and the table of weights.

    Noise has the autocorrelation of the draws. The table needs 8 draws of each chain.
    """
    aligned, symmetry = alignment.apply(samples).load(), alignment.symmetry
    gaussians = {"unaligned": summarize(samples, mcse=False)}
    gaussians["aligned"] = summarize(aligned, mcse=False)
    for kind, some in {"unaligned": samples, "aligned": aligned}.items():
        for half, part in halves(some).items():
            gaussians[f"{kind}-{half}"] = _summary(part)
    has_table = samples.num_draws >= LEAST_DRAWS
    number = num_null_draws(samples, symmetry, at_least=1) if has_table else 1
    drawn, noises = noise_like(samples, symmetry), []
    for done, key in enumerate(jax.random.split(jax.random.key(request.seed), number)):
        on_progress("null floor", done / number, "aligning noise")
        noise = drawn(key)
        found = align(noise, symmetry, None, REFERENCES[request.reference], effort=request.effort)
        noises.append(found.apply(noise).load())
    gaussians["null"] = summarize(noises[0], mcse=False)
    if not has_table:
        return Weights(gaussians, None)
    shown = lambda done, total: on_progress("table of weights", done / total, "")
    table = weight_table(
        alignment, samples, prior_std=request.prior_std, nulls=noises, progress=shown
    )
    return Weights(gaussians, table)


def halves(samples: Samples) -> dict[str, Samples]:
    """The first and the second half of the chains; of the draws, if there is one chain."""
    middle = (samples.num_draws if samples.num_chains == 1 else samples.num_chains) // 2
    if samples.num_chains == 1:
        cut = lambda part: Samples(jax.tree.map(lambda leaf: leaf[:, part], samples.params))
        return {"first": cut(slice(middle)), "second": cut(slice(middle, None))}
    chains = range(samples.num_chains)
    return {
        "first": samples.select_chains(*chains[:middle]),
        "second": samples.select_chains(*chains[middle:]),
    }


def _summary(samples: Samples) -> DiagonalGaussian:
    """The Gaussian of draws. Its std is 0 if there is one draw only."""
    if samples.num_chains * samples.num_draws > 1:
        return summarize(samples, mcse=False)
    mean = samples.mean()
    return DiagonalGaussian(mean, jax.tree.map(np.zeros_like, mean))


def spread_of(gaussians: dict[str, DiagonalGaussian]) -> Spread:
    """How far draws spread before and after alignment, and how far aligned noise does."""
    before, after, null = (
        without_statistics(gaussians[name].std) for name in ("unaligned", "aligned", "null")
    )
    leaves, nulls = map(_trees.named_leaves, (after, null))
    return Spread(
        **_spread(before, after, null).model_dump(),
        unaligned_distance=_distance(before),
        distance=_distance(after),
        by_array={
            name: _spread(old, leaves[name], nulls[name])
            for name, old in _trees.named_leaves(before).items()
        },
    )


def _spread(before: Params, after: Params, null: Params) -> ArraySpread:
    return ArraySpread(
        num_weights=_trees.size(after),
        unaligned_std=rms(before),
        std=rms(after),
        null_std=rms(null),
    )


def _distance(std: Params) -> float:
    r"""$\sqrt{2 \sum_i s_i^2}$, the root mean square over pairs of draws of their distance."""
    return float(np.sqrt(2 * _trees.size(std)) * rms(std))


def convergence_found(
    samples: Samples, aligned: Samples, network: Network, inputs: Array, are_data: bool
) -> ConvergenceFound:
    """R-hat and effective sample sizes of outputs, and of weights before and after alignment."""
    outputs = outputs_of(network, samples.flatten(), inputs)
    found = convergence(outputs.reshape(samples.num_chains, samples.num_draws, -1))
    problem = None if found["rhat_max"] is None else Converged().problem(found)
    return ConvergenceFound(
        outputs=Convergence.model_validate(found),
        num_inputs=len(inputs),
        are_data=are_data,
        weights_unaligned=Convergence.model_validate(weight_convergence(samples)),
        weights_aligned=Convergence.model_validate(weight_convergence(aligned)),
        warning=None
        if problem is None
        else f"The draws have not converged: of outputs, {problem}.",
    )
