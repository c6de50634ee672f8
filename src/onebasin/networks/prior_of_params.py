"""PriorOfParams: the prior of all params that a posterior samples, bound to one network."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import (
    LIKELIHOOD,
    PRIOR,
    WEIGHTS,
    has_statistics,
    of_network,
    others_in,
    statistics_in,
    with_collections,
    with_statistics_of,
)
from onebasin._frozen_partial import FrozenPartial
from onebasin.networks.horseshoe import LOG_HALF_CAUCHY, Hierarchy, Horseshoe, hierarchy
from onebasin.networks.network import claimed_inside
from onebasin.networks.priors import NORMAL, Family, Prior, full_leaves, scales_by_leaf
from onebasin.symmetry.axes import Axes, Function, Symmetry
from onebasin.types import Array, Key, Params

LogDensity: TypeAlias = Callable[[Params], Float[Array, ""]]
"""A log density of the params of a network, in nats, up to a constant."""


class _Config(NamedTuple):
    """What of a prior is no array.

    Args:
        families: The family of each leaf of the params; None for weights whose prior is `own`.
        hierarchy: How weights are scaled, if the prior is a horseshoe.
        own: The log density of the network's params, if the user gave one.
        is_larger: Whether the params are more than those of the network.
    """

    families: tuple[Family | None, ...]
    hierarchy: Hierarchy | None
    own: LogDensity | None
    is_larger: bool


class PriorOfParams(eqx.Module):
    """The prior of the params that a posterior samples.

    `scale` is that of each param, shaped like the params. It is NaN for weights whose prior is a
    log density of the user's.
    """

    scale: Params
    config: _Config = eqx.field(static=True)

    @property
    def std(self) -> Params:
        """The std of each param, in its unit.

        It is infinite if the prior has none, and NaN if it is not known.
        """
        leaves, structure = jax.tree.flatten(self.scale)
        stds = [
            leaf if family in (None, NORMAL) else leaf * family.std
            for leaf, family in zip(leaves, self.config.families, strict=True)
        ]
        return jax.tree.unflatten(structure, stds)

    @property
    def network_std(self) -> Params:
        """The std of each weight that the network takes, shaped like the network's params."""
        std = self.network_part(self.std)
        if self.config.hierarchy is None:
            return std
        numbers = self.config.hierarchy.stds()
        return _trees.rebuild(
            {
                path: jnp.full_like(leaf, numbers.get(path, 1.0))
                for path, leaf in _trees.named_leaves(std).items()
            },
            std,
        )

    def log_prob(self, params: Params) -> Float[Array, ""]:
        """The log density, in nats."""
        total = jnp.zeros(())
        triples = zip(
            jax.tree.leaves(params), jax.tree.leaves(self.scale), self.config.families, strict=True
        )
        for leaf, scale, family in triples:
            if family is not None:
                total = total + family.log_prob(leaf, scale).sum()
        own = self.config.own
        return total if own is None else total + own(self.network_part(params))

    def draw(self, key: Key) -> Params:
        """A draw of all params.

        Raises:
            ValueError: If the prior is a log density of the user's.
        """
        if self.config.own is not None:
            raise ValueError(
                "A prior that is given as a log density cannot be drawn from. Start chains at "
                "posterior.init, or give a prior of onebasin.networks."
            )
        leaves, structure = jax.tree.flatten(self.scale)
        keys = jax.random.split(key, len(leaves))
        draws = [
            scale * family.draw(k, scale.shape)
            for k, scale, family in zip(keys, leaves, self.config.families, strict=True)
            if family is not None
        ]
        return jax.tree.unflatten(structure, draws)

    def network_part(self, params: Params) -> Params:
        """What lies at the network's params in a tree that is shaped like all params."""
        return of_network(params) if self.config.is_larger else params

    def network_params(self, params: Params) -> Params:
        """The params that the network takes: those of a horseshoe times their scales."""
        if self.config.hierarchy is None:
            return self.network_part(params)
        return self.config.hierarchy.weights(params)

    def begin(self, network_params: Params, likelihood: Params) -> Params:
        """All params at which the network has these params, and the likelihood its own."""
        hierarchy = self.config.hierarchy
        if hierarchy is None:
            return with_collections(network_params, {LIKELIHOOD: likelihood} if likelihood else {})
        params = hierarchy.begin(network_params)
        return {**params, LIKELIHOOD: likelihood} if likelihood else params

    def with_statistics_of(self, network_params: Params, params: Params) -> Params:
        """All params, with the running statistics of the network's ones in place of their own."""
        fresh = with_statistics_of(network_params, self.network_part(params))
        if not self.config.is_larger:
            return fresh
        return with_collections(fresh, {n: params[n] for n in (LIKELIHOOD, PRIOR) if n in params})

    def symmetry(self, symmetry: Symmetry) -> Symmetry:
        """The symmetry of all params, of that of the network's.

        What a likelihood adds never moves. The scales of a horseshoe are permuted with the units
        that they belong to.
        """
        if not self.config.is_larger:
            return symmetry
        hierarchy, added = self.config.hierarchy, {}
        if LIKELIHOOD in self.scale:
            added[LIKELIHOOD] = jax.tree.map(lambda leaf: Axes(), self.scale[LIKELIHOOD])
        if hierarchy is not None:
            added[PRIOR] = hierarchy.axes(symmetry, self.network_part(self.scale))
        axes = with_collections(symmetry.axes, added)
        name = "" if has_statistics(symmetry.axes) else WEIGHTS
        larger = claimed_inside(symmetry, axes, name)
        if hierarchy is None or symmetry.function is None:
            return larger
        apply = FrozenPartial(_apply_scaled, symmetry.function.apply, hierarchy)
        inputs, is_declared = symmetry.function.inputs, symmetry.function.is_declared
        return dataclasses.replace(
            larger, function=Function(apply, inputs, is_declared=is_declared)
        )


