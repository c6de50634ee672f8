"""from_numpyro: the draws of an MCMC run of NumPyro as Samples."""

import warnings
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import jax
import numpy as np

from onebasin import _trees
from onebasin.interchange.leaves import check_numbers, selected, tree_of
from onebasin.samples import Samples
from onebasin.types import Params

_ARVIZ_NAMES = {
    "adapt_state.step_size": "step_size",
    "num_steps": "n_steps",
    "accept_prob": "acceptance_rate",
}
"""ArviZ's names of extra fields, by NumPyro's."""


def from_numpyro(
    mcmc: Any, *, names: Sequence[str] | None = None, like: Params | None = None
) -> Samples:
    """The draws of a `numpyro.infer.MCMC` that has been run, by chain.

    Params are the sample sites, in nested dicts: each slash or dot of a name opens one. So a site
    of `random_flax_module("nn", ...)`, such as `nn/Dense_0.kernel`, is
    `params["nn"]["Dense_0"]["kernel"]`. Deterministic sites are left out unless `names` lists them.
    If a site is reparametrized, as by `LocScaleReparam`, the site that the network uses is a
    deterministic one: list it, and leave `w_decentered` out.

    Draws are as the model has them: those of a positive site are positive, not their logarithms.
    Such sites are good params, but a permutation or a sign that the function allows may break their
    support, so a warning names them unless `names` lists them.

    Statistics have ArviZ's names. `lp` is the negated potential energy, the log density on the
    unconstrained space. Ask for more of them by `mcmc.run(key, ..., extra_fields=("diverging",
    "potential_energy", "num_steps", "accept_prob"))`.

    Args:
        mcmc: The MCMC after `run`.
        names: The sites to take, as `["w1", "b1"]`, or to leave out, as `["~noise"]`. Default: all
            sample sites.
        like: Params of one network, whose shape the params get. Default: nested dicts.

    Raises:
        ValueError: If the MCMC has not been run, or names or shapes do not fit.
        TypeError: If `mcmc` is something else.

    Examples:
        >>> import numpyro
        >>> from numpyro.infer import MCMC, NUTS
        >>> model = lambda: numpyro.sample("w", numpyro.distributions.Normal(0, 1).expand([3, 2]))
        >>> mcmc = MCMC(NUTS(model), num_warmup=5, num_samples=10, progress_bar=False)
        >>> mcmc.run(key)
        >>> ob.from_numpyro(mcmc).params["w"].shape
        (1, 10, 3, 2)
    """
    if not all(hasattr(mcmc, name) for name in ("get_samples", "get_extra_fields", "last_state")):
        raise TypeError(
            f"from_numpyro takes a numpyro.infer.MCMC. Got {type(mcmc).__name__}. For a dict of "
            "draws (chain, draw, ...) call ob.Samples."
        )
    if mcmc.last_state is None:
        raise ValueError("The MCMC must have been run. Got one without draws. Call mcmc.run(key).")
    draws = jax.tree.map(np.asarray, mcmc.get_samples(group_by_chain=True))
    if not isinstance(draws, dict):  # of a potential_fn, which takes any tree
        leaves = selected(_trees.named_leaves(draws), names)
        return Samples(draws if like is None and names is None else tree_of(leaves, like), {})
    latent = _latent(mcmc)
    taken = selected(draws, names, optional=draws.keys() - latent.keys())
    for name, leaf in taken.items():
        check_numbers(name, leaf)
    listed = {names} if isinstance(names, str) else {*(names or ())}
    _warn_of_constrained({name: taken[name] for name in taken if name not in listed}, latent)
    stats = _statistics(mcmc.get_extra_fields(group_by_chain=True), next(iter(taken.values())))
    return Samples(tree_of(taken, like), stats)


def _latent(mcmc: Any) -> dict[str, np.ndarray]:
    """The last values of all sites that were sampled, on the unconstrained space."""
    state = attrgetter(mcmc.sampler.sample_field)(mcmc.last_state)
    if not isinstance(state, Mapping):
        raise ValueError(
            "The sampler's state must name its sites. Got "
            f"{type(state).__name__}. Pass mcmc.get_samples(group_by_chain=True) to ob.Samples."
        )
    return {name: np.asarray(value) for name, value in state.items()}


def _warn_of_constrained(draws: Mapping[str, np.ndarray], latent: Mapping[str, np.ndarray]) -> None:
    """Warn of sites whose last draw is not the last value on the unconstrained space."""
    constrained = [
        name
        for name, leaf in draws.items()
        if name in latent and not _is_last(leaf[:, -1], latent[name])
    ]
    if constrained:
        warnings.warn(
            f"Sites {constrained} were drawn on a constrained space, such as the positive numbers. "
            "Their draws are taken as the model has them. If the network does not use them, leave "
            f'them out by names=["~{constrained[0]}"]; else list what you take in names.',
            stacklevel=3,
        )


def _is_last(last: np.ndarray, value: np.ndarray) -> bool:
    """Whether the last draws of all chains are these values; of one chain, they have no axis."""
    return last.size == value.size and np.array_equal(last.ravel(), value.ravel())


def _statistics(fields: Mapping[str, Any], leaf: np.ndarray) -> dict[str, np.ndarray]:
    """The extra fields that have one number for each draw, by ArviZ's names."""
    stats: dict[str, np.ndarray] = {}
    for name, values in fields.items():
        if np.shape(values) != leaf.shape[:2]:
            continue
        if name == "potential_energy":
            stats["lp"] = -np.asarray(values)
        else:
            stats[_ARVIZ_NAMES.get(name, name)] = np.asarray(values)
    return stats
