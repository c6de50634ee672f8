r"""The horseshoe: a prior under which most units, or weights, are near 0 and a few are large.

Its scales are sampled together with the weights, and permute with the units that they belong to.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_positive
from onebasin._collections import PRIOR, of_network, own_names, statistics_in, with_collections
from onebasin.networks.priors import Family, Scale, check_scale, scales_by_leaf
from onebasin.symmetry.axes import Axes, Blocks, Role, Symmetry
from onebasin.symmetry.roles import roles_of
from onebasin.types import Array, Key, Params

LOCAL, GLOBAL = "log_local_scale", "log_global_scale"


class Horseshoe(NamedTuple):
    """A horseshoe prior, as `horseshoe` makes it.

    Args:
        scale: The scale of the global scale of each array.
        slab: The std that no weight exceeds, in the unit of the weights; infinity for none.
        by: What has a local scale of its own.
    """

    scale: Scale
    slab: float
    by: Literal["unit", "weight"]


def horseshoe(
    scale: Scale = 0.5, *, slab: float = 2.0, by: Literal["unit", "weight"] = "unit"
) -> Horseshoe:
    r"""The regularized horseshoe as a prior: most units, or weights, are small, and a few are not.

    $w = z\, \tilde a$ with $z \sim \mathcal N(0, 1)$,
    $\tilde a^2 = c^2 a^2 / (c^2 + a^2)$ and $a = \tau \lambda$. The local scale
    $\lambda \sim C^+(0, 1)$ is that of a unit (or a weight), the global scale
    $\tau \sim C^+(0, s)$ that of an array, and $C^+$ the half-Cauchy distribution. $c$ is the
    `slab`, $s$ the `scale`.

    What is sampled are $z$ and the logarithms of $\lambda$ and $\tau / s$, because they depend on
    each other far less than $w$ and its scales do. Params are
    `{"weights": z, "prior": {"log_local_scale": ..., "log_global_scale": ...}}`. The weights $w$ of
    draws are what `posterior.network_samples(samples)` gives: they are what to align and to look
    at. Nothing is known about a scale if the data say nothing about the weights that share it.

    Args:
        scale: $s$, one number, or one for each kind of layer or array by name, as `posterior` says
            of `prior_std`. Default: 0.5.
        slab: $c$ in the unit of the weights. No weight has a larger std, so that moments exist;
            infinity is the horseshoe without a slab. Default: 2.
        by: "unit" for one local scale for all weights of an array that make a unit, "weight" for
            one for each weight. The symmetry says which axes make units. An axis of which it does
            not say so has a scale for each of its entries. Default: "unit".

    Raises:
        ValueError: If a scale or the slab is not positive, or `by` is unknown.

    Examples:
        >>> posterior = ob.posterior(network, data.train, prior=ob.networks.horseshoe())
        >>> params = posterior.init(key)
        >>> params["prior"]["log_local_scale"]["hidden_0"]["kernel"].shape  # one for each unit
        (1, 8)

    Source: Piironen and Vehtari (2017), arXiv 1707.01694, equation 2.8; Ghosh, Yao and Doshi-Velez
    (2018), arXiv 1806.05975, for one scale a unit.
    """
    check_scale("The scale of a prior", scale)
    if slab != math.inf:
        check_positive("slab", slab)
    if by not in ("unit", "weight"):
        raise ValueError(f'by must be "unit" or "weight". Got {by!r}.')
    return Horseshoe(scale, float(slab), by)


class Hierarchy(NamedTuple):
    """The scales of a horseshoe for the params of one network.

    Args:
        scales: The path of each array of weights with its scale $s$.
        shapes: The shape of its local scales.
        names: The path of its scales, below "prior/log_local_scale" and so on.
        slab: The std that no weight exceeds.
    """

    scales: tuple[tuple[str, float], ...]
    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    slab: float

    def params(self, fill: Callable[[tuple[int, ...]], Array]) -> Params:
        """The collection of the scales, each array filled by its shape."""
        local = {n: fill(shape) for n, shape in zip(self.names, self.shapes, strict=True)}
        return {
            LOCAL: _trees.nest(local),
            GLOBAL: _trees.nest({name: fill(()) for name in self.names}),
        }

    def weights(self, params: Params) -> Params:
        """The params of the network: each weight is $z$ times its scale."""
        return self._map(params, of_network(params), lambda z, scale: z * scale)

    def begin(self, network_params: Params) -> Params:
        """Params at which the network has these weights, and all logarithms of scales are 0."""
        scales = self.params(jnp.zeros)
        params = with_collections(network_params, {PRIOR: scales})
        unscaled = self._map(params, network_params, lambda w, scale: w / scale)
        return with_collections(unscaled, {PRIOR: scales})

    def _map(
        self, params: Params, network_params: Params, function: Callable[[Array, Array], Array]
    ) -> Params:
        local, shared = (_trees.named_leaves(params[PRIOR][name]) for name in (LOCAL, GLOBAL))
        leaves = dict(_trees.named_leaves(network_params))
        for (path, scale), name in zip(self.scales, self.names, strict=True):
            log_scale = math.log(scale) + local[name] + shared[name]
            leaves[path] = function(leaves[path], self._bounded(log_scale))
        return _trees.rebuild(leaves, network_params)

    def _bounded(self, log_scale: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        r"""$c a / \sqrt{c^2 + a^2}$ for the logarithm of $a$."""
        return jax.lax.rsqrt(jnp.exp(-2 * log_scale) + self.slab**-2)

    def stds(self) -> dict[str, float]:
        """The std of each weight of an array under the prior, by path; infinite without a slab."""
        return {path: _std(scale, self.slab) for path, scale in self.scales}

    def axes(self, symmetry: Symmetry, template: Params) -> Params:
        """What lies along the axes of the scales: the units that the weights list there."""
        named, leaves = symmetry.named, _trees.named_leaves(template)
        local = {
            name: _axes_of_scales(named[path], np.shape(leaves[path]), shape)
            for (path, _), name, shape in zip(self.scales, self.names, self.shapes, strict=True)
        }
        return {
            LOCAL: _trees.nest(local),
            GLOBAL: _trees.nest({name: Axes() for name in self.names}),
        }


def _axes_of_scales(
    axes: Axes | Blocks, shape: tuple[int, ...], kept: tuple[int, ...]
) -> Axes | Blocks:
    if kept == shape:
        return axes
    assert isinstance(axes, Axes)
    lengths = zip(axes.names, shape, kept, strict=True)
    return Axes(*(name if length == left else None for name, length, left in lengths))


def hierarchy(prior: Horseshoe, symmetry: Symmetry, template: Params) -> Hierarchy:
    """The scales of a horseshoe for the params of a network, whose symmetry says what makes units.

    Raises: ValueError if a name of the scale fits no array, or an array fits no name or several.
    """
    by_leaf = scales_by_leaf("The scale of a prior", prior.scale, template)
    leaves, statistics = _trees.named_leaves(template), statistics_in(template)
    roles = roles_of(symmetry, template) if prior.by == "unit" else {}
    names = own_names(template)
    scales = tuple((path, scale) for path, scale in by_leaf.items() if path not in statistics)
    shapes = tuple(
        _shape_of_scales(symmetry, path, np.shape(leaves[path]), roles.get(path, ()))
        for path, _ in scales
    )
    return Hierarchy(scales, shapes, tuple(names[path] for path, _ in scales), prior.slab)


def _shape_of_scales(
    symmetry: Symmetry, path: str, shape: tuple[int, ...], roles: tuple[Role | None, ...]
) -> tuple[int, ...]:
    """The shape of an array with length 1 along axes that read units.

    It is the shape itself for an array that is cut into blocks, and if units inside of others would
    be left without these.
    """
    axes = symmetry.named[path]
    if isinstance(axes, Blocks) or not axes.is_plain or not roles:
        return shape
    kept = [name for name, role in zip(axes.names, roles, strict=True) if role != "reads"]
    around = (symmetry.nested.get(name, ()) for name in kept if isinstance(name, str))
    if not {parent for parents in around for parent in parents} <= set(kept):
        return shape
    return tuple(1 if role == "reads" else size for role, size in zip(roles, shape, strict=True))


def _log_prob(values: Float[Array, "*shape"], scale: Float[Array, "*shape"]) -> Array:
    r"""Of $t = \log x$ for a half-Cauchy $x$: $\log\tfrac2\pi + t - \log(1 + e^{2t})$, in nats."""
    at = values / scale
    return math.log(2 / math.pi) + at - jnp.logaddexp(0.0, 2 * at) - jnp.log(scale)


def _draw(key: Key, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    return jnp.log(jnp.abs(jax.random.cauchy(key, shape)))


LOG_HALF_CAUCHY = Family(_log_prob, _draw, math.pi / 2)
"""The logarithm of a half-Cauchy distribution of scale 1, whose std is pi / 2."""


def _std(scale: float, slab: float) -> float:
    r"""The std of a weight: the root of the mean of $c^2 a^2 / (c^2 + a^2)$.

    $v = \log(a / s)$ is a sum of two logarithms of half-Cauchy variables, which has the density
    $(2 / \pi^2)\, v / \sinh v$. The sum over a grid is exact to rounding.
    """
    if slab == math.inf:
        return math.inf
    grid = np.linspace(-60.0, 60.0, 4801) + 1e-9  # none is 0
    density = 2 / math.pi**2 * grid / np.sinh(grid)
    square = 1 / (np.exp(-2 * grid) / scale**2 + slab**-2)
    return math.sqrt(float((density * square).sum() * (grid[1] - grid[0])))
