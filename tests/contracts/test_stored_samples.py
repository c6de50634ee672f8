"""Every public function that takes samples gives the same of samples that are still on the disk."""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob
from onebasin.store import StoredArray

pytestmark = pytest.mark.slow

KEY = jax.random.key(0)
WEIGHTS = ob.weight_matching()


def _identity(samples: ob.Samples, alignment: ob.Alignment) -> Any:
    return ob.knowledge.unit_identity(alignment, samples, alignment.apply(samples))


def _loss(params: Any) -> np.ndarray:
    """A loss of each network that units may trade places in."""
    return sum(np.square(leaf).reshape(len(leaf), -1).sum(axis=1) for leaf in params.values())


def _posterior(samples: ob.Samples, symmetry: ob.Symmetry) -> ob.networks.Posterior:
    """The posterior of a network that has these params, on two examples."""
    params = jax.tree.map(jnp.asarray, samples.draw(0, 0))
    size = lambda params: jnp.sum(jnp.array([jnp.sum(leaf**2) for leaf in params.values()]))
    apply = lambda params, inputs: inputs * size(params)
    train: Any = SimpleNamespace(inputs=np.ones((2, 1), np.float32), targets=np.ones(2, np.float32))
    network = ob.Network(lambda key: params, apply, None, symmetry)
    return ob.posterior(network, train, likelihood="gaussian", noise_std=1.0)


USES: dict[str, Callable[[ob.Samples, ob.Symmetry], Any]] = {
    "align": lambda samples, symmetry: ob.align(samples, symmetry),
    "ToDensest": lambda s, symmetry: ob.align(s, symmetry, reference=ob.alignment.to_densest()),
    "ToFirst": lambda s, symmetry: ob.align(s, symmetry, reference=ob.alignment.to_first()),
    "ToMean": lambda s, symmetry: ob.align(s, symmetry, reference=ob.alignment.to_mean()),
    "ToNetwork": lambda s, symmetry: ob.align(s, symmetry, reference=ob.alignment.to(s.draw(0, 1))),
    "ToUniverse": lambda s, symmetry: ob.align(
        s, symmetry, reference=ob.alignment.to_universe(by_chain=True)
    ),
    "Alignment": lambda s, symmetry: ob.align(s, symmetry).apply(s),
    "null_draws": lambda s, symmetry: ob.alignment.null_draws(s, symmetry, key=KEY),
    "null_floor": lambda s, symmetry: ob.alignment.null_floor(s, symmetry, key=KEY),
    "std_significance": lambda s, symmetry: ob.alignment.std_significance(
        s, symmetry, key=KEY, num_nulls=3, level=0.5
    ),
    "transpositions_between_chains": lambda s, symmetry: ob.alignment.transpositions_between_chains(
        s, symmetry, WEIGHTS
    ),
    "transpositions_by_lag": lambda s, symmetry: ob.alignment.transpositions_by_lag(
        s, symmetry, WEIGHTS
    ),
    "aligned_nulls": lambda s, symmetry: [
        *ob.alignment.aligned_nulls(s, symmetry, key=KEY, num_nulls=1)
    ],
    "weight_table": lambda s, symmetry: {**ob.weight_table(ob.align(s, symmetry), s).variables},
    "unit_identity": lambda s, symmetry: _identity(s, ob.align(s, symmetry)),
    "compare_posteriors": lambda s, symmetry: {
        **ob.knowledge.compare_posteriors(s, s, symmetry).comparison.variables
    },
    "basin_check": lambda s, symmetry: ob.prediction.basin_check(
        s, ob.align(s, symmetry), _loss, num_pairs=4
    ),
    "to_datatree": lambda s, symmetry: {
        group.path: {**group.variables}
        for group in ob.to_datatree(ob.align(s, symmetry), s).subtree
    },
    "merge": lambda s, symmetry: ob.merge(s.thin(8), symmetry).params,
    "Posterior": lambda s, symmetry: _posterior(s, symmetry).network_samples(s).params,
    "sampler_health": lambda s, symmetry: ob.diagnostics.sampler_health(s),
    "balanced": lambda s, symmetry: ob.knowledge.balanced(s, symmetry),
    "exchangeable_std": lambda s, symmetry: ob.knowledge.exchangeable_std(s, symmetry),
    "draws_needed": lambda s, symmetry: ob.diagnostics.draws_needed(s),
    "weight_convergence": lambda s, symmetry: ob.diagnostics.weight_convergence(s),
    "summarize": lambda s, symmetry: [ob.summarize(s, rank) for rank in (0, 2)],
    "factor_analysis": lambda s, symmetry: ob.gaussians.factor_analysis(s, 2, 3),
    "balance": lambda s, symmetry: ob.symmetry.balance(symmetry, s.params, num_batch_axes=2),
    "permute": lambda s, symmetry: ob.symmetry.permute(
        s.params, symmetry, symmetry.identity(2, 16)
    ),
}
ELSEWHERE = {"sample", "SampleWriter", "save_samples", "Reference", "Converged"}
"""They give samples, or tests of the store cover them; a protocol."""


