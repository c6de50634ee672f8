"""resnet20: the residual network for small images, with BatchNorm or LayerNorm."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import STATISTICS, WEIGHTS, collected, has_collections
from onebasin._types import Array, Key, Params
from onebasin.models.layers import check_counts, conv, conv_init, dense, dense_init, images
from onebasin.models.network import Network, claimed_of
from onebasin.models.normalization import (
    Kind,
    Norm,
    by_batch,
    by_layer,
    by_statistics,
    norm_init,
)
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry

_NUM_STAGES = 3
_NUM_BLOCKS = 3
_STATISTICS = ("mean", "var")


class _Block(NamedTuple):
    """Two convolutions and what they are added to; a shortcut where that changes its size."""

    stage: int
    block: int
    inputs: int
    channels: int

    @property
    def has_shortcut(self) -> bool:
        return self.stage > 0 and self.block == 0

    @property
    def path(self) -> str:
        return f"stage_{self.stage}/block_{self.block}"


class _Shape(NamedTuple):
    image_shape: tuple[int, int]
    outputs: int
    width: int
    kind: Kind

    @property
    def blocks(self) -> list[_Block]:
        found: list[_Block] = []
        for stage in range(_NUM_STAGES):
            for block in range(_NUM_BLOCKS):
                before = found[-1].channels if found else self.width
                found.append(_Block(stage, block, before, self.width * 2**stage))
        return found


def resnet20(
    image_shape: tuple[int, int], outputs: int, width: int = 16, norm: Kind = "batch"
) -> Network:
    """Three stages of three residual blocks of two 3 x 3 convolutions, of width, twice, four times.

    The first block of a later stage halves the image, and its shortcut is a 1 x 1 convolution
    (option B of the source). The channels that a stage adds up are one group of its symmetry,
    those inside of each block another; behind each BatchNorm a channel flips with its scale. With
    `norm="batch"` params are `{"weights": ..., "statistics": ...}`: the means and variances of
    all norms, which `batch_apply` ignores and `recalibrate` writes; `norm="layer"` has none.

    Raises: ValueError for an unknown norm or a size below 1.
    Source: He et al. (2016), arXiv 1512.03385, section 4.2.
    """
    height, across = image_shape
    return _resnet20(_Shape((height, across), outputs, width, norm))


@cache
def _resnet20(shape: _Shape) -> Network:
    if shape.kind not in ("batch", "layer"):
        raise ValueError(f'norm must be "batch" or "layer". Got {shape.kind!r}.')
    check_counts(height=min(shape.image_shape), outputs=shape.outputs, width=shape.width)
    init = partial(_init, shape)
    params = jax.eval_shape(init, jax.random.key(0))
    num_pixels = shape.image_shape[0] * shape.image_shape[1]
    apply = _outputs(shape, by_layer if shape.kind == "layer" else by_statistics)
    if shape.kind == "layer":
        symmetry = claimed_of(Symmetry.of(_axes(shape), params), apply, num_pixels)
        return Network(init, apply, None, symmetry, is_homogeneous=True)
    symmetry = Symmetry.of(_axes(shape), params, signs=_signs(shape))
    return Network(
        init,
        apply,
        None,
        claimed_of(symmetry, apply, num_pixels),
        batch_apply=_outputs(shape, by_batch),
        recalibrate=lambda params, x: _in_collections(
            _forward(shape, by_batch, _together(params), x)[1]
        ),
        is_homogeneous=True,
    )


def _in_collections(tree: Any) -> Any:
    """Anything shaped like the params, statistics apart from weights."""
    leaves = _trees.named_leaves(tree)
    kept = {name for name in leaves if name.rpartition("/")[2] in _STATISTICS}
    parts = [{n: x for n, x in leaves.items() if (n in kept) is apart} for apart in (False, True)]
    return collected(*map(_trees.nest, parts))


def _together(params: Params) -> Any:
    """The scale, bias and statistics of each norm in one dict."""
    if not has_collections(params):
        return params
    return _trees.merge(params[WEIGHTS], params[STATISTICS])


def _init(shape: _Shape, key: Key) -> Params:
    key_stem, key_out, key_blocks = jax.random.split(key, 3)
    blocks = shape.blocks
    params: dict[str, Any] = {
        "stem": {
            "conv": conv_init(key_stem, 3, 1, shape.width),
            "norm": norm_init(shape.width, shape.kind),
        },
        "out": dense_init(key_out, blocks[-1].channels, shape.outputs),
    }
    for block, k in zip(blocks, jax.random.split(key_blocks, len(blocks)), strict=True):
        stage = params.setdefault(f"stage_{block.stage}", {})
        stage[f"block_{block.block}"] = _block_init(block, shape.kind, k)
    return _in_collections(params)


def _block_init(block: _Block, kind: Kind, key: Key) -> Params:
    first, second, third = jax.random.split(key, 3)
    params = {
        "conv_0": conv_init(first, 3, block.inputs, block.channels),
        "norm_0": norm_init(block.channels, kind),
        "conv_1": conv_init(second, 3, block.channels, block.channels),
        "norm_1": norm_init(block.channels, kind),
    }
    if block.has_shortcut:
        params["shortcut"] = {
            "conv": conv_init(third, 1, block.inputs, block.channels),
            "norm": norm_init(block.channels, kind),
        }
    return params


def _outputs(shape: _Shape, norm: Norm) -> Callable[[Params, Array], Array]:
    def apply(params: Params, x: Float[Array, "batch features"]) -> Float[Array, "batch outputs"]:
        return _forward(shape, norm, _together(params), x)[0]

    return apply


def _forward(
    shape: _Shape, norm: Norm, params: Params, x: Float[Array, "batch features"]
) -> tuple[Float[Array, "batch outputs"], Params]:
    """The outputs, and params with the statistics that were used on the way to them."""
    x = conv(params["stem"]["conv"], images(x, shape.image_shape))
    x, used = norm(params["stem"]["norm"], x)
    x = jax.nn.relu(x)
    found: dict[str, Any] = {**params, "stem": {**params["stem"], "norm": used}}
    for block in shape.blocks:
        stage, name = f"stage_{block.stage}", f"block_{block.block}"
        x, used = _block(block, norm, params[stage][name], x)
        found[stage] = {**found[stage], name: used}
    return dense(params["out"], x.mean(axis=(1, 2))), found


def _block(block: _Block, norm: Norm, params: Params, x: Array) -> tuple[Array, Params]:
    stride = 2 if block.has_shortcut else 1
    found = dict(params)
    y, found["norm_0"] = norm(params["norm_0"], conv(params["conv_0"], x, stride))
    y, found["norm_1"] = norm(params["norm_1"], conv(params["conv_1"], jax.nn.relu(y)))
    if block.has_shortcut:
        shortcut = params["shortcut"]
        x, used = norm(shortcut["norm"], conv(shortcut["conv"], x, stride))
        found["shortcut"] = {**shortcut, "norm": used}
    return jax.nn.relu(x + y), found


def _axes(shape: _Shape) -> Any:
    """Channels that are added up are one group for each stage; those inside a block its own."""
    axes: dict[str, Any] = {
        "stem": {"conv": _kernel(None, "stage_0"), "norm": _norm("stage_0", shape.kind)},
        "out": {"kernel": Axes(f"stage_{_NUM_STAGES - 1}", None), "bias": Axes(None)},
    }
    before = "stage_0"
    for block in shape.blocks:
        stage = f"stage_{block.stage}"
        own: dict[str, Any] = {
            "conv_0": _kernel(before, block.path),
            "norm_0": _norm(block.path, shape.kind),
            "conv_1": _kernel(block.path, stage),
            "norm_1": _norm(stage, shape.kind),
        }
        if block.has_shortcut:
            own["shortcut"] = {"conv": _kernel(before, stage), "norm": _norm(stage, shape.kind)}
        axes.setdefault(stage, {})[f"block_{block.block}"] = own
        before = stage
    return _in_collections(axes)


def _kernel(before: str | None, after: str) -> dict[str, Axes]:
    return {"kernel": Axes(None, None, before, after)}


def _norm(group: str, kind: Kind) -> dict[str, Axes]:
    names = ("scale", "bias", *(_STATISTICS if kind == "batch" else ()))
    return dict.fromkeys(names, Axes(group))


def _signs(shape: _Shape) -> list[Sign]:
    """What flips in front of each BatchNorm: what comes in, its mean and the scale behind it."""
    found = [_flip("stage_0", "stem/conv", "stem/norm")]
    for block in shape.blocks:
        path, stage = block.path, f"stage_{block.stage}"
        found.append(_flip(path, f"{path}/conv_0", f"{path}/norm_0"))
        found.append(_flip(stage, f"{path}/conv_1", f"{path}/norm_1"))
        if block.has_shortcut:
            found.append(_flip(stage, f"{path}/shortcut/conv", f"{path}/shortcut/norm"))
    return found


def _flip(group: str, conv: str, norm: str) -> Sign:
    weights = Place(f"{WEIGHTS}/{conv}/kernel", 3), Place(f"{WEIGHTS}/{norm}/scale", 0)
    places = (Place(f"{STATISTICS}/{norm}/mean", 0), *weights)
    return Sign(group, places)
