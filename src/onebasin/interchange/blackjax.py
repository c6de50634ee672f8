"""from_blackjax: the states of a sampler of BlackJAX as Samples."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from onebasin import _trees
from onebasin._arguments import check_arrays
from onebasin.samples import Samples

_LEADING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"draw": ("draw",), "chain draw": ("chain", "draw"), "draw chain": ("draw", "chain")}
)

_ARVIZ_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "is_divergent": "diverging",
        "acceptance_rate": "acceptance_rate",
        "energy": "energy",
        "energy_change": "energy_error",
        "num_integration_steps": "n_steps",
        "num_trajectory_expansions": "tree_depth",
    }
)
"""ArviZ's names of the fields of an info, by BlackJAX's."""


def from_blackjax(states: Any, infos: Any = None, *, axes: str | None = None) -> Samples:
    """The states that a sampler of BlackJAX has been in, and what it says of its steps.

    Params are the positions, in their own tree. The statistics are `lp`, the `logdensity` of the
    states, and the fields of `infos` that ArviZ has a name for: `diverging`, `acceptance_rate`,
    `energy`, `energy_error`, `n_steps` and `tree_depth`.

    The shape of an array does not tell chains from draws. So `axes` says what the leading axes are,
    unless the log densities show that there is only one, which is taken for that of draws.

    Args:
        states: States with a `position`, as `lax.scan` stacks them, or positions alone.
        infos: The infos of the same steps. Default: none.
        axes: "draw" for one chain; "chain draw" for `vmap` of a function that scans; "draw chain"
            for a scan over steps of all chains, as in BlackJAX's guide on multiple chains. Default:
            "draw", if log densities have one axis.

    Raises:
        ValueError: If the axes are not said and cannot be told, or do not fit.

    Examples:
        >>> import blackjax
        >>> logdensity = lambda params: -(params["w"] ** 2).sum() / 2
        >>> nuts = blackjax.nuts(logdensity, step_size=0.5, inverse_mass_matrix=jnp.ones(3))
        >>> first = nuts.init({"w": jnp.ones(3)})
        >>> step = lambda state, key: (nuts.step(key, state)[0],) * 2
        >>> _, states = jax.lax.scan(step, first, jax.random.split(key, 10))
        >>> ob.interchange.from_blackjax(states).params["w"].shape
        (1, 10, 3)
    """
    position = getattr(states, "position", states)
    logdensity = getattr(states, "logdensity", None)
    leading = _leading(axes, None if logdensity is None else np.ndim(logdensity))
    check_arrays("states", position)
    stats: dict[str, Any] = {} if logdensity is None else {"lp": logdensity}
    stats |= {
        name: getattr(infos, field)
        for field, name in _ARVIZ_NAMES.items()
        if getattr(infos, field, None) is not None
    }
    _check_shapes({**_trees.named_leaves(position), **stats}, leading)
    lead = lambda leaf: _led(np.asarray(leaf), leading)
    one_number = {name: leaf for name, leaf in stats.items() if np.ndim(leaf) == len(leading)}
    return Samples(jax.tree.map(lead, position), {n: lead(leaf) for n, leaf in one_number.items()})


def _leading(axes: str | None, num_axes: int | None) -> tuple[str, ...]:
    """The names of the leading axes, from what is said and the number of axes of log densities."""
    if axes is None and num_axes == 1:
        return ("draw",)
    if axes is None or axes not in _LEADING:
        got = "no axes" if axes is None else f"axes={axes!r}"
        raise ValueError(
            f"axes must say what leads the states: {', '.join(map(repr, _LEADING))}. Got {got}, "
            f"and {'no log densities' if num_axes is None else f'log densities of {num_axes} axes'}"
            '. Say "chain draw" for a vmap of scans, "draw chain" for a scan of vmaps.'
        )
    if num_axes is not None and num_axes != len(_LEADING[axes]):
        raise ValueError(
            f"axes must say each leading axis of the states. Got axes={axes!r}, and log densities "
            f"of {num_axes} axes. Say another of {', '.join(map(repr, _LEADING))}."
        )
    return _LEADING[axes]


def _check_shapes(leaves: Mapping[str, Any], leading: tuple[str, ...]) -> None:
    """Raise ValueError unless all leaves lead with the same axes."""
    shapes = {name: tuple(np.shape(leaf)[: len(leading)]) for name, leaf in leaves.items()}
    first = next(iter(shapes), "")
    for name, shape in shapes.items():
        if len(shape) < len(leading) or shape != shapes[first]:
            raise ValueError(
                f"All states and infos must lead with the same axes {leading}. Got {shape} in "
                f"{name!r} and {shapes[first]} in {first!r}. Stack them by lax.scan, and pass the "
                "infos of the same steps."
            )


def _led(leaf: np.ndarray, leading: tuple[str, ...]) -> np.ndarray:
    """A leaf with the axes (chain, draw) in front."""
    if leading == ("draw",):
        return leaf[None]
    return leaf.swapaxes(0, 1) if leading == ("draw", "chain") else leaf
