"""Priors of independent weights: the family of their distribution, and the scale of each weight.

The horseshoe, whose weights share scales that are sampled too, lives in `horseshoe`.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_positive
from onebasin._collections import statistics_in
from onebasin._frozen_partial import FrozenPartial
from onebasin.types import Array, Key, Params

Scale: TypeAlias = float | Mapping[str, float]
"""One scale for all weights, or one for each kind of layer or array by name."""


class Family(NamedTuple):
    """Distributions around 0 that differ in their scale.

    Args:
        log_prob: `log_prob(weights, scale)` gives the log density of each weight, in nats.
        draw: `draw(key, shape)` gives draws at scale 1.
        std: The std at scale 1. It is infinite if the family has none.
    """

    log_prob: Callable[[Float[Array, "*shape"], Float[Array, "*shape"]], Float[Array, "*shape"]]
    draw: Callable[[Key, tuple[int, ...]], Float[Array, "*shape"]]
    std: float


class Prior(NamedTuple):
    """A prior under which all weights are independent, as `normal` and others make it.

    Args:
        family: The family of the distribution of every weight.
        scale: The scale of each weight, in its unit.
    """

    family: Family
    scale: Scale


def _normal_log_prob(weights: Array, scale: Array) -> Array:
    return jax.scipy.stats.norm.logpdf(weights, 0.0, scale)


NORMAL = Family(_normal_log_prob, jax.random.normal, 1.0)


def normal(scale: Scale = 1.0) -> Prior:
    r"""A normal prior of every weight: $w \sim \mathcal N(0, s^2)$ with the scale $s$, its std.

    A scale is one number, or one for each kind of layer or array by name, as `posterior` says of
    `prior_std`.

    Raises:
        ValueError: If a scale is not positive.

    Examples:
        >>> prior = ob.networks.normal({"hidden": 1.0, "out": 0.5})
        >>> posterior = ob.posterior(network, data.train, prior=prior)
    """
    return Prior(NORMAL, _checked(scale))


def _laplace_log_prob(weights: Array, scale: Array) -> Array:
    return jax.scipy.stats.laplace.logpdf(weights, 0.0, scale)


def laplace(scale: Scale = 1.0) -> Prior:
    r"""A Laplace prior of every weight: $p(w) = e^{-|w| / s} / (2 s)$ with the scale $s$.

    Its std is $\sqrt 2 s$. The log density has a kink at 0, where its gradient jumps. A scale is
    one number, or one for each kind of layer or array by name, as `posterior` says of `prior_std`.

    Raises:
        ValueError: If a scale is not positive.

    Examples:
        >>> posterior = ob.posterior(network, data.train, prior=ob.networks.laplace(0.5))
        >>> posterior.prior_std["out"]["bias"][:1].round(4)
        Array([0.7071], dtype=float32)

    Source: Williams (1995), Neural Computation 7, doi 10.1162/neco.1995.7.1.117.
    """
    return Prior(Family(_laplace_log_prob, jax.random.laplace, 2**0.5), _checked(scale))


def _student_log_prob(num_degrees: float, weights: Array, scale: Array) -> Array:
    return jax.scipy.stats.t.logpdf(weights, num_degrees, 0.0, scale)


def _student_draw(num_degrees: float, key: Key, shape: tuple[int, ...]) -> Array:
    return jax.random.t(key, num_degrees, shape)


def student(scale: Scale = 1.0, *, degrees_of_freedom: float = 4.0) -> Prior:
    r"""Student's t as the prior of every weight: $w / s \sim t_\nu$ with the scale $s$.

    $\nu$ is `degrees_of_freedom`. The fewer there are, the more probable are large weights; one is
    the Cauchy distribution, and infinitely many are the normal one. The std is
    $s \sqrt{\nu / (\nu - 2)}$, and infinite for $\nu \le 2$. A scale is one number, or one for each
    kind of layer or array by name, as `posterior` says of `prior_std`.

    Raises:
        ValueError: If a scale or the degrees of freedom are not positive.

    Examples:
        >>> prior = ob.networks.student(0.5, degrees_of_freedom=4.0)
        >>> posterior = ob.posterior(network, data.train, prior=prior)

    Source: Fortuin et al. (2022), arXiv 2102.06571, as a prior of the weights of networks.
    """
    check_positive("degrees_of_freedom", degrees_of_freedom)
    degrees = float(degrees_of_freedom)
    std = math.sqrt(degrees / (degrees - 2)) if degrees > 2 else math.inf
    log_prob = FrozenPartial(_student_log_prob, degrees)
    return Prior(Family(log_prob, FrozenPartial(_student_draw, degrees), std), _checked(scale))


def _checked(scale: Scale) -> Scale:
    check_scale("The scale of a prior", scale)
    return scale


def check_scale(what: str, scale: Scale) -> None:
    """Raise ValueError unless every number of a scale is positive."""
    given = scale if isinstance(scale, Mapping) else {"": scale}
    for name, number in given.items():
        if not 0 < number < float("inf"):
            raise ValueError(f"{what} must be positive. Got {number} for {name or 'all weights'}.")


def scales_by_leaf(what: str, scale: Scale, template: Params) -> dict[str, float]:
    """The scale of each array by its path; running statistics that no name fits have 1.

    Raises: ValueError if a name fits no array, or an array fits no name or several.
    """
    given = scale if isinstance(scale, Mapping) else {"": scale}
    names = list(_trees.named_leaves(template))
    kinds = {name: _kinds(name) for name in names}
    unused = set(given) - set().union(*kinds.values())
    if unused:
        raise ValueError(
            f"{what} must name layers or arrays. Got {sorted(unused)}; "
            f"known are {sorted(set().union(*kinds.values()) - {''})}."
        )
    scales, statistics = {}, statistics_in(template)
    for name in names:
        matching = sorted(set(given) & kinds[name])
        if name in statistics and not matching:
            scales[name] = 1.0
            continue
        if len(matching) != 1:
            raise ValueError(
                f"Exactly one name in {what[0].lower()}{what[1:]} must match each array. "
                f"Got {matching} for {name}."
            )
        scales[name] = float(given[matching[0]])
    return scales


def full_leaves(numbers: Mapping[str, float], template: Params) -> Params:
    """Arrays like those of the template, each filled with its number."""
    leaves = _trees.named_leaves(template)
    filled = {
        name: jnp.full(leaf.shape, numbers[name], leaf.dtype) for name, leaf in leaves.items()
    }
    return _trees.rebuild(filled, template)


def _kinds(name: str) -> set[str]:
    """Every name that an array answers to: its path, its parts, and parts without their number.

    PyTorch's names have dots in place of slashes.
    """
    parts = re.split("[/.]", name)
    return {"", name, *parts, *(re.sub(r"_\d+$", "", part) for part in parts)}
