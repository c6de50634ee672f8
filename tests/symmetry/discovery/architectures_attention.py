"""Attention in all its layouts, embeddings, and the networks that are made of them."""

import jax
import jax.numpy as jnp
import numpy as np
from architecture import Family, tokens
from jax.nn import gelu, relu, softmax

ATTENTION = Family()
HEADS = {"q": (4, 2, 5), "k": (4, 2, 5), "v": (4, 2, 3), "o": (2, 3, 4)}
# Heads, and inside of each head the dimensions of its scores and of its values.
OF_HEADS = [2, (5, (2,)), (3, (2,))]
OF_PACKED = [2, (5, (2,)), (5, (2,))]
TOKENS = [(2, 7, 4)]


def attend(q, k, v):
    """Batch, tokens, heads, dimensions."""
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / np.sqrt(q.shape[-1])
    return jnp.einsum("bhts,bshd->bthd", softmax(scores), v)


def layernorm(h, scale, bias):
    h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)
    return h * scale + bias


def heads_of(p, x):
    q, k, v = (jnp.einsum("bte,ehd->bthd", x, p[name]) for name in "qkv")
    return jnp.einsum("bthd,hde->bte", attend(q, k, v), p["o"])


@ATTENTION.network(HEADS, TOKENS, OF_HEADS)
def attention(p, x):
    return heads_of(p, x)


@ATTENTION.network(
    {"q": (4, 10), "bq": (10,), "k": (4, 10), "v": (4, 10), "bv": (10,), "o": (10, 4)},
    TOKENS,
    OF_PACKED,
)
def attention_of_flat_kernels(p, x):
    q, k, v = x @ p["q"] + p["bq"], x @ p["k"], x @ p["v"] + p["bv"]
    q, k, v = (one.reshape(2, 7, 2, 5) for one in (q, k, v))
    return attend(q, k, v).reshape(2, 7, 10) @ p["o"]


@ATTENTION.network({"qkv": (4, 30), "b": (30,), "o": (10, 4)}, TOKENS, OF_PACKED)
def attention_packed_by_split(p, x):
    packed = jnp.split(x @ p["qkv"] + p["b"], 3, axis=-1)
    q, k, v = (one.reshape(2, 7, 2, 5) for one in packed)
    return attend(q, k, v).reshape(2, 7, 10) @ p["o"]


@ATTENTION.network({"qkv": (4, 30), "b": (30,), "o": (10, 4)}, TOKENS, OF_PACKED)
def attention_packed_by_reshape(p, x):
    packed = (x @ p["qkv"] + p["b"]).reshape(2, 7, 3, 2, 5)
    q, k, v = packed[:, :, 0], packed[:, :, 1], packed[:, :, 2]
    return attend(q, k, v).reshape(2, 7, 10) @ p["o"]


@ATTENTION.network({"qkv": (4, 30), "b": (30,), "o": (10, 4)}, TOKENS, OF_PACKED)
def attention_packed_by_reshape_with_heads_in_front(p, x):
    packed = (x @ p["qkv"] + p["b"]).reshape(2, 7, 3, 2, 5).transpose(2, 0, 3, 1, 4)
    q, k, v = packed
    scores = softmax(q @ k.swapaxes(-1, -2))
    return (scores @ v).transpose(0, 2, 1, 3).reshape(2, 7, 10) @ p["o"]


@ATTENTION.network({"qkv": (4, 30), "b": (30,), "o": (10, 4)}, TOKENS, OF_PACKED)
def attention_packed_head_by_head(p, x):
    # Heads first, then queries, keys and values of each.
    q, k, v = jnp.split((x @ p["qkv"] + p["b"]).reshape(2, 7, 2, 15), 3, axis=-1)
    return attend(q, k, v).reshape(2, 7, 10) @ p["o"]


@ATTENTION.network({"e": (4, 6), "q": (6, 5), "k": (6, 5), "v": (6, 3), "o": (3, 2)}, TOKENS,
                   [6, 5, 3])  # fmt: skip
def attention_of_one_head(p, x):
    h = x @ p["e"]
    scores = softmax((h @ p["q"]) @ (h @ p["k"]).swapaxes(1, 2))
    return scores @ (h @ p["v"]) @ p["o"]


