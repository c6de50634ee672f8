"""Contractions, reductions, and whatever moves, repeats, cuts and joins entries."""

import itertools
import math
from functools import partial

import numpy as np
from elementwise_operations import truths, whole_numbers
from operations import enter, operation
from scope import NothingFits, Scope

MOST_AXES = 4

ALONG = {
    "cumsum": "lax.cumsum({0}, axis={1}, reverse={2})",
    "cumprod": "lax.cumprod({0}, axis={1}, reverse={2})",
    "cummax": "lax.cummax({0}, axis={1}, reverse={2})",
    "cummin": "lax.cummin({0}, axis={1}, reverse={2})",
    "cumlogsumexp": "lax.cumlogsumexp({0}, axis={1}, reverse={2})",
    "sorted": "lax.sort({0}, dimension={1})",
    "sorted_by_another": "lax.sort(({0}, {3}), dimension={1}, num_keys=1)",
    "sorted_backwards": "-lax.sort(-{0}, dimension={1})",
    "order": "jnp.argsort({0}, axis={1})",
    "argmax": "lax.argmax({0}, {1}, 'int32')",
    "argmin": "jnp.argmin({0}, axis={1}, keepdims={2})",
    "median": "jnp.median({0}, axis={1})",
}
"""What depends on the order along an axis."""

REDUCTIONS = {
    "sum": "jnp.sum({0}, axis={1}, keepdims={2})",
    "max_over": "jnp.max({0}, axis={1}, keepdims={2})",
    "min_over": "jnp.min({0}, axis={1}, keepdims={2})",
    "prod": "jnp.prod({0}, axis={1}, keepdims={2})",
    "mean": "jnp.mean({0}, axis={1}, keepdims={2})",
    "std": "jnp.std({0} + 0.01 * {0} ** 2, axis={1}, keepdims={2})",
    "logsumexp": "jax.nn.logsumexp({0}, axis={1}, keepdims={2})",
    "softmax": "jax.nn.softmax({0}, axis={1})",
    "normalized": "{0} / jnp.sqrt(0.2 + jnp.sum({0} ** 2, axis={1}, keepdims=True))",
}


def _along(source: str, scope: Scope) -> None:
    is_smooth = source.startswith("lax.cum")
    name = scope.one(scope.floats(1, exact=not is_smooth))
    axis, flag = scope.axis(name), scope.choose([False, True])
    other = scope.one(scope.floats(1)) if "{3}" in source else name
    scope.let(source.format(name, axis, flag, scope.fitted(other, scope.shape(name))))


