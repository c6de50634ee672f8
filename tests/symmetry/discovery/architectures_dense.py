"""Dense networks: every way to write a matrix product, and how layers are joined."""

import jax
import jax.numpy as jnp
from architecture import Family
from jax.nn import gelu, relu, sigmoid, silu

DENSE = Family()
MLP = {"w1": (4, 6), "b1": (6,), "w2": (6, 5), "b2": (5,), "w3": (5, 3), "b3": (3,)}
MLP_TRANSPOSED = {"w1": (6, 4), "b1": (6,), "w2": (5, 6), "b2": (5,), "w3": (3, 5), "b3": (3,)}


@DENSE.network(MLP, [(2, 4)], [6, 5])
def mlp(p, x):
    x = relu(x @ p["w1"] + p["b1"])
    x = relu(x @ p["w2"] + p["b2"])
    return x @ p["w3"] + p["b3"]


@DENSE.network(MLP_TRANSPOSED, [(4,)], [6, 5])
def mlp_of_columns(p, x):
    x = jnp.tanh(p["w1"] @ x + p["b1"])
    x = jnp.tanh(p["w2"] @ x + p["b2"])
    return p["w3"] @ x + p["b3"]


@DENSE.network(MLP_TRANSPOSED, [(2, 4)], [6, 5])
def mlp_of_transposed_kernels(p, x):
    for k in "12":
        x = gelu(x @ p[f"w{k}"].T + p[f"b{k}"])
    return x @ p["w3"].T + p["b3"]


@DENSE.network(MLP_TRANSPOSED, [(2, 4)], [6, 5])
def mlp_mapped_over_examples(p, batch):
    return jax.vmap(lambda x: mlp_of_columns(p, x))(batch)


@DENSE.network({"w1": (4, 6), "w2": (5, 6), "w3": (3, 5)}, [(2, 7, 4)], [6, 5])
def mlp_by_einsum_with_batch(p, x):
    x = jnp.tanh(jnp.einsum("bti,io->bto", x, p["w1"]))
    x = jnp.tanh(jnp.einsum("bti,oi->obt", x, p["w2"]))
    return jnp.einsum("oi,ibt->bot", p["w3"], x)


@DENSE.network({"w1": (4, 2, 3), "s": (2, 1), "w2": (2, 3, 5), "w3": (5, 2)}, [(2, 4)],
               [2, (3, (2,)), 5])  # fmt: skip
def kernel_of_two_unit_axes(p, x):
    # Units (j, k): k may be permuted anew for each j, but not j for each k, for s has one of j.
    x = relu(jnp.einsum("bi,ijk->bjk", x, p["w1"]) * p["s"])
    return relu(jnp.tensordot(x, p["w2"], 2)) @ p["w3"]


@DENSE.network(
    {f"w{k}": (k + 2, k + 3) for k in range(6)}, [(3, 2)], [3, 4, 5, 6, 7]
)  # fmt: skip
def deep_mlp(p, x):
    for k in range(5):
        x = jnp.tanh(x @ p[f"w{k}"])
    return x @ p["w5"]


RESIDUAL = {"e": (4, 6), "u1": (6, 5), "v1": (5, 6), "u2": (6, 7), "v2": (7, 6), "o": (6, 2)}


@DENSE.network(RESIDUAL, [(2, 4)], [6, 5, 7])
def residual_mlp(p, x):
    h = x @ p["e"]
    h = h + relu(h @ p["u1"]) @ p["v1"]
    h = h + relu(h @ p["u2"]) @ p["v2"]
    return h @ p["o"]


@DENSE.network({"u": (4, 6), "v": (6, 4)}, [(2, 4)], [6])
def residual_onto_the_inputs(p, x):
    return x + relu(x @ p["u"]) @ p["v"]


@DENSE.network({"w1": (4, 5), "w2": (9, 3), "w3": (12, 2)}, [(2, 4)], [5, 3])
def densenet(p, x):
    x = jnp.concatenate([x, relu(x @ p["w1"])], -1)
    x = jnp.concatenate([x, relu(x @ p["w2"])], -1)
    return x @ p["w3"]


UNET = {"d1": (4, 8), "d2": (8, 3), "u1": (3, 6), "m": (14, 5), "o": (9, 2)}


@DENSE.network(UNET, [(2, 4)], [8, 3, 6, 5])
def unet(p, x):
    one = relu(x @ p["d1"])
    two = relu(one @ p["d2"])
    up = relu(two @ p["u1"])
    up = relu(jnp.concatenate([one, up], -1) @ p["m"])
    return jnp.concatenate([up, x], -1) @ p["o"]


@DENSE.network({"w": (4, 10), "b": (10,), "o": (5, 2)}, [(2, 4)], [5])
def glu(p, x):
    return jax.nn.glu(x @ p["w"] + p["b"]) @ p["o"]


@DENSE.network({"e": (3, 4), "w": (4, 12), "v": (6, 4), "o": (4, 2)}, [(2, 3)], [4, 6])
def swiglu_by_split(p, x):
    h = x @ p["e"]
    gate, up = jnp.split(h @ p["w"], 2, axis=-1)
    return (h + (silu(gate) * up) @ p["v"]) @ p["o"]


