"""to_datatree: aligned draws and what belongs to them, in ArviZ's schema.

Xarray takes half a second to import, so functions import it when they run.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from onebasin import _trees
from onebasin._arguments import check_is
from onebasin._stored_array import StoredArray
from onebasin.alignment.align import Alignment
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.samples import Samples
from onebasin.store.variables import DRAWS, arrays_of, dims_of, group_dims, variable
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Params

if TYPE_CHECKING:
    import xarray

_LEAD = ("chain", "draw")


def to_datatree(
    alignment: Alignment,
    samples: Samples,
    *,
    table: "xarray.Dataset | None" = None,
    floor: DiagonalGaussian | None = None,
) -> "xarray.DataTree":
    """Aligned draws, and what belongs to them, in one `xarray.DataTree` in ArviZ's schema.

    So `arviz_stats.summary` and `arviz_plots.plot_forest` take the weights of a network. Names of
    variables and axes are those that a store has: `hidden_0.kernel` has the axes `chain`, `draw`,
    `hidden_0.kernel_dim_0` and `hidden_0`, and the last one has a coordinate for each unit. Choose
    variables or units before you ask for a summary: ArviZ takes a row for each weight.

    Samples of a store are not read. What is selected, as by `isel` or `sel`, is read and aligned
    when its values are asked for, and again each time. `load()` of a selection keeps it in memory.
    `tree.to_zarr(path)` reads one variable at a time. ArviZ's functions need more packages than
    onebasin: `pip install "arviz-stats[xarray]" arviz-plots`.

    | Group | Variables |
    |---|---|
    | `posterior` | aligned draws of each leaf of the params |
    | `sample_stats` | statistics of the sampler, if there are any |
    | `permutations` | `units.GROUP` has the old unit at each unit; `signs.GROUP`, if units flip; \
`objective` and `converged` of each draw |
    | `reference` | params of the network that draws were brought to |
    | `floor/mean`, `floor/std` | the null floor of each weight, if `floor` is given |
    | `weights` | `table`, if it is given |

    Args:
        alignment: What brings each draw into the reference's basin.
        samples: The draws that were aligned, as they were sampled.
        table: What is known about each weight, such as its mean and std. Default: none.
        floor: What noise gives after alignment, as `null_floor` finds it. Default: none.

    Raises:
        ValueError: If there are not as many samples as were aligned, or if they or the floor are of
            another network.
        StoreError: If a store cannot hold a leaf, for instance one in bfloat16.
        TypeError: For arguments of other types.

    Examples:
        >>> tree = ob.to_datatree(alignment, samples)
        >>> list(tree.children)
        ['posterior', 'sample_stats', 'permutations', 'reference']
        >>> unit = tree["posterior"]["hidden_0.kernel"].sel(hidden_0=3)
        >>> unit.dims
        ('chain', 'draw', 'hidden_0.kernel_dim_0')
        >>> bool((tree["permutations"]["units.hidden_0"].sel(chain=0, draw=0) < 8).all())
        True
    """
    import xarray

    check_is("alignment", alignment, Alignment, "ob.align(samples, symmetry) gives one.")
    check_is("samples", samples, Samples, "Wrap params that lead with (chain, draw) in Samples.")
    groups = _draws(alignment.apply(samples), alignment.symmetry)
    groups["permutations"] = _permutations(alignment)
    groups["reference"] = _network("The reference", alignment.reference, groups[DRAWS])
    if floor is not None:
        check_is("floor", floor, DiagonalGaussian, "ob.null_floor(samples, symmetry) gives one.")
        groups["floor/mean"] = _network("The floor", floor.mean, groups[DRAWS])
        groups["floor/std"] = _network("The floor", floor.std, groups[DRAWS])
    if table is not None:
        check_is("table", table, xarray.Dataset, "Pass a table of weights as a Dataset.")
        groups["weights"] = table
    return xarray.DataTree.from_dict(groups)


def _draws(aligned: Samples, symmetry: Symmetry) -> "dict[str, xarray.Dataset]":
    """The groups `posterior` and `sample_stats`, as a store has them."""
    import xarray

    from onebasin.knowledge.lazy_variables import as_xarray

    groups: dict[str, dict[str, Any]] = {}
    for folder, (values, dims, path) in arrays_of(aligned, dims_of(symmetry), 0).items():
        group, name = folder.split("/")
        attributes = {} if path is None else {"path": path}
        array = as_xarray(values) if isinstance(values, StoredArray) else values
        groups.setdefault(group, {})[name] = xarray.Variable(dims, array, attributes)
    return {group: xarray.Dataset(variables) for group, variables in groups.items()}


def _permutations(alignment: Alignment) -> "xarray.Dataset":
    """The permutation of every draw, and how well it did."""
    import xarray

    symmetry, permutation = alignment.symmetry, alignment.permutation
    words, sizes = group_dims(symmetry), {**symmetry.sizes, **symmetry.fixed}
    lists = lambda group: (*_LEAD, *(words[g] for g in (*symmetry.nested.get(group, ()), group)))
    variables: dict[str, Any] = {
        f"units.{words[group]}": (lists(group), np.asarray(units), {"group": group})
        for group, units in permutation.units.items()
    }
    for name, signs in permutation.signs.items():
        group = symmetry.sign_groups[name]
        variables[f"signs.{variable(name)}"] = (lists(group), np.asarray(signs), {"group": group})
    variables["objective"] = (_LEAD, np.asarray(alignment.objective))
    variables["converged"] = (_LEAD, np.asarray(alignment.converged))
    num_chains, num_draws = alignment.converged.shape
    listed = {name for dims, *_ in variables.values() for name in dims}
    coordinates = {
        "chain": np.arange(num_chains),
        "draw": np.arange(num_draws),
        **{words[g]: np.arange(size) for g, size in sizes.items() if words[g] in listed},
    }
    return xarray.Dataset(variables, coordinates, {"matching": alignment.matching})


def _network(what: str, params: Params, posterior: "xarray.Dataset") -> "xarray.Dataset":
    """The params of one network, with the axes that its draws have behind (chain, draw).

    Raises: ValueError if they are those of another network than the draws.
    """
    import xarray

    draws = {array.attrs["path"]: array for array in posterior.data_vars.values()}
    leaves = {path: np.asarray(leaf) for path, leaf in _trees.named_leaves(params).items()}
    _check_network(what, leaves, {path: array.shape[2:] for path, array in draws.items()})
    variables = {
        variable(path): (draws[path].dims[2:], leaf, {"path": path})
        for path, leaf in leaves.items()
    }
    return xarray.Dataset(variables, posterior.drop_vars(_LEAD).coords)


def _check_network(
    what: str, leaves: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    if leaves.keys() != shapes.keys():
        raise ValueError(
            f"{what} must have the leaves of the samples. {_trees.difference(leaves, shapes)} "
            "Was it made for another network?"
        )
    for path, leaf in leaves.items():
        if leaf.shape != shapes[path]:
            raise ValueError(
                f"{what} must have leaves shaped like those of one draw, {shapes[path]} at "
                f"{path!r}. Got {leaf.shape}. Was it made for another network?"
            )