def _apply_scaled(
    apply: Callable[..., Any], hierarchy: Hierarchy, params: Params, *inputs: Any
) -> Any:
    return apply(hierarchy.weights(params), *inputs)


def prior_of_params(
    prior: Prior | Horseshoe | LogDensity, symmetry: Symmetry, template: Params, likelihood: Params
) -> PriorOfParams:
    """The prior of the params of a network, and of the params that a likelihood adds.

    Running statistics, and what a likelihood adds, have normal priors.

    Args:
        prior: The prior of the weights. A function is a log density of the network's params.
        symmetry: The symmetry of the network's params. It says what makes units.
        template: The network's params, or their shapes.
        likelihood: The params that the likelihood adds, or none.

    Raises:
        ValueError: If a name of a scale fits no array, or an array fits no name or several.
        TypeError: If the prior is none.
    """
    statistics, names = statistics_in(template), _trees.named_leaves(template)
    scaled, own, family = None, None, NORMAL
    if isinstance(prior, Prior):
        scales, family = scales_by_leaf("prior_std", prior.scale, template), prior.family
    elif isinstance(prior, Horseshoe):
        scales, scaled = dict.fromkeys(names, 1.0), hierarchy(prior, symmetry, template)
    elif callable(prior):
        scales = {name: 1.0 if name in statistics else math.nan for name in names}
        own, family = prior, None
    else:
        raise TypeError(
            "prior must be one of onebasin.networks, such as student(1.0), or a function of the "
            f"params. Got {prior!r}."
        )
    scale = full_leaves(scales, template)
    added = {} if scaled is None else {PRIOR: scaled.params(jnp.ones)}
    if likelihood:
        added[LIKELIHOOD] = jax.tree.map(jnp.ones_like, likelihood)
    scale = with_collections(scale, added)
    others = others_in(scale)
    families = tuple(
        family if name not in others else LOG_HALF_CAUCHY if _is_of_prior(name, scaled) else NORMAL
        for name in _trees.named_leaves(scale)
    )
    return PriorOfParams(scale, _Config(families, scaled, own, bool(added)))


def _is_of_prior(name: str, scaled: Hierarchy | None) -> bool:
    return scaled is not None and name.startswith(f"{PRIOR}/")