@ATTENTION.network({"q": (4, 30), "k": (4, 10), "v": (4, 8), "o": (24, 4)}, TOKENS,
                   [2, (3, (2,)), (5, (2,)), (4, (2,))])  # fmt: skip
def grouped_query_attention(p, x):
    # Two heads of keys and values, each read by three heads of queries, which share dimensions.
    q = (x @ p["q"]).reshape(2, 7, 2, 3, 5)
    k, v = (x @ p["k"]).reshape(2, 7, 2, 5), (x @ p["v"]).reshape(2, 7, 2, 4)
    scores = softmax(jnp.einsum("btgqd,bsgd->bgqts", q, k))
    return jnp.einsum("bgqts,bsgd->btgqd", scores, v).reshape(2, 7, 24) @ p["o"]


@ATTENTION.network({"q": (4, 30), "k": (4, 10), "v": (4, 8), "o": (24, 4)}, TOKENS,
                   [2, (3, (2,)), (5, (2,)), (4, (2,))])  # fmt: skip
def grouped_query_attention_by_repeat(p, x):
    q = (x @ p["q"]).reshape(2, 7, 6, 5)
    k, v = (x @ p["k"]).reshape(2, 7, 2, 5), (x @ p["v"]).reshape(2, 7, 2, 4)
    k, v = (jnp.repeat(one, 3, axis=2) for one in (k, v))
    return attend(q, k, v).reshape(2, 7, 24) @ p["o"]


@ATTENTION.network({"q": (4, 3, 5), "k": (4, 5), "v": (4, 2), "o": (3, 2, 4)}, TOKENS, [3, 5, 2])
def multi_query_attention(p, x):
    # All heads share keys and values, so dimensions move alike in all of them.
    scores = jnp.einsum("bthd,bsd->bhts", jnp.einsum("bte,ehd->bthd", x, p["q"]), x @ p["k"])
    return jnp.einsum("bhts,bsd,hde->bte", softmax(scores), x @ p["v"], p["o"])


def rotate(x):
    angles = np.arange(7.0)[:, None] * np.array([1.0, 0.1])
    one, two = jnp.split(x, 2, axis=-1)
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    return jnp.concatenate([one * cos - two * sin, one * sin + two * cos], -1)


@ATTENTION.network({"q": (4, 12), "k": (4, 12), "v": (4, 6), "o": (6, 4)}, TOKENS, [3, (2, (3,))])
def rotary_attention(p, x):
    # Each pair of dimensions turns at a speed of its own, in a direction of its own.
    q, k = ((x @ p[name]).reshape(2, 7, 3, 4) for name in "qk")
    v = (x @ p["v"]).reshape(2, 7, 3, 2)
    return attend(rotate(q), rotate(k), v).reshape(2, 7, 6) @ p["o"]


@ATTENTION.network({"q": (4, 2, 5), "k": (4, 2, 5), "m": (2, 3), "v": (4, 3, 6), "o": (3, 6, 4)},
                   TOKENS, [2, 3, (5, (2,)), (6, (3,))])  # fmt: skip
def talking_heads(p, x):
    q, k, v = (jnp.einsum("bte,ehd->bthd", x, p[name]) for name in "qkv")
    scores = jnp.einsum("bthd,bshd,hg->bgts", q, k, p["m"])
    return jnp.einsum("bgts,bsgd,gde->bte", softmax(scores), v, p["o"])


@ATTENTION.network(HEADS, TOKENS, OF_HEADS)
def linear_attention(p, x):
    q, k, v = (jnp.einsum("bte,ehd->bthd", x, p[name]) for name in "qkv")
    memory = jnp.einsum("bshd,bshf->bhdf", jnp.exp(k), v)
    return jnp.einsum("bthd,bhdf,hfe->bte", jnp.exp(q), memory, p["o"])


@ATTENTION.network(HEADS | {"bias": (2, 13)}, TOKENS, OF_HEADS)
def attention_with_relative_positions(p, x):
    q, k, v = (jnp.einsum("bte,ehd->bthd", x, p[name]) for name in "qkv")
    gaps = np.arange(7)[:, None] - np.arange(7)[None] + 6
    scores = jnp.einsum("bthd,bshd->bhts", q, k) + p["bias"][:, gaps]
    return jnp.einsum("bhts,bshd,hde->bte", softmax(scores), v, p["o"])


