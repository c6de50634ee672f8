"""Networks on which careless analysis goes wrong: a group twice in one array, grouped twice."""

import jax
import jax.numpy as jnp
import numpy as np
from architecture import Family
from jax import lax
from jax.nn import softmax

INTRICATE = Family()
TWO = {"e": (4, 6), "o": (6, 2)}
SWAPPED = np.array([1, 0, 2, 3, 5, 4], "int32")


def normalize(h, groups):
    """Units of every group have mean 0 and variance 1."""
    z = h.reshape(h.shape[0], groups, -1)
    z = (z - z.mean(-1, keepdims=True)) / jnp.sqrt(z.var(-1, keepdims=True) + 0.1)
    return z.reshape(h.shape)


def scaled(h):
    return h / jnp.sqrt((h**2).sum(-1, keepdims=True) + 0.1)


@INTRICATE.network({"e": (4, 6), "o": (36, 2)}, [(3, 4)], [6])
def products_of_all_units(p, x):
    h = jnp.tanh(x @ p["e"])
    return (h[:, :, None] * h[:, None, :]).reshape(3, 36) @ p["o"]


@INTRICATE.network({"e": (4, 6), "s": (6,), "o": (36, 2)}, [(3, 4)], [2, (3, (2,))])
def products_of_all_units_in_groups(p, x):
    h = normalize(x @ p["e"], 2) * p["s"]
    return (h[:, :, None] * h[:, None, :]).reshape(3, 36) @ p["o"]


@INTRICATE.network(TWO | {"s": (6,), "w": (6, 6)}, [(3, 4)], [2, (3, (2,))])
def square_kernel_between_grouped_units(p, x):
    h = x @ p["e"]
    h = h + jnp.tanh(normalize(h, 2) * p["s"]) @ p["w"]
    return normalize(h, 2) @ p["o"]


@INTRICATE.network({"e": (4, 2, 3), "w": (2, 3, 2, 3), "o": (2, 3, 2)}, [(3, 4)],
                   [2, (3, (2,))])  # fmt: skip
def kernel_from_heads_to_heads(p, x):
    h = scaled(jnp.einsum("bi,ihd->bhd", x, p["e"]))
    h = scaled(h + jnp.einsum("bhd,hdge->bge", h, p["w"]))
    return jnp.einsum("bhd,hdo->bo", h, p["o"])


@INTRICATE.network({"e": (4, 6), "o": (4, 2)}, [(3, 4)], [2, 3])
def products_between_heads(p, x):
    # A dimension of one head meets that of another, so that they move alike in all heads.
    h = jnp.tanh(x @ p["e"]).reshape(3, 2, 3)
    return jnp.einsum("bhd,bgd->bhg", h, h).reshape(3, 4) @ p["o"]


@INTRICATE.network(TWO, [(3, 4)], [6])
def attention_between_units(p, x):
    h = x @ p["e"]
    scores = softmax(h[:, :, None] * h[:, None, :], -1)
    return jnp.tanh(jnp.einsum("bij,bj->bi", scores, h)) @ p["o"]


@INTRICATE.network(TWO, [(3, 4)])
def attention_to_units_before(p, x):
    h = x @ p["e"]
    return jnp.tanh(jnp.einsum("bij,bj->bi", jnp.tril(h[:, :, None] * h[:, None, :]), h)) @ p["o"]


@INTRICATE.network(TWO | {"w": (6, 6)}, [(3, 4)], [6])
def kernel_plus_its_transpose(p, x):
    return jnp.tanh(jnp.tanh(x @ p["e"]) @ (p["w"] + p["w"].T)) @ p["o"]


@INTRICATE.network(TWO | {"w": (6, 6)}, [(3, 4)])
def triangular_kernel(p, x):
    return jnp.tanh(jnp.tanh(x @ p["e"]) @ jnp.tril(p["w"])) @ p["o"]


@INTRICATE.network(TWO | {"w": (6, 6)}, [(3, 4)], [6])
def kernel_without_its_diagonal(p, x):
    # Which entries are on the diagonal does not change where both axes move alike.
    w = p["w"] * (1 - jnp.eye(6))
    return jnp.tanh(x @ p["e"] @ w) @ w @ p["o"]


@INTRICATE.network({"e": (4, 12), "o": (12, 2)}, [(3, 4)])
def grouped_in_threes_and_in_fours(p, x):
    # Units that share both groups would move together: there are none.
    return jnp.tanh(normalize(normalize(x @ p["e"], 3) + 0.1, 4)) @ p["o"]


