"""One cell of the comparison: a sampler on a data set at a seed, and what its draws are worth."""

import json
from pathlib import Path

import jax
import numpy as np

from benchmarks.samplers.drawn import Drawn
from benchmarks.samplers.kinds import samplers
from onebasin import _trees
from onebasin.alignment import to_mean
from onebasin.diagnostics import convergence
from onebasin.methods import inits
from onebasin.prediction import CategoricalPredictive, MixturePredictive, Predictive
from onebasin.run.config import load_config
from onebasin.run.setup import Setup, set_up

BUDGETS = {"digits": 40_000, "diabetes": 40_000, "mnist-small": 40_000}
NUM_CHAINS = 4
_KEPT = 400


def measure(
    data: str,
    seed: int,
    sampler: str,
    folder: Path,
    budget: int | None = None,
    is_shared: bool = False,
) -> None:
    """Run a sampler and write its cell, `DATA-SEED-SAMPLER.json` and `.npz`, unless it is there.

    On a machine that is shared with other work, the cell has no seconds.
    """
    path = folder / f"{data}-{seed}-{sampler.replace(' ', '-').replace('.', '')}"
    if path.with_suffix(".json").exists():
        return
    setup = set_up(load_config(data, ["method.num_draws=4"], seed))
    positions = inits(setup.posterior.init, NUM_CHAINS, key=setup.key("hmc-starts"))
    run = samplers(budget or BUDGETS[data])[sampler]
    drawn = run(setup.posterior.logdensity, positions, setup.key(sampler))
    predictive = setup.predict(drawn.samples.flatten())
    numbers = {"data": data, "seed": seed, "sampler": sampler}
    numbers |= _numbers(setup, drawn, predictive)
    if is_shared:
        numbers["seconds"] = None
    np.savez(path.with_suffix(".npz"), **_arrays(predictive))  # pyright: ignore
    path.with_suffix(".json").write_text(json.dumps(numbers, indent=1), "utf-8")


def _numbers(setup: Setup, drawn: Drawn, predictive: Predictive) -> dict[str, float | None]:
    samples = drawn.samples
    shape = samples.num_chains, samples.num_draws, -1
    predictions = predictive.draw_predictions(setup.test_targets).reshape(shape)
    aligned = setup.align(samples, to_mean()).apply(samples)
    weights = _trees.ravel_batch(aligned.params, num_batch_axes=2).astype(np.float64)
    squares = (weights - weights.mean((0, 1))) ** 2
    lp = _log_densities(setup, drawn)
    values = {"predictions": predictions, "weights": weights, "squares": squares, "lp": lp}
    found = {
        f"{name} {key}": value
        for name, one in values.items()
        for key, value in convergence(one).items()
    }
    stds = weights.std((0, 1), ddof=1)
    return {
        "num_chains": samples.num_chains,
        "num_draws": samples.num_draws,
        "num_gradients": drawn.num_gradients,
        "seconds": drawn.seconds,
        **drawn.health,
        **found,
        **predictive.scores(setup.test_targets),
        "rms_std": float(np.sqrt(np.mean(stds**2))),
    }


def _log_densities(setup: Setup, drawn: Drawn) -> np.ndarray:
    logdensity = jax.jit(lambda params: jax.lax.map(setup.posterior.logdensity, params))
    flat = logdensity(drawn.samples.flatten())
    return np.asarray(flat).reshape(drawn.samples.num_chains, -1, 1)


def _arrays(predictive: Predictive) -> dict[str, np.ndarray]:
    """What a predictive is made of again, small."""
    if isinstance(predictive, CategoricalPredictive):
        return {"log_probs": np.log(np.maximum(predictive.probs, 1e-30))[None]}
    assert isinstance(predictive, MixturePredictive)
    rows = np.linspace(0, predictive.num_draws - 1, _KEPT).astype(int)
    some = predictive.take(rows)
    return {"means": some.means, "stds": some.stds}


def predictive_of(path: Path) -> Predictive:
    """The predictive of a cell."""
    with np.load(path.with_suffix(".npz")) as arrays:
        if "log_probs" in arrays:
            return CategoricalPredictive(arrays["log_probs"])
        return MixturePredictive(arrays["means"], arrays["stds"])
