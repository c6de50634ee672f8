"""Rows: norms, and weights that are computed of others."""

import warnings

from torch import nn
from torch.nn.utils import parametrizations
from torch_table_row import Row, floats

IMAGES, X = floats(4, 2, 4, 4), floats(5, 3)


def channels(norm):
    return nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), norm, nn.ReLU(), nn.Conv2d(6, 3, 1))


def units(norm):
    return nn.Sequential(nn.Linear(3, 6), norm, nn.ReLU(), nn.Linear(6, 2))


def computed(change, **options):
    """A perceptron both of whose layers have weights that `change` makes of others."""

    def make():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the old ones are deprecated
            first, second = nn.Linear(3, 6), nn.Linear(6, 2)
            return nn.Sequential(change(first, **options), nn.Tanh(), change(second, **options))

    return make


def orthogonal(by, inputs=5):
    """Seven units, and those around an orthogonal matrix."""

    def make():
        layer = parametrizations.orthogonal(nn.Linear(inputs, 5), orthogonal_map=by)
        return nn.Sequential(
            nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, inputs), nn.ReLU(), layer, nn.ReLU(),
            nn.Linear(5, 2),
        )  # fmt: skip

    return make


ORDERED = (
    "rows of the parametrization's base list the outputs; the inputs keep their order, for the "
    "matrix is made of entries below a diagonal"
)
UNKNOWN = "custom_linear_solve"

NORMS = [
    Row("BatchNorm1d", lambda: units(nn.BatchNorm1d(6)), (X,), [6]),
    Row(
        "BatchNorm2d without weights",
        lambda: channels(nn.BatchNorm2d(6, affine=False)),
        (IMAGES,),
        [6],
    ),
    Row(
        "BatchNorm without statistics",
        lambda: channels(nn.BatchNorm2d(6, track_running_stats=False)),
        (IMAGES,),
        [6],
    ),
    Row("GroupNorm", lambda: channels(nn.GroupNorm(2, 6)), (IMAGES,), [(2, 3)]),
    Row("GroupNorm of one group", lambda: channels(nn.GroupNorm(1, 6)), (IMAGES,), [6]),
    Row("LayerNorm", lambda: units(nn.LayerNorm(6)), (X,), [6]),
    Row("LayerNorm over places", lambda: channels(nn.LayerNorm([6, 4, 4])), (IMAGES,), [6]),
    Row("RMSNorm", lambda: units(nn.RMSNorm(6)), (X,), [6]),
    Row("InstanceNorm", lambda: channels(nn.InstanceNorm2d(6, affine=True)), (IMAGES,), [6]),
    Row(
        "InstanceNorm with statistics",
        lambda: channels(nn.InstanceNorm2d(6, affine=True, track_running_stats=True)),
        (IMAGES,),
        [6],
    ),
    Row(
        "LocalResponseNorm",
        lambda: channels(nn.LocalResponseNorm(2)),
        (IMAGES,),
        fixed="reduce_window",
        note="a window over channels keeps their order",
    ),
]
PARAMETRIZED = [
    Row("weight norm, old", computed(nn.utils.weight_norm), (X,), [6]),
    Row("weight norm, parametrized", computed(parametrizations.weight_norm), (X,), [6]),
    Row("weight norm over inputs", computed(parametrizations.weight_norm, dim=1), (X,), [6]),
    Row("spectral norm, old", computed(nn.utils.spectral_norm), (X,), [6]),
    Row("spectral norm, parametrized", computed(parametrizations.spectral_norm), (X,), [6]),
    Row("orthogonal, matrix_exp", orthogonal("matrix_exp"), (X,), [7, 5], UNKNOWN, note=ORDERED),
    Row("orthogonal, Cayley", orthogonal("cayley"), (X,), [7, 5], UNKNOWN, note=ORDERED),
    Row(
        "orthogonal, Householder",
        orthogonal("householder", 4),
        (X,),
        [7, 5],
        "householder_product",
        note=ORDERED,
    ),
]
