"""Convolutional networks: layouts, groups of channels, normalization, pooling, flattening."""

import jax.numpy as jnp
from architecture import Family
from jax import lax
from jax.nn import relu, sigmoid

CONV = Family()
NHWC = ("NHWC", "HWIO", "NHWC")


def conv(x, kernel, strides=(1, 1), padding="SAME", groups=1, dilation=(1, 1)):
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=NHWC,
        feature_group_count=groups,
    )


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def batchnorm(p, x):
    return (x - p["mean"]) / jnp.sqrt(p["var"] + 1e-5) * p["scale"] + p["bias"]


def normalize(x, axes):
    return (x - x.mean(axes, keepdims=True)) / jnp.sqrt(x.var(axes, keepdims=True) + 1e-5)


BN = {"mean": (6,), "var": (6,), "scale": (6,), "bias": (6,)}
BN5 = dict.fromkeys(BN, (5,))
IMAGE = [(2, 4, 4, 1)]


@CONV.network({"k1": (3, 3, 1, 6), "b1": (6,), "k2": (3, 3, 6, 5), "o": (5, 2)}, IMAGE, [6, 5])
def cnn_with_global_pooling(p, x):
    x = max_pool(relu(conv(x, p["k1"]) + p["b1"]))
    return relu(conv(x, p["k2"])).mean((1, 2)) @ p["o"]


@CONV.network({"k1": (6, 1, 3, 3), "b1": (6,), "k2": (5, 6, 3, 3), "o": (5, 2)}, [(2, 1, 4, 4)],
              [6, 5])  # fmt: skip
def cnn_with_channels_first(p, x):
    x = relu(lax.conv(x, p["k1"], (1, 1), "SAME") + p["b1"][:, None, None])
    return lax.conv(x, p["k2"], (2, 2), "VALID").max((2, 3)) @ p["o"]


@CONV.network({"k1": (3, 2, 6), "k2": (3, 6, 5), "o": (5, 2)}, [(2, 8, 2)], [6, 5])
def cnn_in_one_dimension(p, x):
    for k in "12":
        x = relu(lax.conv_general_dilated(x, p[f"k{k}"], (1,), "SAME",
                                          dimension_numbers=("NWC", "WIO", "NWC")))  # fmt: skip
    return x.max(1) @ p["o"]


@CONV.network({"k1": (2, 2, 2, 1, 3), "k2": (2, 2, 2, 3, 4), "o": (4, 2)}, [(1, 3, 3, 3, 1)],
              [3, 4])  # fmt: skip
def cnn_in_three_dimensions(p, x):
    for k in "12":
        x = jnp.tanh(lax.conv_general_dilated(x, p[f"k{k}"], (1, 1, 1), "SAME",
                                       dimension_numbers=("NDHWC", "DHWIO", "NDHWC")))  # fmt: skip
    return x.mean((1, 2, 3)) @ p["o"]


@CONV.network({"k1": (3, 3, 1, 6), "k2": (3, 3, 6, 5), "o": (5, 2)}, [(1, 7, 7, 1)], [6, 5])
def strided_and_dilated(p, x):
    x = relu(conv(x, p["k1"], strides=(2, 2)))
    return relu(conv(x, p["k2"], dilation=(2, 2))).mean((1, 2)) @ p["o"]


@CONV.network({"k1": (3, 3, 1, 6), "k2": (3, 3, 3, 8), "o": (8, 2)}, IMAGE,
              [2, (3, (2,)), (4, (2,))])  # fmt: skip
def grouped(p, x):
    # Two groups, with the three channels that go into each and the four that come out.
    x = relu(conv(x, p["k1"]))
    return relu(conv(x, p["k2"], groups=2)).mean((1, 2)) @ p["o"]


@CONV.network({"k1": (3, 3, 1, 6), "k2": (3, 3, 3, 6), "k3": (3, 3, 2, 6), "o": (6, 2)}, IMAGE,
              [2, (3, (2,)), 3, (2, (3,))])  # fmt: skip
def channels_shuffled_between_groups(p, x):
    # What is a channel of a group becomes a group, so it no longer moves within its group alone.
    x = relu(conv(x, p["k1"]))
    x = relu(conv(x, p["k2"], groups=2)).reshape(2, 4, 4, 2, 3)
    x = x.swapaxes(-1, -2).reshape(2, 4, 4, 6)
    return relu(conv(x, p["k3"], groups=3)).mean((1, 2)) @ p["o"]


@CONV.network({"k1": (3, 3, 1, 6), "k2": (3, 3, 1, 6), "b": (6,), "o": (6, 2)}, IMAGE, [6])
def depthwise(p, x):
    x = relu(conv(x, p["k1"]))
    return relu(conv(x, p["k2"], groups=6) + p["b"]).mean((1, 2)) @ p["o"]


