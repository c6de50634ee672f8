"""resnet20: the residual network for small images, with BatchNorm or LayerNorm."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import STATISTICS, WEIGHTS, collected, has_statistics
from onebasin._frozen_partial import FrozenPartial
from onebasin.networks.layers import check_counts, conv, conv_init, dense, dense_init, images
from onebasin.networks.network import Network, claimed_of
from onebasin.networks.normalization import (
    Norm,
    Normalization,
    by_batch,
    by_layer,
    by_statistics,
    norm_init,
)
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry
from onebasin.types import Array, Key, Params

_NUM_STAGES = 3
_NUM_BLOCKS = 3
_STATISTICS = ("mean", "var")


class _Block(NamedTuple):
    """The place and the shape of a residual block, whose two convolutions are added to its inputs.

    `inputs` and `channels` are the numbers of channels before and after it.
    """

    stage: int
    block: int
    inputs: int
    channels: int

    @property
    def has_shortcut(self) -> bool:
        """Whether the block halves the image, so that its inputs need a convolution too."""
        return self.stage > 0 and self.block == 0

    @property
    def path(self) -> str:
        """The path of its params, which is also the name of the group of its own channels."""
        return f"stage_{self.stage}/block_{self.block}"


class _Shape(NamedTuple):
    """The arguments of `resnet20`."""

    image_shape: tuple[int, int]
    outputs: int
    width: int
    kind: Normalization

    @property
    def blocks(self) -> list[_Block]:
        """All residual blocks, from the inputs to the outputs."""
        blocks: list[_Block] = []
        for stage in range(_NUM_STAGES):
            for block in range(_NUM_BLOCKS):
                before = blocks[-1].channels if blocks else self.width
                blocks.append(_Block(stage, block, before, self.width * 2**stage))
        return blocks


def resnet20(
    image_shape: tuple[int, int], outputs: int, width: int = 16, norm: Normalization = "batch"
) -> Network:
    r"""The residual network ResNet-20 for small images.

    A convolution is followed by three stages of three residual blocks. A block computes
    $\mathrm{relu}(x + F(x))$, in which $F$ is two convolutions of 3 x 3, each with a norm. Stages
    have `width`, twice and four times as many channels. The first block of the second and of the
    third stage halves height and width, and a convolution of 1 x 1 does so to its $x$ (option B of
    the source). A dense layer reads the mean over pixels.

    Inputs are (batch, pixels), one row of gray pixels for each image. With `norm="batch"` params
    are `{"weights": ..., "statistics": ...}`. The statistics are the means and variances of all
    norms: `batch_apply` does not read them, and `recalibrate` renews them. With `norm="layer"`
    there are none.

    The channels that a stage adds up are one group of the symmetry, and those within each block
    are another. A channel before a BatchNorm may change sign, together with the norm's scale.

    Args:
        image_shape: Height and width of the images, in pixels.
        outputs: The number of outputs, one for each class.
        width: The number of channels of the first stage.
        norm: "batch" for BatchNorm, as in the source, or "layer" for LayerNorm over channels.

    Raises:
        ValueError: If the norm is unknown, or a size is below 1.

    Examples:
        >>> network = ob.networks.resnet20((8, 8), outputs=10, width=4)
        >>> network.symmetry.sizes["stage_2"]
        16

    Source: He et al. (2016), arXiv 1512.03385, section 4.2.
    """
    height, across = image_shape
    return _resnet20(_Shape((height, across), outputs, width, norm))


@lru_cache
def _resnet20(shape: _Shape) -> Network:
    """The network of a shape. It is kept to save time: one that is made again is equal to it."""
    if shape.kind not in ("batch", "layer"):
        raise ValueError(
            f'norm must be "batch" or "layer". Got {shape.kind!r}. Pass "layer" for a network '
            "without running statistics."
        )
    check_counts(height=min(shape.image_shape), outputs=shape.outputs, width=shape.width)
    init = FrozenPartial(_init, shape)
    params = jax.eval_shape(init, jax.random.key(0))
    num_pixels = shape.image_shape[0] * shape.image_shape[1]
    norm = by_layer if shape.kind == "layer" else by_statistics
    apply = FrozenPartial(_outputs, shape, norm)
    if shape.kind == "layer":
        symmetry = claimed_of(Symmetry.of(_axes(shape), params), apply, num_pixels)
        return Network(init, apply, None, symmetry, is_homogeneous=True)
    symmetry = Symmetry.of(_axes(shape), params, signs=_signs(shape))
    return Network(
        init,
        apply,
        None,
        claimed_of(symmetry, apply, num_pixels),
        batch_apply=FrozenPartial(_outputs, shape, by_batch),
        recalibrate=FrozenPartial(_recalibrated, shape),
        is_homogeneous=True,
    )


def _in_collections(tree: Any) -> Any:
    """A tree shaped like the params of all layers, with its statistics apart from its weights."""
    leaves = _trees.named_leaves(tree)
    statistics = {name for name in leaves if name.rpartition("/")[2] in _STATISTICS}
    weights = leaves.keys() - statistics
    parts = [{n: x for n, x in leaves.items() if n in names} for names in (weights, statistics)]
    return collected(*map(_trees.nest, parts))


def _together(params: Params) -> Any:
    """Params without collections, the scale, bias and statistics of each norm in one dict."""
    if not has_statistics(params):
        return params
    return _trees.merge(params[WEIGHTS], params[STATISTICS])


def _init(shape: _Shape, key: Key) -> Params:
    """Random params in their collections."""
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


def _block_init(block: _Block, kind: Normalization, key: Key) -> Params:
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


def _outputs(
    shape: _Shape, norm: Norm, params: Params, x: Float[Array, "batch features"]
) -> Float[Array, "batch outputs"]:
    """The outputs, normalized by `norm`."""
    return _forward(shape, norm, _together(params), x)[0]


def _recalibrated(shape: _Shape, params: Params, x: Float[Array, "batch features"]) -> Params:
    """Params whose statistics are those of the inputs."""
    return _in_collections(_forward(shape, by_batch, _together(params), x)[1])


def _forward(
    shape: _Shape, norm: Norm, params: Params, x: Float[Array, "batch features"]
) -> tuple[Float[Array, "batch outputs"], Params]:
    """The outputs, and params that hold the statistics by which norms have normalized."""
    x = conv(params["stem"]["conv"], images(x, shape.image_shape))
    x, new_norm = norm(params["stem"]["norm"], x)
    x = jax.nn.relu(x)
    new: dict[str, Any] = {**params, "stem": {**params["stem"], "norm": new_norm}}
    for block in shape.blocks:
        stage, name = f"stage_{block.stage}", f"block_{block.block}"
        x, new_block = _block(block, norm, params[stage][name], x)
        new[stage] = {**new[stage], name: new_block}
    return dense(params["out"], x.mean(axis=(1, 2))), new


def _block(block: _Block, norm: Norm, params: Params, x: Array) -> tuple[Array, Params]:
    """The outputs of a residual block, and its params with the statistics of its norms."""
    stride = 2 if block.has_shortcut else 1
    new = dict(params)
    y, new["norm_0"] = norm(params["norm_0"], conv(params["conv_0"], x, stride))
    y, new["norm_1"] = norm(params["norm_1"], conv(params["conv_1"], jax.nn.relu(y)))
    if block.has_shortcut:
        shortcut = params["shortcut"]
        x, new_norm = norm(shortcut["norm"], conv(shortcut["conv"], x, stride))
        new["shortcut"] = {**shortcut, "norm": new_norm}
    return jax.nn.relu(x + y), new


def _axes(shape: _Shape) -> Any:
    """The axes of all arrays.

    The channels that are added up are one group for each stage. Those between the convolutions of a
    block are a group of its own.
    """
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


def _norm(group: str, kind: Normalization) -> dict[str, Axes]:
    names = ("scale", "bias", *(_STATISTICS if kind == "batch" else ()))
    return dict.fromkeys(names, Axes(group))


def _signs(shape: _Shape) -> list[Sign]:
    """The signs of all convolutions before a BatchNorm."""
    signs = [_sign("stage_0", "stem/conv", "stem/norm")]
    for block in shape.blocks:
        path, stage = block.path, f"stage_{block.stage}"
        signs.append(_sign(path, f"{path}/conv_0", f"{path}/norm_0"))
        signs.append(_sign(stage, f"{path}/conv_1", f"{path}/norm_1"))
        if block.has_shortcut:
            signs.append(_sign(stage, f"{path}/shortcut/conv", f"{path}/shortcut/norm"))
    return signs


def _sign(group: str, conv: str, norm: str) -> Sign:
    """The weights that change sign with a channel before a BatchNorm: they leave its output as is.

    These are the channel's kernel, its mean in the norm, and the norm's scale.
    """
    weights = Place(f"{WEIGHTS}/{conv}/kernel", 3), Place(f"{WEIGHTS}/{norm}/scale", 0)
    places = (Place(f"{STATISTICS}/{norm}/mean", 0), *weights)
    return Sign(group, places)
