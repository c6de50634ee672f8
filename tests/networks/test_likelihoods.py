"""Likelihoods: densities against SciPy in float64, draws of targets, and what is refused."""

from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.special
import scipy.stats

from onebasin import align, fisher, hmc, mlp, posterior, predict, sample, weight_table
from onebasin.methods import inits
from onebasin.networks import Likelihood
from onebasin.samples import Samples

FAILURE_RATE = 1e-6
NUM_EXAMPLES = 12
RNG = np.random.default_rng(0)
INPUTS = RNG.standard_normal((NUM_EXAMPLES, 3))
COUNTS = np.array([0, 1, 2, 3, 250, 255, 7, 0, 1, 19, 4, 2])


def laplace(outputs, targets):
    """A density of one's own: a Laplace distribution of each column, with the scale 1."""
    return -(jnp.abs(targets - outputs) + jnp.log(2)).sum(axis=-1)


def make_posterior(likelihood, num_outputs: int, targets: np.ndarray, **choices):
    train = SimpleNamespace(inputs=INPUTS, targets=targets)
    network = mlp(inputs=3, hidden=(4,), outputs=num_outputs, activation="tanh")
    return posterior(network, train, likelihood=likelihood, **choices)


def outputs_by_hand(params) -> np.ndarray:
    hidden, out = params["hidden_0"], params["out"]
    units = np.tanh(INPUTS @ np.asarray(hidden["kernel"]) + np.asarray(hidden["bias"]))
    return units @ np.asarray(out["kernel"]) + np.asarray(out["bias"])


CASES = {
    "heteroscedastic": (
        "heteroscedastic",
        2,
        RNG.standard_normal(NUM_EXAMPLES),
        lambda f, y: scipy.stats.norm.logpdf(y, f[:, 0], np.exp(f[:, 1])),
    ),
    "poisson": (
        "poisson",
        1,
        COUNTS,
        lambda f, y: scipy.stats.poisson.logpmf(y, np.exp(f[:, 0])),
    ),
    "own": (
        laplace,
        2,
        RNG.standard_normal((NUM_EXAMPLES, 2)),
        lambda f, y: scipy.stats.laplace.logpdf(y, f).sum(axis=1),
    ),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("case", CASES)
def test_the_density_is_scipys_with_a_normal_prior(case: str) -> None:
    likelihood, num_outputs, targets, expected = CASES[case]
    found = make_posterior(likelihood, num_outputs, targets, prior_std=0.7)
    assert found.likelihood.name == case
    params = jax.tree.map(lambda std: RNG.standard_normal(std.shape), found.prior_std)
    assert found.noise_std(params) is None
    terms = expected(outputs_by_hand(params), targets)
    likelihoods = eqx.filter_jit(found.log_likelihood)(params, found.inputs, found.targets)
    np.testing.assert_allclose(likelihoods, terms, rtol=1e-10)
    prior = sum(scipy.stats.norm.logpdf(w, 0, 0.7).sum() for w in jax.tree.leaves(params))
    density, estimate = found.logdensity, found.minibatch_logdensity(5)
    np.testing.assert_allclose(eqx.filter_jit(density)(params), prior + terms.sum(), rtol=1e-10)
    # Five examples that are drawn with replacement.
    batch = float(eqx.filter_jit(estimate)(params, jax.random.key(0))) - prior
    assert NUM_EXAMPLES * terms.min() <= batch <= NUM_EXAMPLES * terms.max()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_counts_of_any_dtype_have_the_density_of_their_numbers(dtype) -> None:
    counts = np.array([0, 7, 255], dtype)
    log_rates = jnp.array([[-1.0], [2.0], [5.0]])
    found = Likelihood("poisson").log_prob(log_rates, jnp.asarray(counts), None)
    expected = scipy.stats.poisson.logpmf(counts.astype(float), np.exp([-1.0, 2.0, 5.0]))
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@pytest.mark.parametrize("name", ["heteroscedastic", "poisson"])
def test_outputs_in_half_precision_have_densities_in_float32(name: str) -> None:
    outputs = jnp.array([[1.5, -0.5], [2.0, 0.25]], jnp.bfloat16)  # exact in both
    outputs = outputs if name == "heteroscedastic" else outputs[:, :1]
    kind, targets = Likelihood(name), jnp.array([301, 7])
    found = kind.log_prob(outputs, targets, None)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, kind.log_prob(outputs.astype(jnp.float32), targets, None))


