"""Likelihoods and priors on a made-up regression: test scores, and how well HMC has converged.

Each row is a model of the same network. The last row is what predicts with the function
that made the data.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.stats

import onebasin as ob
from benchmarks.table import Table
from onebasin.intervals import t_interval

_NUM_SEEDS, _NUM_TRAIN, _NUM_TEST = 5, 200, 500
_NUM_CHAINS, _NUM_DRAWS, _NUM_STEPS = 4, 1000, 200


class _Model(NamedTuple):
    likelihood: Any
    prior: Any


_STUDENT = ob.networks.student(1.0, degrees_of_freedom=4.0)
_NORMAL, _HORSESHOE = ob.networks.normal(), ob.networks.horseshoe()
_OF_NUMBERS = {
    "gaussian, normal prior": _Model("gaussian", _NORMAL),
    "heteroscedastic, normal prior": _Model("heteroscedastic", _NORMAL),
    "heteroscedastic, student prior": _Model("heteroscedastic", _STUDENT),
    "heteroscedastic, horseshoe": _Model("heteroscedastic", _HORSESHOE),
}


def tables() -> Iterator[Table]:
    """Test NLL in nats (mean over data sets, 95 % interval), R-hat and effective draws."""
    yield _table("Numbers whose noise grows with x", _OF_NUMBERS, _numbers)


def _table(title: str, models: dict[str, _Model], make: Any) -> Table:
    data = [make(seed) for seed in range(_NUM_SEEDS)]
    rows = []
    for name, model in models.items():
        found = [_measured(model, *sets[:2], seed) for seed, sets in enumerate(data)]
        nll, r_hat, ess, contraction = np.array(found).T
        rows.append(
            [
                name,
                _interval(nll),
                f"{max(r_hat):.3f}",
                f"{min(ess):.0f}",
                f"{contraction.mean():.2f}",
            ]
        )
    rows.append(["what made the data", _interval([truth for *_, truth in data]), "", "", ""])
    header = ["model", "test NLL, nats", "largest R-hat", "least ESS", "mean contraction"]
    return Table(f"{title}, {_NUM_SEEDS} data sets", header, rows)


def _interval(values: Any) -> str:
    low, high = t_interval(np.asarray(values))
    return f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"


def _measured(model: _Model, train: Any, test: Any, seed: int) -> tuple[float, ...]:
    """Test NLL, the largest R-hat and least ESS of predictions, and the mean contraction."""
    num_outputs = 2 if model.likelihood == "heteroscedastic" else 1
    network = ob.mlp(inputs=1, hidden=(16,), outputs=num_outputs, activation="tanh")
    posterior = ob.posterior(network, train, likelihood=model.likelihood, prior=model.prior)
    key = jax.random.key(seed)
    method = ob.hmc(posterior.logdensity, num_steps=_NUM_STEPS, num_warmup=500, jitter=0.2)
    starts = ob.methods.inits(posterior.init, _NUM_CHAINS, key=key)
    samples = ob.sample(method, starts, num_draws=_NUM_DRAWS, key=key)
    predictive = ob.predict(posterior, samples.flatten(), test.inputs)
    by_chain = predictive.draw_predictions(test.targets).reshape(_NUM_CHAINS, _NUM_DRAWS, -1)
    found = ob.diagnostics.convergence(by_chain)
    weights = posterior.network_samples(samples)
    alignment = ob.align(weights, network.symmetry)
    std = posterior.prior.network_std
    contraction = ob.weight_table(alignment, weights, prior_std=std)["contraction"]
    nll = predictive.scores(test.targets)["nll"]
    r_hat, ess = found["rhat_max"], found["ess_min"]
    assert r_hat is not None  # four chains that move have one
    assert ess is not None
    return nll, r_hat, ess, float(contraction.mean())


def _numbers(seed: int) -> tuple[Any, Any, float]:
    """Training and test data, and the NLL of what made them."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (_NUM_TRAIN + _NUM_TEST, 1)).astype("float32")
    mean, std = np.sin(2 * x[:, 0]), np.exp(x[:, 0] - 1)
    y = rng.normal(mean, std)
    return *_split(x, y), -scipy.stats.norm.logpdf(y, mean, std)[_NUM_TRAIN:].mean()


def _split(x: np.ndarray, y: np.ndarray) -> list[Any]:
    parts = slice(_NUM_TRAIN), slice(_NUM_TRAIN, None)
    y = y.astype("float32")
    return [SimpleNamespace(inputs=x[rows], targets=y[rows]) for rows in parts]