@ATTENTION.network(HEADS | {"e": (3, 4), "pos": (7, 4), "r": (4, 2)}, [(2, 7, 3)], [4, *OF_HEADS])
def causal_attention_with_learned_positions(p, x):
    h = x @ p["e"] + p["pos"]
    q, k, v = (jnp.einsum("bte,ehd->bthd", h, p[name]) for name in "qkv")
    scores = jnp.einsum("bthd,bshd->bhts", q, k)
    scores = jnp.where(jnp.tril(jnp.ones((7, 7), bool)), scores, -1e9)
    h = h + jnp.einsum("bhts,bshd,hde->bte", softmax(scores), v, p["o"])
    return h @ p["r"]


@ATTENTION.network({"e": (5, 6), "w": (6, 3), "o": (3, 2)}, [tokens(2, 7)], [6, 3])
def token_embeddings(p, x):
    return relu(p["e"][x].mean(1) @ p["w"]) @ p["o"]


@ATTENTION.network({"e": (5, 6), "pos": (7, 6), "u": (6, 3), "v": (3, 6)}, [tokens(2, 7)], [6, 3])
def tied_embeddings(p, x):
    h = jnp.take(p["e"], x, axis=0) + p["pos"]
    h = h + gelu(h @ p["u"]) @ p["v"]
    return h @ p["e"].T


BLOCK = HEADS | {"s1": (4,), "b1": (4,), "s2": (4,), "b2": (4,), "u": (4, 6), "c": (6,),
                 "w": (6, 4)}  # fmt: skip


def block(p, h):
    h = h + heads_of(p, layernorm(h, p["s1"], p["b1"]))
    return h + gelu(layernorm(h, p["s2"], p["b2"]) @ p["u"] + p["c"]) @ p["w"]


@ATTENTION.network({"e": (5, 4), "one": BLOCK, "two": BLOCK, "r": (4, 3)}, [tokens(2, 7)],
                   [4, 6, 6, *OF_HEADS, *OF_HEADS])  # fmt: skip
def transformer(p, x):
    return block(p["two"], block(p["one"], p["e"][x])).mean(1) @ p["r"]


@ATTENTION.network(HEADS | {"e": (12, 4), "cls": (1, 1, 4), "pos": (5, 4), "r": (4, 3)},
                   [(2, 4, 12)], [4, *OF_HEADS])  # fmt: skip
def vision_transformer_with_a_class_token(p, x):
    first = jnp.broadcast_to(p["cls"], (2, 1, 4))
    h = jnp.concatenate([first, x @ p["e"]], axis=1) + p["pos"]
    return (h + heads_of(p, h))[:, 0] @ p["r"]


@ATTENTION.network({"z": (6, 5), "k": (4, 5), "v": (4, 3), "o": (3, 2)}, TOKENS, [6, 5, 3])
def latents_that_attend_and_are_averaged(p, x):
    scores = softmax(jnp.einsum("nd,bsd->bns", p["z"], x @ p["k"]))
    return relu((scores @ (x @ p["v"])) @ p["o"]).mean(1)


@ATTENTION.network({"e": (4, 6), "t1": (7, 5), "t2": (5, 7), "c1": (6, 3), "c2": (3, 6),
                    "o": (6, 2)}, TOKENS, [6, 5, 3])  # fmt: skip
def mlp_mixer(p, x):
    h = x @ p["e"]
    mixed = jnp.einsum("bte,tu->beu", h, p["t1"])
    h = h + jnp.einsum("beu,ut->bte", gelu(mixed), p["t2"])
    return (h + gelu(h @ p["c1"]) @ p["c2"]).mean(1) @ p["o"]


@ATTENTION.network({"w1": (4, 6), "w2": (6, 5), "o": (5, 2)}, [(7, 4), (7, 7)], [6, 5])
def graph_convolution(p, x, adjacency):
    h = relu(adjacency @ x @ p["w1"])
    return jax.nn.log_softmax(relu(adjacency @ h @ p["w2"]).sum(0) @ p["o"])