@pytest.mark.parametrize(
    ("name", "outputs", "distribution"),
    [
        ("heteroscedastic", [2.0, -1.0], scipy.stats.norm(2.0, np.exp(-1.0))),
        ("poisson", [1.5], scipy.stats.poisson(np.exp(1.5))),
    ],
)
def test_drawn_targets_have_the_moments_of_their_likelihood(
    key, name: str, outputs, distribution
) -> None:
    num_targets = 20_000
    rows = jnp.tile(jnp.array(outputs), (num_targets, 1))
    drawn = np.asarray(Likelihood(name).sample(rows, None, key=key), np.float64)
    bound = oracles.z_bound(FAILURE_RATE, 4)
    mean, variance, excess = distribution.stats("mvk")
    assert abs(drawn.mean() - mean) < bound * np.sqrt(variance / num_targets)
    error = variance * np.sqrt((excess + 2) / num_targets)
    assert abs(drawn.var() - variance) < bound * error


def test_the_fisher_information_of_poisson_targets_is_their_rate(key) -> None:
    """Of a network of a bias alone: the derivative y - e^f has the variance e^f."""
    found = make_posterior("poisson", 1, COUNTS)
    zeros = jax.tree.map(lambda std: np.zeros((1, *std.shape), np.float32), found.prior_std)
    zeros["out"]["bias"] += 1.0
    information = fisher.fisher_diagonal(found, zeros, 2_000, key=key)["out"]["bias"]
    # A sum of 12 independent terms is near a normal, whose square has twice the squared mean.
    assert information[0] == pytest.approx(12 * np.e, rel=6 * np.sqrt(2.3 / 2_000))


def test_a_density_of_ones_own_draws_no_targets(key) -> None:
    found = make_posterior(laplace, 2, np.zeros((NUM_EXAMPLES, 2)))
    draws = jax.tree.map(lambda std: np.ones((1, *std.shape), np.float32), found.prior_std)
    with pytest.raises(ValueError, match=r"cannot draw any\. .*fisher_importance\."):
        fisher.fisher_diagonal(found, draws, key=key)
    importance = fisher.fisher_importance(found, draws, 4, key=key)
    assert importance["out"]["bias"].sum() > 0


ZEROS = np.zeros(NUM_EXAMPLES)


