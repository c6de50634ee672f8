"""Dense networks in which some of the order matters: units that must be frozen, and why not all."""

import jax
import jax.numpy as jnp
import numpy as np
from architecture import Family
from jax import lax
from jax.nn import relu

ORDER = Family()
TWO = {"w1": (4, 6), "w2": (6, 5), "o": (5, 2)}

# No two columns are alike and no two rows: whatever moves meets another mask.
PRUNED = np.array([[1, 0, 0, 1, 1, 0], [0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 1, 1], [1, 1, 1, 1, 0, 0]])
FEATURES = np.repeat(np.array([[1], [0], [2], [1]]), 6, axis=1)


@ORDER.network(TWO, [(2, 4), (4, 6)], [5])
def masked_by_an_input(p, x, mask):
    return relu(relu(x @ (p["w1"] * mask)) @ p["w2"]) @ p["o"]


@ORDER.network(TWO, [(2, 4)], [5])
def masked_by_a_constant(p, x):
    return relu(relu(x @ (p["w1"] * PRUNED)) @ p["w2"]) @ p["o"]


@ORDER.network(TWO, [(2, 4)], [6, 5])
def masked_alike_for_all_units(p, x):
    # The mask tells inputs apart, not units.
    return relu(relu(x @ (p["w1"] * FEATURES)) @ p["w2"]) @ p["o"]


@ORDER.network(TWO, [(2, 4)], [5])
def cumsum_over_units(p, x):
    return relu(jnp.cumsum(x @ p["w1"], axis=-1) @ p["w2"]) @ p["o"]


@ORDER.network(TWO, [(2, 7, 4)], [6, 5])
def cumsum_over_tokens(p, x):
    return relu(jnp.cumsum(x @ p["w1"], axis=1) @ p["w2"]) @ p["o"]


@ORDER.network({"w1": (4, 6), "w2": (4, 5), "o": (5, 2)}, [(2, 4)], [5])
def argmax_over_units(p, x):
    # The number of the largest unit is told to what comes after.
    largest = jnp.argmax(x @ p["w1"], axis=-1, keepdims=True)
    return (relu(x @ p["w2"]) * largest) @ p["o"]


@ORDER.network(TWO, [(2, 4)], [6, 5])
def sorted_units(p, x):
    # The layer before forgets its order, the kernel after reads ranks, which are no units.
    return relu(jnp.sort(x @ p["w1"], axis=-1) @ p["w2"]) @ p["o"]


@ORDER.network({"w1": (4, 6), "o": (3, 2)}, [(2, 4)], [6])
def largest_units(p, x):
    return lax.top_k(x @ p["w1"], 3)[0] @ p["o"]


@ORDER.network(TWO, [(2, 4)], [6, 5])
def softmax_over_units(p, x):
    return relu(jax.nn.softmax(x @ p["w1"]) @ p["w2"]) @ p["o"]


@ORDER.network({"w1": (4, 6), "b1": (6,)}, [(2, 4)], [6])
def pooled_units(p, x):
    h = x @ p["w1"] + p["b1"]
    return jnp.stack([h.max(-1), h.std(-1), jax.nn.logsumexp(h, -1)])


@ORDER.network(TWO, [(2, 4)], [5])
def units_times_their_number(p, x):
    h = (x @ p["w1"]) * jnp.arange(1.0, 7.0)
    return relu(h @ p["w2"]) @ p["o"]


@ORDER.network({"w1": (4, 6), "v": (2, 3), "o": (4, 3)}, [(2, 4)], [2, 4])
def units_in_two_slices(p, x):
    h = relu(x @ p["w1"])
    return h[:, :2] @ p["v"] + jnp.tanh(h[:, 2:]) @ p["o"]


@ORDER.network({"w1": (4, 6), "o": (6, 2)}, [(2, 4)], [5])
def one_unit_apart(p, x):
    h = x @ p["w1"]
    return jnp.concatenate([h[:, :1], relu(h[:, 1:])], -1) @ p["o"]


@ORDER.network(TWO, [(2, 4)], [5])
def neighbouring_units(p, x):
    h = x @ p["w1"]
    h = h[:, 1:] * h[:, :-1] ** 2
    return relu(jnp.pad(h, [(0, 0), (0, 1)]) @ p["w2"]) @ p["o"]


@ORDER.network(TWO | {"unused": (5, 3)}, [(2, 4)], [6, 5])
def unused_parameter(p, x):
    return relu(relu(x @ p["w1"]) @ p["w2"]) @ p["o"]


@ORDER.network({"w": (4, 3), "b": (3,)}, [(2, 4)])
def linear_regression(p, x):
    return x @ p["w"] + p["b"]


@ORDER.network({"w1": (4, 6), "w2": (6, 5)}, [(2, 4)])
def every_layer_is_an_output(p, x):
    h = relu(x @ p["w1"])
    return h, h @ p["w2"]


@ORDER.network({"w": (4, 6), "v": (6, 2), "u": (5, 3), "o": (3, 2)}, [(2, 4), (2, 5)], [6, 3])
def two_inputs_two_outputs(p, x, y):
    return {"one": relu(x @ p["w"]) @ p["v"], "two": relu(y @ p["u"]) @ p["o"]}


@ORDER.network({"m": (4, 6), "s": (4, 6), "d": (6, 5), "o": (5, 4)}, [(2, 4), (2, 6)], [5])
def variational_autoencoder(p, x, noise):
    # The noise is given, and so is its order.
    z = x @ p["m"] + jnp.exp(x @ p["s"]) * noise
    return relu(z @ p["d"]) @ p["o"]


@ORDER.network({"m": (4, 6), "d": (6, 5), "o": (5, 4)}, [(2, 4)], [6, 5])
def autoencoder(p, x):
    return relu((x @ p["m"]) @ p["d"]) @ p["o"]


@ORDER.network({"w": (4, 6), "v": (6, 1), "a": (6, 3)}, [(2, 4)], [6])
def dueling_heads(p, x):
    h = relu(x @ p["w"])
    advantage = h @ p["a"]
    return h @ p["v"] + advantage - advantage.mean(-1, keepdims=True)


@ORDER.network({"w": (4, 6), "s": (6,), "b": (6,), "o": (6, 2)}, [(3, 4)], [6])
def batchnorm_of_a_batch(p, x):
    h = x @ p["w"]
    h = (h - h.mean(0)) / jnp.sqrt(h.var(0) + 1e-5)
    return relu(h * p["s"] + p["b"]) @ p["o"]


@ORDER.network({"w": (4, 6), "s": (6,), "b": (6,), "o": (6, 2)}, [(3, 4)], [6])
def layernorm(p, x):
    h = x @ p["w"]
    h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)
    return relu(h * p["s"] + p["b"]) @ p["o"]


@ORDER.network({"w": (4, 6), "s": (6,), "o": (6, 2)}, [(3, 4)], [6])
def rmsnorm(p, x):
    h = x @ p["w"]
    return relu(h / jnp.sqrt((h**2).mean(-1, keepdims=True) + 1e-5) * p["s"]) @ p["o"]


@ORDER.network({"w": (4, 6), "s": (6,), "o": (6, 2)}, [(3, 4)], [2, (3, (2,))])
def groupnorm_of_a_dense_layer(p, x):
    h = (x @ p["w"]).reshape(-1, 2, 3)
    h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)
    return relu(h.reshape(-1, 6) * p["s"]) @ p["o"]