@CONV.network({"k1": (3, 3, 1, 6), "k2": (3, 3, 1, 12), "o": (12, 2)}, IMAGE, [6, (2, (6,))])
def depthwise_with_two_outputs_a_channel(p, x):
    x = relu(conv(x, p["k1"]))
    return relu(conv(x, p["k2"], groups=6)).mean((1, 2)) @ p["o"]


@CONV.network(
    {"e": (1, 1, 1, 3), "u": (1, 1, 3, 6), "d": (3, 3, 1, 6), "v": (1, 1, 6, 3), "o": (3, 2)},
    IMAGE,
    [3, 6],
)
def inverted_residual(p, x):
    x = conv(x, p["e"])
    inner = relu(conv(relu(conv(x, p["u"])), p["d"], groups=6))
    return (x + conv(inner, p["v"])).mean((1, 2)) @ p["o"]


@CONV.network({"k1": (3, 3, 1, 6), "k2": (3, 3, 6, 5), "k3": (3, 3, 5, 1)}, IMAGE, [6, 5])
def transposed_convolution(p, x):
    x = relu(conv(x, p["k1"], strides=(2, 2)))
    x = relu(lax.conv_transpose(x, p["k2"], (2, 2), "SAME"))
    return conv(x, p["k3"])


@CONV.network({"k1": (3, 3, 1, 6), "n": BN, "k2": (3, 3, 6, 5), "m": BN5, "o": (5, 2)}, IMAGE,
              [6, 5])  # fmt: skip
def cnn_with_batchnorm(p, x):
    # Scale, bias, running mean and running variance move with the channels.
    x = relu(batchnorm(p["n"], conv(x, p["k1"])))
    return relu(batchnorm(p["m"], conv(x, p["k2"]))).mean((1, 2)) @ p["o"]


@CONV.network({"k": (3, 3, 1, 6), "d": (24, 5), "o": (5, 2)}, IMAGE, [6, 5])
def cnn_with_flatten(p, x):
    # Rows of the dense kernel list 4 places with 6 channels each.
    x = max_pool(relu(conv(x, p["k"])))
    return relu(x.reshape(x.shape[0], -1) @ p["d"]) @ p["o"]


@CONV.network({"k": (6, 1, 3, 3), "d": (96, 5), "o": (5, 2)}, [(2, 1, 4, 4)], [6, 5])
def cnn_with_flatten_of_channels_first(p, x):
    # Rows of the dense kernel list 6 channels with 16 places each.
    x = relu(lax.conv(x, p["k"], (1, 1), "SAME"))
    return relu(x.reshape(x.shape[0], -1) @ p["d"]) @ p["o"]


@CONV.network({"k": (3, 3, 1, 6), "n": BN, "d": (5, 96), "o": (2, 5)}, IMAGE, [6, 5])
def cnn_with_batchnorm_and_flatten(p, x):
    x = relu(batchnorm(p["n"], conv(x, p["k"])))
    return relu(x.reshape(2, -1) @ p["d"].T) @ p["o"].T


@CONV.network({"k1": (3, 3, 1, 4), "k2": (3, 3, 4, 6), "d": (160, 2)}, IMAGE, [4, 6])
def concatenated_channels_flattened(p, x):
    # Places come first in the flat rows, so that 4 and 6 channels take turns.
    x = relu(conv(x, p["k1"]))
    x = jnp.concatenate([x, relu(conv(x, p["k2"]))], -1)
    return x.reshape(2, -1) @ p["d"]


@CONV.network({"k": (3, 3, 1, 6), "s": (6,), "o": (6, 2)}, IMAGE, [3, (2, (3,))])
def groupnorm(p, x):
    x = normalize(conv(x, p["k"]).reshape(2, 4, 4, 3, 2), (1, 2, 4)).reshape(2, 4, 4, 6)
    return relu(x * p["s"]).mean((1, 2)) @ p["o"]


@CONV.network({"k": (3, 3, 1, 6), "s": (6,), "o": (6, 2)}, IMAGE, [6])
def instancenorm(p, x):
    return relu(normalize(conv(x, p["k"]), (1, 2)) * p["s"]).mean((1, 2)) @ p["o"]


@CONV.network({"k": (3, 3, 1, 6), "s": (4, 4, 6), "o": (6, 2)}, IMAGE, [6])
def layernorm_over_an_image(p, x):
    return relu(normalize(conv(x, p["k"]), (1, 2, 3)) * p["s"]).mean((1, 2)) @ p["o"]


