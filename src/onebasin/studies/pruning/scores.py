"""Every score of the pruning study, with its controls, for one trained network."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool

from onebasin import _trees
from onebasin.fisher.diagonal import fisher_diagonal
from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.pruning.conditional import conditional_copies
from onebasin.pruning.prune import layer_wise, pruning_scores
from onebasin.pruning.staged import staged_scores
from onebasin.pruning.variance_shares import average_over_units
from onebasin.studies.pruning.cell import NUM_CHAINS, Posteriors
from onebasin.types import Params

Scores = dict[str, Params]

PROBES_A_STAGE = 24
"""The number of gradients at each stage of staged pruning, at one network or over draws."""


class Pruned(NamedTuple):
    """A network and the scores of its weights by name.

    `copies` has networks by name that were not pruned by setting the weights of the lowest score
    to zero. The first axis of their leaves is the share kept.
    """

    params: Params
    scores: Scores
    copies: Mapping[str, Params] = MappingProxyType({})


def curvature(found: Posteriors, draws: Params, purpose: str) -> Params:
    """The Fisher diagonal averaged over draws. The total number of probes is always the same."""
    posterior, key = found.setup.posterior, found.setup.key(f"fisher-{purpose}")
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    total = found.draws.num_chains * found.draws.num_draws
    return fisher_diagonal(posterior, draws, -(-total // num_draws), key=key)


def dark_inputs(found: Posteriors) -> Bool[np.ndarray, " inputs"]:
    """The inputs that are the same in every training image, as a mask."""
    return np.ptp(np.asarray(found.setup.dataset.train.inputs), axis=0) == 0


def scores_in_basin(found: Posteriors, fisher: Params, member: int) -> Pruned:
    """The scores of a network at which no chain started, aligned to the posterior.

    `fisher` is the Fisher information averaged over the posterior. The scores with `averaged` are
    means over all units that may trade places, which do not depend on alignment.
    """
    params = found.aligned_members.draw(member, 0)
    own = curvature(found, _alone(params), f"member-{member}")
    key, symmetry = found.setup.key(f"random-{member}"), found.setup.posterior.symmetry
    curvatures = {"fisher": own, "posterior fisher": fisher}
    scores = pruning_scores(params, found.compact, curvatures, key=key)
    averaged = pruning_scores(
        params,
        _with_std(params, average_over_units(symmetry, found.compact.std)),
        {"posterior fisher": average_over_units(symmetry, fisher)},
        key=key,
    )
    vi = pruning_scores(params, found.vi, key=key)
    dark = dark_inputs(found)
    staged = {
        "fisher staged": _staged(found, params, _alone(params)),
        "posterior fisher staged": _staged(found, params, found.aligned.flatten()),
    }
    return Pruned(
        params,
        scores
        | staged
        | _renamed(averaged, "averaged", ("std", "signal-to-noise", "posterior fisher"))
        | _renamed(vi, "vi", ("std", "signal-to-noise"))
        | _changed(scores, "layer-wise", layer_wise, ("std", "signal-to-noise", "magnitude"))
        | _changed(scores, "dark first", lambda s: _dark_first(s, dark), ("std", "random")),
    )


def conditioned(found: Posteriors, member: int, keeps: Sequence[float]) -> Pruned:
    """A network pruned with its own Laplace posterior, which is conditioned after each removal."""
    params = found.members.draw(member, 0)
    key, posterior = found.setup.key(f"conditional-{member}"), found.setup.posterior
    copies = {
        "conditional": conditional_copies(posterior, params, keeps, key=key),
        "magnitude conditional": conditional_copies(
            posterior, params, keeps, order="magnitude", key=key
        ),
    }
    return Pruned(params, {}, copies)


def scores_misaligned(found: Posteriors, fisher: Params, member: int) -> Pruned:
    """The scores of a network that is not aligned: each std belongs to a weight of another unit."""
    params = found.members.draw(member, 0)
    key = found.setup.key(f"random-{member}")
    scores = pruning_scores(params, found.compact, {"posterior fisher": fisher}, key=key)
    dark = dark_inputs(found)
    misaligned = _renamed(scores, "misaligned", ("std", "signal-to-noise", "posterior fisher"))
    first = _changed(scores, "misaligned dark first", lambda s: _dark_first(s, dark), ("std",))
    return Pruned(params, misaligned | first)


def scores_at_start(found: Posteriors, chain: int) -> Pruned:
    """The scores of the network at which a chain started, by that chain alone and unaligned."""
    assert chain < NUM_CHAINS
    draws = found.draws.select_chains(chain)
    params = found.members.draw(chain, 0)
    curvatures = {
        "fisher": curvature(found, _alone(params), f"member-{chain}"),
        "posterior fisher": curvature(found, draws.flatten(), f"chain-{chain}"),
    }
    key = found.setup.key(f"random-{chain}")
    return Pruned(params, pruning_scores(params, summarize(draws), curvatures, key=key))


def scores_of_mean(found: Posteriors, gaussian: DiagonalGaussian, purpose: str) -> Pruned:
    """The scores of the mean network of a posterior, by the std of the same posterior."""
    curvatures = {"fisher": curvature(found, _alone(gaussian.mean), purpose)}
    key = found.setup.key(f"random-{purpose}")
    return Pruned(gaussian.mean, pruning_scores(gaussian.mean, gaussian, curvatures, key=key))


def _staged(found: Posteriors, params: Params, draws: Params) -> Params:
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    step = max(1, num_draws // PROBES_A_STAGE)
    few = jax.tree.map(lambda leaf: leaf[::step][:PROBES_A_STAGE], draws)
    num_probes = max(1, PROBES_A_STAGE // num_draws)
    return staged_scores(
        found.setup.posterior, params, few, num_probes=num_probes, key=found.setup.key("stages")
    )


def _alone(params: Params) -> Params:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], params)


def _with_std(params: Params, std: Params) -> DiagonalGaussian:
    like = lambda leaf, old: np.asarray(leaf, np.asarray(old).dtype)
    return DiagonalGaussian(params, jax.tree.map(like, std, params))


def _renamed(scores: Scores, ending: str, names: tuple[str, ...]) -> Scores:
    return {f"{name} {ending}": scores[name] for name in names}


def _changed(
    scores: Mapping[str, Params],
    ending: str,
    change: Callable[[Params], Params],
    names: tuple[str, ...],
) -> Scores:
    return {f"{name} {ending}": change(scores[name]) for name in names}


def _dark_first(scores: Params, dark: Bool[np.ndarray, " inputs"]) -> Params:
    """The same scores, except that weights of dark inputs are pruned before all others."""
    leaves = {name: np.array(leaf) for name, leaf in _trees.named_leaves(scores).items()}
    leaves["hidden_0/kernel"][dark] = -np.inf
    return _trees.rebuild(leaves, scores)
