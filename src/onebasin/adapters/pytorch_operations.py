"""Operations of PyTorch in JAX that torchax lacks, or computes otherwise than PyTorch."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def define_operations(environment: Any) -> None:
    """Have an environment of torchax run the operations of this file."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    aten: Any = torch.ops.aten
    torchax_convolution = environment._get_op_or_decomp(aten.convolution.default).func

    def convolution(*arguments: Any) -> jax.Array:
        is_transposed, groups = arguments[6], arguments[8]
        if is_transposed and groups > 1:
            return _grouped_transposed_convolution(*arguments)
        return torchax_convolution(*arguments)

    operations: dict[Any, Callable[..., Any]] = {
        aten.convolution: convolution,
        aten._embedding_bag: _embedding_bag,
        aten._embedding_bag_forward_only: _embedding_bag,
        aten.adaptive_max_pool2d: _adaptive_max_pool,
        aten.adaptive_max_pool3d: _adaptive_max_pool,
        aten.im2col: _im2col,
        aten.col2im: _col2im,
        aten.topk: _topk,
        aten._linalg_solve_ex: lambda a, b, **_: (_solve(a, b), None),
        torch.linalg.solve: _solve,
    }
    for operation, function in operations.items():
        for name in (operation, getattr(operation, "default", operation)):
            environment.override_op_definition(name, function)
            is_jax = {"is_jax_function": True}
            environment._ops[name] = dataclasses.replace(environment._ops[name], **is_jax)


def _grouped_transposed_convolution(
    inputs: jax.Array,
    weight: jax.Array,
    bias: jax.Array | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> jax.Array:
    """A transposed convolution in groups: weights of shape (inputs, outputs of a group, *window).

    It is the convolution of inputs spread by the stride with the window turned around.
    """
    window = weight.shape[2:]
    in_groups = weight.reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    kernel = in_groups.reshape(-1, *in_groups.shape[2:])
    reach = [d * (n - 1) for d, n in zip(dilation, window, strict=True)]
    outputs = lax.conv_general_dilated(
        inputs,
        jnp.flip(kernel, range(2, kernel.ndim)),
        (1,) * len(window),
        [(r - p, r - p + o) for r, p, o in zip(reach, padding, output_padding, strict=True)],
        lhs_dilation=stride,
        rhs_dilation=dilation,
        feature_group_count=groups,
    )
    return outputs if bias is None else outputs + bias.reshape(-1, *[1] * len(window))


def _embedding_bag(
    weight: jax.Array,
    indices: jax.Array,
    offsets: jax.Array,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: jax.Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> tuple[jax.Array, None, None, None]:
    """Sums (mode 0), means (1) or largest entries (2) of embeddings in each bag; 0 in empty ones.

    The bag of word i is the last one whose offset is at most i. With `include_last_offset`, the
    last offset is the end of the last bag.
    """
    num_bags = len(offsets) - include_last_offset
    bags = (offsets <= jnp.arange(len(indices))[:, None]).sum(1) - 1
    counts = indices != padding_idx
    bags = jnp.where(counts, bags, num_bags)  # those of padding are in a bag that is left out
    words = weight[indices]
    if per_sample_weights is not None:
        words = words * per_sample_weights[:, None]
    sizes = jax.ops.segment_sum(counts.astype(weight.dtype), bags, num_bags)[:, None]
    if mode == 2:
        largest = jax.ops.segment_max(words, bags, num_bags)
        outputs = jnp.where(sizes > 0, largest, 0)
    else:
        outputs = jax.ops.segment_sum(words, bags, num_bags)
        outputs = outputs / jnp.maximum(sizes, 1) if mode == 1 else outputs
    return outputs, None, None, None


def _adaptive_max_pool(x: jax.Array, sizes: Sequence[int]) -> tuple[jax.Array, jax.Array]:
    """The largest of each of `sizes` windows along the last axes, which may overlap; their places.

    A place counts the entries of the last axes, in row-major order.
    """
    spatial = x.shape[-len(sizes) :]
    places = jnp.broadcast_to(jnp.arange(math.prod(spatial)).reshape(spatial), x.shape)
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        length = x.shape[axis]
        windows = [slice(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
        at = [(..., window, *[slice(None)] * (-1 - axis)) for window in windows]
        largest = [x[a].argmax(axis, keepdims=True) for a in at]
        pairs = zip(at, largest, strict=True)
        chosen = [jnp.take_along_axis(places[a], i, axis) for a, i in pairs]
        places = jnp.concatenate(chosen, axis)
        x = jnp.stack([x[a].max(axis) for a in at], axis)
    return x, places


def _places(
    size: Sequence[int], window: Sequence[int], dilation: Any, padding: Any, stride: Any
) -> tuple[int, int]:
    """How many windows fit into an image, along each of its two axes."""
    rows, columns = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, window, dilation, padding, stride, strict=True)
    )
    return rows, columns


def _im2col(x: jax.Array, window: Any, dilation: Any, padding: Any, stride: Any) -> jax.Array:
    """The entries of windows over images: out[.., (c, i, j), (y, z)] = x[.., c, s y + d i, ..]."""
    places = _places(x.shape[-2:], window, dilation, padding, stride)
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(p, p) for p in padding])
    for axis in (0, 1):
        at = lambda i, axis=axis: slice(
            dilation[axis] * i, dilation[axis] * i + stride[axis] * (places[axis] - 1) + 1,
            stride[axis],
        )  # fmt: skip
        # Windows come behind the channels, in front of places: (.., c, [i,] y, z).
        parts = [x[..., at(i), :] if axis == 0 else x[..., at(i)] for i in range(window[axis])]
        x = jnp.stack(parts, -3)
    return x.reshape(*x.shape[:-5], -1, places[0] * places[1])


def _col2im(
    x: jax.Array, size: Any, window: Any, dilation: Any, padding: Any, stride: Any
) -> jax.Array:
    """The images whose windows these are; where windows overlap, their entries are added."""
    places = _places(size, window, dilation, padding, stride)
    x = x.reshape(*x.shape[:-2], -1, *window, *places)
    for axis in (1, 0):
        long = size[axis] + 2 * padding[axis]
        total: Any = 0
        for i in range(window[axis]):
            start = dilation[axis] * i
            end = long - start - stride[axis] * (places[axis] - 1) - 1
            part = x[..., i, :, :]
            config = [(0, 0, 0)] * part.ndim
            config[axis - 2] = (start, end, stride[axis] - 1)
            total = total + lax.pad(part, jnp.zeros((), x.dtype), config)
        x = total
    rows, columns = (slice(p, p + n) for p, n in zip(padding, size, strict=True))
    return x[..., rows, columns]


def _topk(
    x: jax.Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[jax.Array, jax.Array]:
    """The k largest or smallest entries along an axis, and where they stand."""
    x = jnp.moveaxis(x, dim, -1)
    values, indices = lax.top_k(x if largest else -x, k)
    values = values if largest else -values
    return jnp.moveaxis(values, -1, dim), jnp.moveaxis(indices, -1, dim)


def _solve(a: jax.Array, b: jax.Array, *, left: bool = True) -> jax.Array:
    """X of a x = b, or of x a = b; b holds a vector for each matrix if it has one axis less."""
    if b.ndim == 1 or b.shape == a.shape[:-1]:
        return jnp.linalg.solve(a, b[..., None])[..., 0]
    if left:
        return jnp.linalg.solve(a, b)
    return jnp.linalg.solve(a.mT, b.mT).mT