@INTRICATE.network({"e": (4, 12), "o": (12, 2)}, [(3, 4)], [2, (2, (2,)), (3, (2, 2))])
def grouped_in_sixes_and_in_threes(p, x):
    return jnp.tanh(normalize(normalize(x @ p["e"], 2) ** 2 + 0.1, 4)) @ p["o"]


@INTRICATE.network({"e": (4, 6), "f": (4, 6), "o": (12, 2)}, [(3, 4)])
def concatenation_grouped_across_its_seam(p, x):
    h = jnp.concatenate([x @ p["e"], x @ p["f"]], -1).reshape(3, 3, 4)
    return jnp.tanh(h / (h**2).sum(-1, keepdims=True)).reshape(3, 12) @ p["o"]


@INTRICATE.network({"e": (4, 6), "o": (4, 2)}, [(3, 4)], [2])
def overlapping_slices(p, x):
    # Three pairs of units, each multiplied by the next: members of all pairs change at once.
    h = x @ p["e"]
    return jnp.tanh(h[:, :4] * h[:, 2:] ** 2) @ p["o"]


@INTRICATE.network(TWO, [(3, 4)])
def units_multiplied_by_their_neighbours(p, x):
    h = x @ p["e"]
    return jnp.tanh(h * jnp.roll(h, 1, -1) ** 2 * jnp.sin(jnp.arange(6.0))) @ p["o"]


@INTRICATE.network(TWO, [(3, 4)])
def units_read_at_other_places(p, x):
    h = x @ p["e"]
    return jnp.tanh(h + jnp.cumsum(h, -1)[:, SWAPPED] ** 2) @ p["o"]


@INTRICATE.network(TWO, [(3, 4)], [5])
def one_unit_overwritten(p, x):
    # What is overwritten is the same for all examples; the other five units are like any.
    h = x @ p["e"]
    return jnp.tanh(h.at[:, 2].set(0.5)) @ p["o"]


@INTRICATE.network(TWO, [(3, 4)])
def units_read_one_after_another(p, x):
    step = lambda c, one: (jnp.tanh(c + one[0][:, None] * one[1]), None)
    return lax.scan(step, jnp.zeros((3, 2), x.dtype), ((x @ p["e"]).T, p["o"]))[0]


@INTRICATE.network(TWO, [(3, 4)], [6])
def units_mapped_one_by_one(p, x):
    one = lambda pair: jnp.tanh(pair[0][:, None] * pair[1])
    return lax.map(one, ((x @ p["e"]).T, p["o"])).sum(0)


@INTRICATE.network(TWO | {"w": (3, 6, 6)}, [(3, 4)], [6, 6, 6, 6])
def stacked_kernels_read_one_by_one(p, x):
    h = x @ p["e"]
    for k in range(3):
        h = jnp.tanh(h @ p["w"][k])
    return h @ p["o"]


@INTRICATE.network({"w": (4, 12), "o": (6, 2)}, [(3, 4)], [6])
def gate_and_value_side_by_side(p, x):
    h = (x @ p["w"]).reshape(3, 6, 2)
    return (jnp.tanh(h[..., 0]) * h[..., 1]) @ p["o"]


@INTRICATE.network({"w": (4, 12), "o": (6, 2)}, [(3, 4)], [6])
def gate_and_value_at_odd_and_even_places(p, x):
    h = x @ p["w"]
    return (jnp.tanh(h[:, ::2]) * h[:, 1::2]) @ p["o"]


@INTRICATE.network(TWO, [(3, 4)], [6])
def largest_unit_alone(p, x):
    h = x @ p["e"]
    return (jax.nn.one_hot(jnp.argmax(h, -1), 6) * h) @ p["o"]


@INTRICATE.network({"w": (4, 6), "o": (6, 2)}, [(3, 4)], [6])
def spectral_normalization(p, x):
    u = jnp.ones(6)
    for _ in range(3):
        v = p["w"] @ u
        u = p["w"].T @ (v / jnp.linalg.norm(v))
    return jnp.tanh(x @ (p["w"] / jnp.linalg.norm(u))) @ p["o"]


@INTRICATE.network({"w": (4, 6), "o": (6, 2)}, [(3, 4)], [6])
def associative_scan_over_tokens(p, x):
    return lax.associative_scan(lambda a, b: a * 0.5 + b, x @ p["w"], axis=0) @ p["o"]


@INTRICATE.network({"w": (4, 6), "o": (6, 2)}, [(3, 4)], [6])
def units_above_their_median(p, x):
    h = x @ p["w"]
    return jnp.tanh(h - jnp.median(h, -1, keepdims=True)) @ p["o"]