def _reduction(source: str, scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    scope.let(source.format(name, scope.axis(name), scope.choose([False, True])))


for name, source in ALONG.items():
    enter("order", name, partial(_along, source))
for name, source in REDUCTIONS.items():
    enter("reduction", name, partial(_reduction, source))


@operation("order")
def largest(scope: Scope) -> None:
    name = scope.one(scope.floats(1, exact=True))
    k = scope.choose(range(1, scope.shape(name)[-1] + 1))
    suffix = scope.choose(["[0]", "[1]", ""])
    scope.let(f"lax.top_k({name}, {k}){suffix}")


@operation("integer")
def integer_reduction(scope: Scope) -> None:
    name = scope.one([n for n in whole_numbers(scope) if scope.ndim(n)])
    source = scope.choose(
        [
            "lax.reduce({0}, {0}.dtype.type(0), lax.bitwise_xor, ({1},))",
            "lax.reduce({0}, ~{0}.dtype.type(0), lax.bitwise_and, ({1},))",
            "lax.reduce({0}, {0}.dtype.type(0), lax.bitwise_or, ({1},))",
            "jnp.sum({0}, axis={1})",
            "jnp.max({0}, axis={1})",
        ]
    )
    scope.let(source.format(name, scope.axis(name)))


@operation("integer")
def bool_reduction(scope: Scope) -> None:
    name = scope.one([n for n in truths(scope) if scope.ndim(n)])
    how = scope.choose(["any", "all"])
    scope.let(f"jnp.{how}({name}, axis={scope.axis(name)})")


@operation("contraction")
def einsum(scope: Scope) -> None:
    """Axes of equal length are summed over, or lie beside each other, or stay apart."""
    one = scope.one(scope.floats(1, 3))
    other = scope.one(scope.floats(1, 3))
    letters = iter("ijklmnop")
    left = [next(letters) for _ in scope.shape(one)]
    right = [next(letters) for _ in scope.shape(other)]
    summed: set[str] = set()
    pairs = [
        (a, b)
        for a, b in itertools.product(range(len(left)), range(len(right)))
        if scope.shape(one)[a] == scope.shape(other)[b]
    ]
    for _ in range(scope.choose([1, 2])):
        open_pairs = [(a, b) for a, b in pairs if right[b] not in left and left[a] not in right]
        if open_pairs:
            a, b = scope.choose(open_pairs)
            right[b] = left[a]
            if scope.choose([True, True, False]):
                summed.add(left[a])
    out = [x for x in dict.fromkeys([*left, *right]) if x not in summed][:3]
    squash = scope.choose(["{}", "lax.tanh({})", "lax.sin({})"])
    spec = f"{''.join(left)},{''.join(right)}->{''.join(out)}"
    scope.let(squash.format(f"jnp.einsum('{spec}', {one}, {other})"))


@operation("contraction")
def matmul(scope: Scope) -> None:
    one = scope.one(scope.floats(1, 3))
    size = scope.shape(one)[-1]
    fits = lambda n: scope.shape(n)[-2 if scope.ndim(n) > 1 else 0] == size
    other = scope.one([name for name in scope.floats(1, 2) if fits(name)])
    scope.let(f"lax.tanh({one} @ {other})")


@operation("contraction")
def outer_product(scope: Scope) -> None:
    one, other = scope.one(scope.floats(1, 2)), scope.one(scope.floats(1, 1))
    scope.let(f"lax.sin({one}[..., None] * {other})")


@operation("window")
def convolution(scope: Scope) -> None:
    """The last axis are channels, the one before it places."""
    one = scope.one(scope.floats(2, 2, exact=True))
    channels = scope.shape(one)[1]
    groups = scope.choose([n for n in (1, 2, channels) if channels % n == 0])
    out = groups * scope.choose([1, 2])
    kernel = scope.fitted(
        scope.one(scope.floats(1, exact=True)), (2, channels // groups, out), "float64"
    )
    options = scope.choose(
        [
            "(1,), 'SAME'",
            "(2,), 'SAME'",
            "(1,), [(1, 2)], lhs_dilation=(2,)",
            "(1,), 'SAME', rhs_dilation=(2,)",
        ]
    )
    numbers = "dimension_numbers=('NWC', 'WIO', 'NWC')"
    scope.let(
        f"lax.conv_general_dilated({one}[None], {kernel}, {options}, {numbers}, "
        f"feature_group_count={groups})[0]"
    )


@operation("window")
def convolution_of_batches_in_groups(scope: Scope) -> None:
    one = scope.one(scope.floats(2, 2, exact=True))
    size = scope.shape(one)[0]
    kernel = scope.fitted(scope.one(scope.floats(1, exact=True)), (size, 2), "float64")
    scope.let(
        f"lax.conv_general_dilated({one}[:, None], {kernel}[:, None], (1,), 'SAME', "
        f"batch_group_count={size})[0]"
    )


POOLING = {
    "pooled_sum": "0.0), lax.add",
    "pooled_max": "-jnp.inf), lax.max",
    "pooled_min": "jnp.inf), lax.min",
    "pooled_product": "1.0), lax.mul",
}


def _pooling(source: str, scope: Scope) -> None:
    name = scope.one(scope.floats(1, 3))
    axis, ndim = scope.axis(name), scope.ndim(name)
    spread = lambda n: tuple(n if i == axis else 1 for i in range(ndim))
    stride, padding = scope.choose([1, 2]), scope.choose(["'SAME'", "'VALID'"])
    scope.let(
        f"lax.reduce_window({name}, {name}.dtype.type({source}, {spread(2)}, {spread(stride)}, "
        f"{padding})"
    )


for name, source in POOLING.items():
    enter("window", name, partial(_pooling, source))


def _factors(total: int) -> list[tuple[int, ...]]:
    parts = [n for n in range(2, total + 1) if total % n == 0]
    found = [(total,), (1, total), (total, 1)]
    found += [(a, total // a) for a in parts if a < total]
    found += [(a, b, total // a // b) for a in parts for b in parts if total // a % b == 0]
    return found


@operation("shape")
def reshape(scope: Scope) -> None:
    """Any shape of as many entries: axes merged and split, fitting or not."""
    name = scope.one(scope.floats(1))
    scope.let(f"{name}.reshape({scope.choose(_factors(scope.size(name)))})")


@operation("shape")
def flattened(scope: Scope) -> None:
    name = scope.one(scope.floats(2))
    axis = scope.choose(range(scope.ndim(name) - 1))
    shape = scope.shape(name)
    merged = (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])
    scope.let(f"{name}.reshape({merged})")


@operation("shape")
def split_axis(scope: Scope) -> None:
    name = scope.one(scope.where(lambda n: any(size > 3 for size in scope.shape(n))))
    shape = scope.shape(name)
    axis = scope.choose([axis for axis, size in enumerate(shape) if size > 3])
    options = [n for n in (2, 3, 4) if shape[axis] % n == 0 and n < shape[axis]]
    if not options or len(shape) >= MOST_AXES:
        raise NothingFits
    outer = scope.choose(options)
    scope.let(f"{name}.reshape({(*shape[:axis], outer, shape[axis] // outer, *shape[axis + 1 :])})")


@operation("shape")
def transposed(scope: Scope) -> None:
    name = scope.one(scope.floats(2))
    order = scope.choose(list(itertools.permutations(range(scope.ndim(name))))[1:])
    scope.let(f"lax.transpose({name}, {order})")


@operation("shape")
def with_axis(scope: Scope) -> None:
    name = scope.one(scope.floats(0, 2))
    axis = scope.choose(range(scope.ndim(name) + 1))
    source = scope.choose(
        ["jnp.expand_dims({0}, {1})", "jnp.repeat(jnp.expand_dims({0}, {1}), 2, {1})"]
    )
    scope.let(source.format(name, axis))


@operation("shape")
def squeezed(scope: Scope) -> None:
    name = scope.one(scope.where(lambda n: 1 in scope.shape(n)))
    scope.let(f"lax.squeeze({name}, ({scope.shape(name).index(1)},))")


@operation("shape")
def broadcast(scope: Scope) -> None:
    name = scope.one(scope.floats(0, 2))
    size = scope.choose([2, 3])
    scope.let(f"lax.broadcast_in_dim({name}, {(size, *scope.shape(name))}, "
              f"{tuple(range(1, scope.ndim(name) + 1))})")  # fmt: skip


@operation("shape")
def tiled(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    axis = scope.axis(name)
    reps = tuple(2 if i == axis else 1 for i in range(scope.ndim(name)))
    source = scope.choose(
        ["jnp.tile({0}, {1})", "lax.tile({0}, {1})", "jnp.repeat({0}, 2, axis={2})"]
    )
    scope.let(source.format(name, reps, axis))


@operation("shape")
def concatenated(scope: Scope) -> None:
    one = scope.one(scope.floats(1))
    axis = scope.axis(one)
    size = scope.choose(sorted({1, 2, 3, scope.shape(one)[axis]}))
    shape = tuple(size if i == axis else n for i, n in enumerate(scope.shape(one)))
    other = scope.fitted(scope.one(scope.floats()), shape, scope.dtype(one))
    parts = scope.choose([f"[{one}, {other}]", f"[{other}, {one}]", f"[{one}, {other}, -{one}]"])
    scope.let(f"jnp.concatenate({parts}, axis={axis})")


@operation("shape")
def concatenated_with_a_constant(scope: Scope) -> None:
    one = scope.one(scope.floats(1))
    axis = scope.axis(one)
    shape = tuple(2 if i == axis else n for i, n in enumerate(scope.shape(one)))
    other = scope.choose(
        ["jnp.zeros({0}, {1}.dtype)", "jnp.full({0}, 0.6, {1}.dtype)",
         "jnp.linspace(0.1, 0.9, {2}).astype({1}.dtype).reshape({0})"]
    ).format(shape, one, math.prod(shape))  # fmt: skip
    parts = scope.choose([f"[{one}, {other}]", f"[{other}, {one}]"])
    scope.let(f"jnp.concatenate({parts}, axis={axis})")


@operation("shape")
def stacked(scope: Scope) -> None:
    one = scope.one(scope.floats(0, 2))
    other = scope.fitted(scope.one(scope.floats()), scope.shape(one), scope.dtype(one))
    axis = scope.choose(range(scope.ndim(one) + 1))
    scope.let(f"jnp.stack([{one}, {other}], axis={axis})")


@operation("shape")
def stacked_twice_and_merged(scope: Scope) -> None:
    """Pieces along two new axes behind an axis, which is merged with both."""
    one = scope.one(scope.floats(1, 2))
    shape = scope.shape(one)
    rows = f"jnp.stack([{one}, 2 * {one}], -1)"
    merged = (*shape[:-1], 4 * shape[-1])
    scope.let(f"jnp.stack([{rows}, jnp.tanh({rows})], -1).reshape({merged})")


@operation("shape")
def unstacked(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    scope.let(f"jnp.unstack({name}, axis={scope.axis(name)})")


@operation("shape")
def split(scope: Scope) -> None:
    name = scope.one(scope.where(lambda n: scope.ndim(n) > 0 and max(scope.shape(n)) > 1))
    axis = int(np.argmax(scope.shape(name)))
    place = scope.choose(range(1, scope.shape(name)[axis]))
    sizes = (place, scope.shape(name)[axis] - place)
    scope.let(f"lax.split({name}, {sizes}, axis={axis})")


@operation("shape")
def sliced(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    axis = scope.axis(name)
    size = scope.shape(name)[axis]
    start = scope.choose(range(size))
    stop = scope.choose(range(size, start, -1))
    scope.let(f"lax.slice_in_dim({name}, {start}, {stop}, axis={axis})")


@operation("order")
def strided(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    axis = scope.axis(name)
    scope.let(f"lax.slice_in_dim({name}, {scope.choose([0, 1])}, None, 2, axis={axis})")


@operation("order")
def reversed_axis(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    scope.let(f"lax.rev({name}, ({scope.axis(name)},))")


@operation("shape")
def rolled(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    scope.let(f"jnp.roll({name}, {scope.choose([1, 2])}, axis={scope.axis(name)})")


@operation("shape")
def padded(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    axis = scope.axis(name)
    config = scope.choose([(0, 1, 0), (1, 1, 0), (-1, 1, 0), (0, 0, 1), (1, -1, 1), (2, 0, 0)])
    every = [config if i == axis else (0, 0, 0) for i in range(scope.ndim(name))]
    number = scope.fitted(scope.one(scope.floats(0)), (), scope.dtype(name))
    value = scope.choose([f"{name}.dtype.type(0)", f"{name}.dtype.type(0.5)", number])
    scope.let(f"lax.pad({name}, {value}, {every})")


@operation("order")
def fourier(scope: Scope) -> None:
    name = scope.one([name for name in scope.of_dtype("float64") if scope.ndim(name)])
    source = scope.choose(["lax.abs(jnp.fft.fft({0}, axis={1}))", "jnp.fft.rfft({0}, axis={1})"])
    scope.let(source.format(name, scope.axis(name)))


@operation("order")
def triangle(scope: Scope) -> None:
    name = scope.one(scope.floats(2))
    scope.let(f"jnp.{scope.choose(['tril', 'triu'])}({name})")


@operation("order")
def diagonal(scope: Scope) -> None:
    name = scope.one(scope.floats(2, 2))
    scope.let(f"jnp.diagonal({name})")
