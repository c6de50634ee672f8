"""How well networks that were trained apart can be merged: PyTorch modules on digits and MNIST.

Networks of one kind differ in their initialization and in the order of their batches. All
accuracies and losses are those of the test set. Statistics and units are renewed and repaired on
500 training inputs. Two networks that are averaged as they are get renewed statistics as well.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from benchmarks.table import Table

EPOCHS = {"MLP": 30, "CNN with BatchNorm": 10, "LSTM": 30, "transformer encoder": 30}
NUM_NETWORKS, NUM_INPUTS, EPOCHS_WITHOUT_NORMS = 4, 500, 30
NUM_MLPS, NUM_EACH, MLP_EPOCHS = 5, 10_000, 15


def tables() -> Iterator[Table]:
    """Pairs of four kinds of networks, four CNNs, and five MLPs that saw other images."""
    if find_spec("torch") is None or find_spec("torchax") is None:
        title = "Merging was not measured: it needs pip install 'onebasin[torch]'."
        yield Table(title, ["networks"], [])
        return
    yield _pairs()
    yield _four_cnns()
    yield _five_mlps()


class Networks(NamedTuple):
    """Trained networks of one kind: their function and params, and what measures a network."""

    symmetry: Any
    recalibrate: Callable[..., Any] | None
    params: list[Any]
    inputs: np.ndarray
    score: Callable[[Any], tuple[float, float]]

    def merged(self, networks: Sequence[Any], **options: Any) -> Any:
        """The params of the merged network."""
        import onebasin as ob

        return ob.merge(networks, self.symmetry, inputs=self.inputs, **options).params

    def naive(self, networks: Sequence[Any]) -> Any:
        """The mean of the networks as they are, with renewed statistics."""
        import jax

        mean = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *networks)
        return mean if self.recalibrate is None else self.recalibrate(mean, self.inputs)

    def repaired_as_they_are(self) -> Any:
        """The mean of the networks as they are, whose units are then repaired: a control."""
        from onebasin.merging.arguments import data_of
        from onebasin.merging.repair import repaired

        data = data_of(self.symmetry, self.inputs, ())
        shares = np.full(len(self.params), 1 / len(self.params))
        return repaired(self.naive(self.params), self.params, self.symmetry, data, shares)


def trained_networks(
    make: Callable[[], Any], data: Any, parts: Sequence[Any], **options: Any
) -> Networks:
    """Networks trained one on each of the parts, measured by test accuracy and loss in nats."""
    import jax
    import jax.numpy as jnp
    import torch

    import onebasin as ob
    from benchmarks.merging.networks import trained

    modules = []
    for seed, rows in enumerate(parts):
        torch.manual_seed(seed)
        train = data.train.inputs[rows], data.train.targets[rows]
        modules.append(trained(make(), *train, seed=seed, rate=3e-3, **options))
    inputs, test = data.train.inputs[:NUM_INPUTS], data.test
    adapted = [ob.from_torch(module, inputs) for module in modules]
    apply, params = adapted[0]

    @jax.jit
    def scored(params: Any) -> Any:
        log_probs = jax.nn.log_softmax(apply(params, test.inputs))
        loss = -jnp.take_along_axis(log_probs, jnp.asarray(test.targets)[:, None], axis=1).mean()
        return (log_probs.argmax(axis=1) == test.targets).mean(), loss

    def score(params: Any) -> tuple[float, float]:
        accuracy, loss = scored(params)
        return float(accuracy), float(loss)

    symmetry = ob.find_symmetry(apply, params, inputs)
    return Networks(symmetry, apply.recalibrate, [own for _, own in adapted], inputs, score)


def _pairs() -> Table:
    """The test accuracy at the middle of all pairs of four networks of each kind."""
    import onebasin as ob
    from benchmarks.merging.networks import KINDS

    data = ob.load_dataset("digits")
    rows = []
    for kind, make in KINDS.items():
        all_rows = [slice(None)] * NUM_NETWORKS
        networks = trained_networks(lambda make=make: make(8), data, all_rows, epochs=EPOCHS[kind])
        accuracy = lambda params, networks=networks: networks.score(params)[0]
        pairs = list(combinations(networks.params, 2))
        found = [
            [accuracy(own) for own in networks.params],
            [accuracy(networks.naive(pair)) for pair in pairs],
            [accuracy(networks.merged(pair)) for pair in pairs],
        ]
        can_repair = kind in ("MLP", "transformer encoder")
        repaired = [accuracy(networks.merged(pair, repair=True)) for pair in pairs if can_repair]
        rows.append([kind, *map(_spread, [*found, repaired])])
    header = ["networks", "parents", "averaged", "merged", "merged and repaired"]
    return Table(
        "Test accuracy on digits, means (and ranges) over 6 pairs of networks", header, rows
    )


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _four_cnns() -> Table:
    """The mean of four CNNs without norms, with and without alignment and repair."""
    import onebasin as ob
    from benchmarks.merging.networks import cnn

    data = ob.load_dataset("digits")
    make = lambda: cnn(8, has_norms=False)
    networks = trained_networks(
        make, data, [slice(None)] * NUM_NETWORKS, epochs=EPOCHS_WITHOUT_NORMS
    )
    means = {"no": networks.naive(networks.params), "yes": networks.merged(networks.params)}
    repaired = {
        "no": networks.repaired_as_they_are(),
        "yes": networks.merged(networks.params, repair=True),
    }
    rows = [
        [is_aligned, has_repair, *_both(networks.score(of_each[is_aligned]))]
        for is_aligned in ("no", "yes")
        for has_repair, of_each in {"no": means, "yes": repaired}.items()
    ]
    parents = np.mean([networks.score(own) for own in networks.params], axis=0)
    rows.append(["parents", "", *_both(parents)])
    header = ["aligned", "repaired", "test accuracy", "test loss"]
    return Table("Four CNNs without BatchNorm on digits, merged into one", header, rows)


def _five_mlps() -> Table:
    """Five MLPs, each trained on MNIST images of its own, merged into one."""
    import onebasin as ob
    from benchmarks.merging.networks import mlp

    data = ob.load_dataset("mnist")
    parts = [slice(n * NUM_EACH, (n + 1) * NUM_EACH) for n in range(NUM_MLPS)]
    make = lambda: mlp(784, 512, 512, 512)
    networks = trained_networks(make, data, parts, epochs=MLP_EPOCHS, batch=100)
    made = {f"parent {n + 1}": own for n, own in enumerate(networks.params)}
    made["averaged"] = networks.naive(networks.params)
    made["merged"] = networks.merged(networks.params)
    made["merged and repaired"] = networks.merged(networks.params, repair=True)
    rows = [[name, *_both(networks.score(params))] for name, params in made.items()]
    title = f"Five MLPs 784-512-512-512-10, each trained on {NUM_EACH:,} images of its own of MNIST"
    return Table(title, ["network", "test accuracy", "test loss"], rows)


def _both(score: Any) -> list[str]:
    accuracy, loss = score
    return [f"{accuracy:.4f}", f"{loss:.4f}"]
