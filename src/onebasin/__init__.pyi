"""The names at the top: `import onebasin` reads this list, and loads each when it is first used."""

from . import (
    adapters as adapters,
    alignment as alignment,
    data as data,
    diagnostics as diagnostics,
    fisher as fisher,
    gaussians as gaussians,
    interchange as interchange,
    knowledge as knowledge,
    merging as merging,
    methods as methods,
    networks as networks,
    prediction as prediction,
    pruning as pruning,
    samples as samples,
    store as store,
    symmetry as symmetry,
    types as types,
)
from .adapters import (
    from_equinox as from_equinox,
    from_flax as from_flax,
    from_haiku as from_haiku,
    from_torch as from_torch,
)
from .alignment import (
    Alignment as Alignment,
    align as align,
    null_floor as null_floor,
    to as to,
    to_first as to_first,
    to_mean as to_mean,
    weight_matching as weight_matching,
)
from .data import load_dataset as load_dataset
from .gaussians import (
    DiagonalGaussian as DiagonalGaussian,
    summarize as summarize,
)
from .interchange import (
    from_arviz as from_arviz,
    from_numpyro as from_numpyro,
    from_state_dicts as from_state_dicts,
)
from .knowledge import (
    describe as describe,
    to_datatree as to_datatree,
    weight_table as weight_table,
)
from .merging import merge as merge
from .methods import (
    hmc as hmc,
    sample as sample,
)
from .networks import (
    Network as Network,
    mlp as mlp,
    network as network,
    posterior as posterior,
)
from .prediction import predict as predict
from .pruning import prune as prune
from .samples import Samples as Samples
from .store import (
    load_samples as load_samples,
    save_samples as save_samples,
)
from .symmetry import (
    Axes as Axes,
    Permutation as Permutation,
    Symmetry as Symmetry,
    find_symmetry as find_symmetry,
    permute as permute,
    verify as verify,
)

__version__: str