@CONV.network({"k": (3, 3, 1, 6), "k2": (3, 3, 6, 5), "o": (5, 2)}, IMAGE, [5])
def response_normalization_between_neighbouring_channels(p, x):
    x = conv(x, p["k"])
    near = lax.reduce_window(x**2, 0.0, lax.add, (1, 1, 1, 3), (1, 1, 1, 1), "SAME")
    return relu(conv(x / jnp.sqrt(1 + near), p["k2"])).mean((1, 2)) @ p["o"]


@CONV.network({"k1": (3, 3, 1, 6), "k2": (3, 3, 6, 5), "o": (5, 2)}, IMAGE, [6, 5])
def average_pooling(p, x):
    x = relu(conv(x, p["k1"]))
    x = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 1, 1, 1), "SAME") / 4
    return conv(x, p["k2"]).sum((1, 2)) @ p["o"]


@CONV.network({"k": (3, 3, 1, 6), "u": (6, 3), "v": (3, 6), "o": (6, 2)}, IMAGE, [6, 3])
def squeeze_and_excite(p, x):
    x = relu(conv(x, p["k"]))
    gate = sigmoid(relu(x.mean((1, 2)) @ p["u"]) @ p["v"])
    return (x * gate[:, None, None, :]).mean((1, 2)) @ p["o"]


RESNET = {"e": (3, 3, 1, 6), "n": BN, "u": (3, 3, 6, 5), "v": (3, 3, 5, 6), "w": (3, 3, 6, 4),
          "s": (1, 1, 6, 4), "o": (4, 2)}  # fmt: skip


@CONV.network(RESNET, IMAGE, [6, 5, 4])
def resnet(p, x):
    # The second block has other channels, so its shortcut is a convolution.
    x = conv(x, p["e"])
    x = x + batchnorm(p["n"], conv(relu(conv(x, p["u"])), p["v"]))
    x = relu(conv(x, p["w"], (2, 2))) + conv(x, p["s"], (2, 2))
    return x.mean((1, 2)) @ p["o"]


@CONV.network({"d": (3, 3, 1, 6), "e": (3, 3, 6, 5), "u": (3, 3, 11, 4), "o": (1, 1, 4, 2)}, IMAGE,
              [6, 5, 4])  # fmt: skip
def convolutional_unet(p, x):
    one = relu(conv(x, p["d"]))
    two = relu(conv(max_pool(one), p["e"]))
    up = jnp.repeat(jnp.repeat(two, 2, axis=1), 2, axis=2)
    return conv(relu(conv(jnp.concatenate([up, one], -1), p["u"])), p["o"])


@CONV.network({"k": (3, 3, 1, 12), "u": (3, 3, 3, 1)}, IMAGE, [3])
def pixel_shuffle(p, x):
    # Of 12 channels, 3 stay channels and 4 become places, which keep their order.
    x = conv(x, p["k"]).reshape(2, 4, 4, 3, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return conv(relu(x.reshape(2, 8, 8, 3)), p["u"])


def max_and_place(x, window, padding):
    """Maxima with where they stand, as those who unpool want to know; reduced together."""
    places = lax.broadcasted_iota("int32", x.shape, 1)
    larger = lambda a, b: tuple(jnp.where(a[0] >= b[0], *c) for c in zip(a, b, strict=True))
    start = (jnp.asarray(-jnp.inf, x.dtype), jnp.asarray(0, "int32"))
    return lax.reduce_window((x, places), start, larger, window, window, padding)


@CONV.network({"w": (2, 6), "v": (6, 5), "o": (5, 2)}, [(3, 8, 2)], [6, 5])
def largest_of_neighbours_and_where_it_stands(p, x):
    h, places = max_and_place(relu(x @ p["w"]), (1, 3, 1), ((0, 0), (1, 1), (0, 0)))
    return relu((h * places) @ p["v"]) @ p["o"]


@CONV.network({"w": (2, 6), "v": (3, 5), "o": (5, 2)}, [(3, 8, 2)], [5])
def largest_of_neighbouring_units(p, x):
    h, _ = max_and_place(relu(x @ p["w"]), (1, 2, 2), "VALID")
    return relu(h @ p["v"]) @ p["o"]


@CONV.network({"k": (1, 3), "w": (12, 5), "o": (5, 2)}, [(2, 4, 4, 1)], [3, 5])
def windows_stacked_along_two_axes_behind_the_channels(p, x):
    # (n, y, z, c) with windows as two axes of pieces: (n, y, z, c, i, j), flattened to (.., 12).
    h = x @ p["k"]
    rows = jnp.stack([h[:, :3], h[:, 1:]], -1)
    windows = jnp.stack([rows[:, :, :3], rows[:, :, 1:]], -1)
    return relu(windows.reshape(2, 3, 3, 12) @ p["w"]) @ p["o"]