@DENSE.network({"g": (4, 6), "u": (4, 6), "v": (6, 2)}, [(2, 4)], [6])
def swiglu_by_two_matrices(p, x):
    return (silu(x @ p["g"]) * (x @ p["u"])) @ p["v"]


@DENSE.network({"w": (4, 2, 6), "b": (2, 6), "v": (6, 2)}, [(2, 4)], [6])
def gate_by_an_axis_of_two(p, x):
    h = jnp.einsum("bi,igh->bgh", x, p["w"]) + p["b"]
    return (h[:, 0] * sigmoid(h[:, 1])) @ p["v"]


@DENSE.network({"t": (4, 6), "h": (4, 6), "e": (4, 6), "o": (6, 2)}, [(2, 4)], [6])
def highway(p, x):
    t = sigmoid(x @ p["t"])
    return (t * relu(x @ p["h"]) + (1 - t) * (x @ p["e"])) @ p["o"]


@DENSE.network({"w": (4, 15), "o": (5, 2)}, [(2, 4)], [5, (3, (5,))])
def maxout(p, x):
    return (x @ p["w"]).reshape(-1, 5, 3).max(-1) @ p["o"]


@DENSE.network({"e": (4, 6), "w": (6, 6), "b": (6,), "o": (6, 2)}, [(2, 4)], [6])
def one_matrix_twice(p, x):
    h = x @ p["e"]
    for _ in range(2):
        h = relu(h @ p["w"] + p["b"])
    return h @ p["o"]


@DENSE.network({"w": (4, 6), "b": (6,)}, [(2, 4)], [6])
def tied_autoencoder(p, x):
    return relu(x @ p["w"] + p["b"]) @ p["w"].T


@DENSE.network({"w": (4, 6), "v": (6, 5), "o": (5, 2)}, [(2, 4), (2, 4)], [6, 5])
def siamese(p, x, y):
    code = lambda z: jnp.tanh(jnp.tanh(z @ p["w"]) @ p["v"])
    return (code(x) - code(y)) ** 2 @ p["o"]


@DENSE.network({"w": (4, 5), "v": (4, 6), "m": (5, 6, 3), "o": (3, 2)}, [(2, 4)], [5, 6, 3])
def bilinear(p, x):
    # Both hidden layers are read by one kernel of three axes, whose sum is read on.
    h = jnp.einsum("bi,bj,ijk->bk", relu(x @ p["w"]), relu(x @ p["v"]), p["m"])
    return relu(h) @ p["o"]


@DENSE.network({"w": (4, 5), "v": (4, 6), "o": (30, 2)}, [(2, 4)], [5, 6])
def outer_product_flattened(p, x):
    h = relu(x @ p["w"])[:, :, None] * relu(x @ p["v"])[:, None, :]
    return h.reshape(-1, 30) @ p["o"]


@DENSE.network({"a": (4, 3), "b": (3, 6), "o": (6, 2)}, [(2, 4)], [3, 6])
def low_rank_kernel(p, x):
    return relu(x @ (p["a"] @ p["b"])) @ p["o"]


@DENSE.network({"v": (4, 6), "g": (6,), "o": (6, 2)}, [(2, 4)], [6])
def weight_normalization(p, x):
    w = p["g"] * p["v"] / jnp.linalg.norm(p["v"], axis=0, keepdims=True)
    return relu(x @ w) @ p["o"]


@DENSE.network({"c": (6, 4), "s": (6,), "o": (6, 2)}, [(2, 4)], [6])
def radial_basis(p, x):
    gaps = ((x[:, None, :] - p["c"][None]) ** 2).sum(-1)
    return jnp.exp(-gaps * p["s"] ** 2) @ p["o"]


@DENSE.network({"w": (4, 6), "a": (6,), "o": (6, 2)}, [(2, 4)], [6])
def parametric_relu(p, x):
    h = x @ p["w"]
    return jnp.where(h > 0, h, h * p["a"]) @ p["o"]


@DENSE.network({"h": (5, 24), "z": (5,), "o": (6, 2)}, [(2, 4)], [5, 6])
def hypernetwork(p, x):
    # One network writes the kernel (4, 6) of another.
    kernel = (jnp.tanh(p["z"]) @ p["h"]).reshape(4, 6)
    return relu(x @ kernel) @ p["o"]


@DENSE.network({"w": (4, 6), "s": (6,), "o": (6, 2)}, [(3, 4)], [6])
def one_scale_for_all_rows_laid_flat(p, x):
    h = relu(x @ p["w"]).reshape(-1) * jnp.tile(p["s"], 3)
    return h.reshape(3, 6) @ p["o"]


@DENSE.network({"w": (4, 6), "s": (1,), "o": (6, 2)}, [(3, 4)], [6])
def scale_of_the_whole_layer(p, x):
    return relu(x @ p["w"] * jnp.reshape(p["s"], ())) @ p["o"]