def _public_names() -> set[str]:
    """Public functions that take samples, and public classes with a method that does."""
    found = set()
    for module in filter(inspect.ismodule, (getattr(ob, name) for name in ob.__all__)):
        for name in module.__all__:
            thing = getattr(module, name)
            own = vars(thing).values() if inspect.isclass(thing) else [thing]
            parameters = [f for f in own if inspect.isfunction(f)]
            hints = [inspect.signature(f).parameters.values() for f in parameters]
            if any("Samples" in str(p.annotation) for each in hints for p in each):
                found.add(name)
    return found


def test_all_public_functions_that_take_samples_are_tried() -> None:
    assert _public_names() - ELSEWHERE <= USES.keys()


LAYER = (
    {"bias": (4,), "in": (3, 4), "out": (4, 2)},
    {"bias": ob.Axes("hidden"), "in": ob.Axes(None, "hidden"), "out": ob.Axes("hidden", None)},
    {"bias": ("makes",), "in": (None, "makes"), "out": ("reads", None)},
)
HEADS = (  # an axis lists heads and their dimensions, so arrays are reshaped into pieces
    {"in": (3, 6), "out": (6, 2)},
    {"in": ob.Axes(None, ("heads", 2)), "out": ob.Axes(("heads", 2), None)},
    {"in": (None, "makes"), "out": ("reads", None)},
)


@pytest.fixture(scope="module", params=[LAYER, HEADS], ids=["layer", "heads"])
def both(request, tmp_path_factory) -> tuple[ob.Samples, ob.Samples, ob.Symmetry]:
    """The same samples in memory and in a store, with their symmetry."""
    shapes, axes, roles = request.param
    rng = np.random.default_rng(0)
    draw = lambda shape: rng.standard_normal((2, 16, *shape), np.float32)
    params = jax.tree.map(draw, shapes, is_leaf=lambda node: isinstance(node, tuple))
    names = ("lp", "energy", "acceptance_rate", "step_size")
    stats = {name: draw(()) for name in names} | {"diverging": draw(()) > 1}
    samples = ob.Samples(params, stats)
    path: Path = tmp_path_factory.mktemp("stores") / "s.zarr"
    symmetry = ob.Symmetry.of(axes, samples.draw(0, 0), roles=roles)
    ob.save_samples(path, samples, ob.store.dims_of(symmetry))
    return samples, ob.load_samples(path), symmetry


@pytest.mark.parametrize("name", USES)
def test_a_function_gives_the_same_of_samples_on_the_disk(both, name: str) -> None:
    in_memory, on_disk, symmetry = both
    assert {type(leaf) for leaf in jax.tree.leaves(on_disk)} == {StoredArray}
    found, wanted = USES[name](on_disk, symmetry), USES[name](in_memory, symmetry)
    assert_same(found, wanted)


def assert_same(found: Any, wanted: Any) -> None:
    """That two results hold the same values; those of classes of ours by their fields."""
    assert type(found) is type(wanted)
    if hasattr(wanted, "__dataclass_fields__"):
        for field in wanted.__dataclass_fields__:
            assert_same(getattr(found, field), getattr(wanted, field))
        return
    jax.tree.map(np.testing.assert_array_equal, found, wanted)
