"""Training without Bayes: each network sees every image once per epoch, in its own order.

Training is a method like any other: its draws are the networks after each epoch. `sample` runs it,
distributes networks over devices and reports the progress.
"""

import dataclasses
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Float

from onebasin.data import Dataset, load_dataset
from onebasin.methods.method import Method
from onebasin.methods.reductions import Stats
from onebasin.methods.sample import Progress, sample
from onebasin.networks.mlp import mlp
from onebasin.networks.network import Network
from onebasin.run.setup import ProgressCallback
from onebasin.types import Array, Key, Params

Optimizer = Literal["sgd", "adam"]

_UNIT_OPTIMIZERS = {"sgd": optax.sgd(1.0, momentum=0.9), "adam": optax.adam(1.0)}
"""Optimizers with a learning rate of 1. Each network scales the updates by its own rate."""


class Task(NamedTuple):
    """Images to classify, and the network that is trained on them."""

    dataset: Dataset
    network: Network


def load_task(
    name: str,
    hidden: tuple[int, ...],
    *,
    num_train: int | None = None,
    num_test: int | None = None,
    pool: int = 1,
) -> Task:
    """A data set, split with seed 0, and a fully connected ReLU network for it."""
    dataset = load_dataset(name, num_train=num_train, num_test=num_test, pool=pool)
    return Task(dataset, mlp(dataset.num_features, hidden, dataset.num_outputs, "relu"))


class _Trained(NamedTuple):
    """A network with its learning rate, and the state of its optimizer."""

    position: Params
    optimizer_state: Any


def train(
    task: Task,
    starts: Params,
    learning_rates: Float[np.ndarray, " networks"],
    on_progress: ProgressCallback,
    *,
    key: Key,
    optimizer: Optimizer = "sgd",
    batch_size: int = 64,
    num_epochs: int,
    every: int | None = 1,
) -> Params:
    """The networks after every `every`-th epoch, trained from `starts`.

    The first axis of each leaf of `starts` is the network. The first axes of each leaf of the
    result are (network, epoch). With `every=None` only the last epoch is kept. Every network has
    its own learning rate, and in each epoch its own order of the images. Images that do not fill
    a batch are left out in that epoch. SGD has momentum .9.

    Raises: ValueError if a batch is larger than the training set.
    """
    num_images = len(task.dataset.train)
    if batch_size > num_images:
        raise ValueError(f"batch_size must be at most {num_images}. Got {batch_size}.")

    def on_chunk(progress: Progress) -> None:
        details = progress.phase
        if progress.stats:
            loss = progress.stats["loss"]
            details = f"{progress.steps_per_second:.2g} epochs/s, loss {loss:.3g}"
        on_progress(
            f"training {len(learning_rates)} networks",
            progress.num_steps / progress.total_steps,
            details,
        )

    positions = {"learning_rate": jnp.asarray(learning_rates, jnp.float32), "network": starts}
    method = _method(task, optimizer, batch_size)
    if every is None:
        last = dataclasses.replace(method, num_warmup=num_epochs - 1)
        return sample(last, positions, 1, progress=on_chunk, key=key).params["network"]
    samples = sample(method, positions, num_epochs // every, thin=every, progress=on_chunk, key=key)
    return samples.params["network"]


def _method(task: Task, optimizer: Optimizer, batch_size: int) -> Method:
    unit = _UNIT_OPTIMIZERS[optimizer]
    inputs, targets = (
        jnp.asarray(task.dataset.train.inputs),
        jnp.asarray(task.dataset.train.targets),
    )
    return Method(
        init=partial(_init, unit),
        step=Partial(partial(_epoch, task.network, unit, batch_size), inputs, targets),
        reduce_stats={"loss": "last"},
    )


def _init(unit: optax.GradientTransformation, position: Params, key: Key) -> _Trained:
    del key  # every method gets a key, but the start of a network is not random
    return _Trained(position, unit.init(position["network"]))


def _epoch(
    network: Network,
    unit: optax.GradientTransformation,
    batch_size: int,
    inputs: Array,
    targets: Array,
    state: _Trained,
    key: Key,
) -> tuple[_Trained, Stats]:
    num_batches = len(targets) // batch_size
    order = jax.random.permutation(key, len(targets))[: num_batches * batch_size]
    rate = state.position["learning_rate"]

    def one_batch(carry: tuple[Params, Any], rows: Array) -> tuple[tuple[Params, Any], Array]:
        params, optimizer_state = carry

        def loss(params: Params) -> Array:
            logits = network.apply(params, inputs[rows])
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets[rows]).mean()

        value, gradient = jax.value_and_grad(loss)(params)
        updates, optimizer_state = unit.update(gradient, optimizer_state, params)
        params = jax.tree.map(lambda w, update: w + rate * update, params, updates)
        return (params, optimizer_state), value

    begin = (state.position["network"], state.optimizer_state)
    (params, optimizer_state), losses = jax.lax.scan(
        one_batch, begin, order.reshape(num_batches, batch_size)
    )
    position = {"learning_rate": rate, "network": params}
    return _Trained(position, optimizer_state), {"loss": losses.mean()}