@pytest.mark.parametrize(
    ("likelihood", "num_outputs", "targets", "message"),
    [
        ("heteroscedastic", 1, ZEROS, r"\(batch, 2\), the mean and the log of the std.*\(12, 1\)"),
        ("poisson", 2, ZEROS, r"\(batch, 1\), the log of the rate .*\(12, 2\)"),
        ("gaussian", 2, ZEROS, r"\(batch, 1\), the mean .*\(12, 2\)"),
        ("poisson", 1, ZEROS + 0.5, r"must be counts, .* Got 0\.5 among 12 targets"),
        ("poisson", 1, ZEROS - 1, r"must be counts, .* Got -1\.0 among 12"),
        ("poisson", 1, ZEROS + np.nan, r"must be counts, .* Got nan among 12"),
        ("poisson", 1, ZEROS[:, None], r"one number for each of the 12 .* \(12, 1\)"),
        ("heteroscedastic", 2, ZEROS[:5], r"one number for each of the 12 .* \(5,\)"),
        (laplace, 2, np.zeros((5, 2)), r"lead with the 12 inputs\. Got targets of shape \(5, 2\)"),
        (
            lambda f, y: (f - y).sum(),
            2,
            np.zeros((12, 2)),
            r"shape \(12,\)\. Got shape \(\), float",
        ),
        (lambda f, y: f - y, 2, np.zeros((12, 2)), r"shape \(12,\)\. Got shape \(12, 2\), float"),
        (lambda f, y: f[:, 0] > y, 1, ZEROS, r"shape \(12,\)\. Got shape \(12,\), bool"),
        (lambda f, y: None, 1, ZEROS, r"shape \(12,\)\. Got None"),
    ],
)
def test_outputs_and_targets_that_do_not_suit_are_refused(
    likelihood, num_outputs, targets, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_posterior(likelihood, num_outputs, targets)


@pytest.mark.parametrize(
    ("likelihood", "num_outputs", "of"),
    [
        ("heteroscedastic", 2, "heteroscedastic"),
        ("poisson", 1, "poisson"),
        ("categorical", 2, "categorical"),
        (lambda f, y: -f[:, 0], 1, "of one's own"),
    ],
)
def test_noise_is_for_a_gaussian_likelihood_alone(likelihood, num_outputs, of: str) -> None:
    with pytest.raises(ValueError, match=rf"Got 0\.5 for one {of}\. Leave noise_std out"):
        make_posterior(likelihood, num_outputs, ZEROS.astype(int), noise_std=0.5)


def test_an_unknown_likelihood_is_refused(unchecked: None) -> None:
    with pytest.raises(ValueError, match=r"\"poisson\" or a function .*Got 'possion'"):
        make_posterior("possion", 1, COUNTS)
    with pytest.raises(TypeError, match=r"called as likelihood\(outputs, targets\)\. Got 3"):
        make_posterior(3, 1, COUNTS)
    with pytest.raises(TypeError, match=r"called as likelihood\(outputs, targets\)\. Got one that"):
        make_posterior(lambda outputs: outputs, 1, COUNTS)


# ---- from data to a table


def data_of(num_examples: int, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets whose noise grows with the input, and counts whose rate does."""
    x = rng.uniform(-2, 2, num_examples)
    noisy = np.sin(2 * x) + np.exp(x - 1) * rng.standard_normal(num_examples)
    return x[:, None].astype(np.float32), noisy.astype(np.float32), rng.poisson(np.exp(1 + x / 2))


def draw(found, key) -> Samples:
    method = hmc(found.logdensity, num_steps=20, num_warmup=150)
    return sample(method, inits(found.init, 2, key=key), num_draws=50, key=key)


def check_aligned(found, samples: Samples, x: np.ndarray, predicted: np.ndarray) -> None:
    """Aligned draws have a table of all weights, and are the same functions."""
    alignment = align(samples, found.symmetry)
    table = weight_table(alignment, samples, prior_std=1.0)
    assert table.sizes["weight"] == sum(np.size(leaf) for leaf in jax.tree.leaves(found.prior_std))
    assert np.isfinite(table["mean"]).all()
    again = predict(found, alignment.apply(samples).flatten(), x)
    np.testing.assert_allclose(again.draw_predictions(np.zeros(len(x))), predicted, atol=1e-3)


@pytest.mark.slow
def test_noise_and_rates_that_depend_on_inputs_are_learned(key) -> None:
    """The true scores bound what can be reached; one noise for all inputs stays behind."""
    rng = np.random.default_rng(3)
    x, noisy, counts = data_of(120, rng)
    x_test, noisy_test, counts_test = data_of(500, rng)
    nll = {}
    for name, num_outputs in {"heteroscedastic": 2, "gaussian": 1}.items():
        train = SimpleNamespace(inputs=x, targets=noisy)
        found = posterior(mlp(1, (6,), num_outputs, "tanh"), train, likelihood=name)
        samples = draw(found, key)
        predictive = predict(found, samples.flatten(), x_test)
        nll[name] = -predictive.log_density(noisy_test).mean()
        if name == "heteroscedastic":
            check_aligned(found, samples, x_test, predictive.means)
    true_log_density = scipy.stats.norm.logpdf(
        noisy_test, np.sin(2 * x_test[:, 0]), np.exp(x_test[:, 0] - 1)
    )
    assert nll["heteroscedastic"] < -true_log_density.mean() + 0.15 < nll["gaussian"]

    train = SimpleNamespace(inputs=x, targets=counts)
    found = posterior(mlp(1, (6,), 1, "tanh"), train, likelihood="poisson")
    samples = draw(found, key)
    predictive = predict(found, samples.flatten(), x_test)
    check_aligned(found, samples, x_test, predictive.rates)
    scores = predictive.scores(counts_test)
    truth = scipy.stats.poisson.logpmf(counts_test, np.exp(1 + x_test[:, 0] / 2))
    constant = scipy.stats.poisson.logpmf(counts_test, counts.mean())
    assert scores["nll"] < -truth.mean() + 0.1 < -constant.mean()
    assert scores["calibration_error"] < 0.05
