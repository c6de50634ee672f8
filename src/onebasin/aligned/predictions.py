"""What draws predict of data, before and after alignment, and the barriers between them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin._collections import LIKELIHOOD, with_collections
from onebasin.aligned.read import Draws
from onebasin.aligned.results import PredictionsFound, Predictor, Request, Scored
from onebasin.alignment import Alignment
from onebasin.data import Dataset, Split, load_dataset
from onebasin.gaussians import DiagonalGaussian
from onebasin.networks import Network, Posterior, posterior
from onebasin.prediction import Predictive, basin_check, evaluate, predict
from onebasin.prediction.kept_draws import evenly_spaced
from onebasin.run.barriers import Basin
from onebasin.run.judge import by_field, mean_scores
from onebasin.run.results import Scores
from onebasin.run.setup import ProgressCallback
from onebasin.run.steps.connectivity import basin_of
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry
from onebasin.types import Array, Params

_MOST_DRAWS, _NUM_SINGLE, _NUM_GAUSSIAN = 1000, 16, 100
_MEANS: dict[Predictor, str] = {"mean": "unaligned", "mean-aligned": "aligned"}
_GAUSSIANS: dict[Predictor, str] = {"direct": "unaligned", "compact": "aligned"}
_WHEN: dict[Predictor, str] = {
    "mean": "not aligned",
    "mean-aligned": "aligned",
    "direct": "not aligned",
    "compact": "aligned",
}


class Examples(NamedTuple):
    """Inputs as the network takes them, and targets as its likelihood does."""

    inputs: Array
    targets: np.ndarray


class Judge(NamedTuple):
    """The posterior that predicts, test examples, and the noise of each draw.

    `mean` and `std` are what targets were standardized by.
    """

    dataset: Dataset
    posterior: Posterior
    test: Examples
    mean: float
    std: float
    noise_std: Float[np.ndarray, "chain draw"] | None

    @property
    def targets(self) -> np.ndarray:
        """The targets of the test set in their own unit."""
        if self.posterior.likelihood.name in ("gaussian", "heteroscedastic"):
            return self.test.targets * self.std + self.mean
        return self.test.targets

    @property
    def constant(self) -> float:
        """The score of the best constant prediction of the test set."""
        if self.posterior.likelihood.name == "categorical":
            return float(np.bincount(self.test.targets).max() / len(self.test.targets))
        return float(np.std(np.asarray(self.targets, np.float64)))

    def predict(self, draws: Params, noise_std: Any = None, *, renews: bool) -> Predictive:
        """What draws predict of the test set; draws lead every leaf.

        The noise is one number, or one for each draw. With `renews` running statistics are
        computed again on training inputs.
        """
        if self.noise_std is not None:
            noise = float(self.noise_std.mean()) if noise_std is None else noise_std
            count = len(jax.tree.leaves(draws)[0])
            logs = np.broadcast_to(np.log(np.asarray(noise, np.float32)), (count,))
            draws = with_collections(draws, {LIKELIHOOD: {"log_noise_std": logs}})
        scale = self.mean, self.std
        if self.posterior.likelihood.name not in ("gaussian", "heteroscedastic"):
            scale = 0.0, 1.0
        return predict(self.posterior, draws, self.test.inputs, *scale, recalibrates=renews)


def judge_of(request: Request, network: Network, draws: Draws) -> Judge:
    """The test set of the data that a request names, and what predicts it.

    Raises: ValueError if the data do not fit the network, or the noise is not known.
    """
    assert request.data is not None
    kind = request.likelihood
    task = None if kind is None else "classification" if kind == "categorical" else "regression"
    standardize = False if request.raw else None
    dataset = load_dataset(request.data, seed=request.seed, task=task, standardize=standardize)
    if kind is None:
        kind = "categorical" if dataset.task == "classification" else "gaussian"
    is_raw = request.raw or kind == "poisson"
    mean, std = (0.0, 1.0) if is_raw else (dataset.target_mean, dataset.target_std)
    examples = [_examples(dataset, part, network.symmetry, is_raw) for part in ("train", "test")]
    noise_std = _noise_of(request, draws) if kind == "gaussian" else None
    found = posterior(network, examples[0], likelihood=kind)
    return Judge(dataset, found, examples[1], mean, std, noise_std)


def _noise_of(request: Request, draws: Draws) -> Float[np.ndarray, "chain draw"]:
    noise = draws.noise_std
    number = _number(request.noise)
    if number is not None:
        shape = (draws.samples.num_chains, draws.samples.num_draws)
        noise = np.full(shape, number)
    if noise is None:
        raise ValueError(
            "A gaussian likelihood needs the std of its noise. Got none. Pass --noise 0.1, in the "
            "unit of the outputs, or --noise NAME of the variable that holds it; or another "
            "likelihood."
        )
    if not (np.isfinite(noise) & (noise > 0)).all():
        raise ValueError(
            f"The std of the noise must be positive and finite. Got {np.min(noise)}. Name the "
            "variable of the std itself, not of its logarithm."
        )
    return noise


def noise_variable(request: Request) -> str | None:
    """The variable of the draws that holds the noise, if a request names one."""
    return None if _number(request.noise) is not None else request.noise


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _examples(dataset: Dataset, part: str, symmetry: Symmetry, is_raw: bool) -> Examples:
    split: Split = getattr(dataset, part)
    targets = split.targets
    if is_raw and dataset.task == "regression":
        targets = np.asarray(targets * dataset.target_std + dataset.target_mean, np.float32)
        if np.allclose(targets, np.round(targets), atol=1e-3):
            targets = np.round(targets)  # counts, which standardization has rounded
    return Examples(_shaped(split.inputs, symmetry), targets)


def _shaped(inputs: np.ndarray, symmetry: Symmetry) -> Array:
    """Inputs in the shape and dtype in which the network was tried, if that is known."""
    function = symmetry.function
    if function is None or len(function.inputs) != 1:
        return jnp.asarray(inputs)
    like = function.inputs[0]
    shape = tuple(like.shape[1:])
    if np.prod(shape, dtype=int) != inputs.shape[1]:
        raise ValueError(
            f"The data must have the inputs that the network takes, of shape {shape}. Got "
            f"{inputs.shape[1]} features. Name other data, or the network for these."
        )
    return jnp.asarray(inputs.reshape(-1, *shape)).astype(like.dtype)


def predictions_of(
    judge: Judge,
    draws: Draws,
    alignment: Alignment,
    gaussians: dict[str, DiagonalGaussian],
    seed: int,
    on_progress: ProgressCallback,
) -> PredictionsFound:
    """Scores of draws, of their means and Gaussians, and barriers between chains."""
    on_progress("predicting", 0.0, "all draws")
    total = draws.read.total
    rows = evenly_spaced(total, min(total, _MOST_DRAWS))
    scored = tuple(_scored(judge, draws, alignment, gaussians, rows, seed))
    on_progress("predicting", 0.7, "barriers between chains")
    noise = judge.noise_std
    return PredictionsFound(
        data=judge.dataset.name,
        task=judge.dataset.task,
        likelihood=judge.posterior.likelihood.name,
        noise=None if noise is None else float(noise.mean()),
        num_test=len(judge.test.targets),
        num_used=len(rows),
        constant=judge.constant,
        scored=scored,
        basin=_basin(judge, draws, alignment),
    )


def _scored(
    judge: Judge,
    draws: Draws,
    alignment: Alignment,
    gaussians: dict[str, DiagonalGaussian],
    rows: np.ndarray,
    seed: int,
) -> Iterator[Scored]:
    """The draws, single draws, and means and Gaussians of draws, with their scores."""
    noise = None if judge.noise_std is None else judge.noise_std.reshape(-1)[rows]

    def predicted(samples: Samples) -> Predictive:
        some = jax.tree.map(lambda leaf: leaf[rows], samples.flatten())
        return judge.predict(some, noise, renews=False)

    reference = predicted(draws.samples)

    def scores(some: Predictive) -> Scores:
        return Scores.model_validate(by_field(evaluate(some, judge.targets, reference)))

    yield Scored(key="draws", label="draws", scores=scores(reference))
    aligned = predicted(alignment.apply(draws.samples))
    yield Scored(key="draws-aligned", label="draws, aligned", scores=scores(aligned))
    single = evenly_spaced(len(rows), min(len(rows), _NUM_SINGLE))
    found = mean_scores([scores(reference.take(single[n : n + 1])) for n in range(len(single))])
    yield Scored(key="single", label=f"single draw (mean of {len(single)})", scores=found)
    for key, one in _networks(gaussians):
        words = f"network of mean weights, {_WHEN[key]}"
        yield Scored(key=key, label=words, scores=scores(judge.predict(one, renews=True)))
    for key, name in _GAUSSIANS.items():
        sampled = gaussians[name].sample(_NUM_GAUSSIAN, key=jax.random.key(seed))
        words = f"Gaussian of draws, {_WHEN[key]}"
        yield Scored(key=key, label=words, scores=scores(judge.predict(sampled, renews=True)))


def _networks(gaussians: dict[str, DiagonalGaussian]) -> Iterator[tuple[Predictor, Params]]:
    """The network of the mean weights before and after alignment, as one draw."""
    for key, name in _MEANS.items():
        yield key, jax.tree.map(lambda leaf: leaf[None], gaussians[name].mean)


def _basin(judge: Judge, draws: Draws, alignment: Alignment) -> Basin | None:
    """Barriers of the test loss between draws of different chains. None if there is one chain."""
    if draws.samples.num_chains < 2:
        return None

    def losses(networks: Params) -> Float[np.ndarray, " network"]:
        predictive = judge.predict(networks, renews=True)
        count = np.arange(predictive.num_draws)
        return np.array(
            [-predictive.take(count[n : n + 1]).log_density(judge.targets).mean() for n in count]
        )

    return basin_of(basin_check(draws.samples, alignment, losses))
