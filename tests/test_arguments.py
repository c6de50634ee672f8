"""What other libraries' objects get, and swapped arguments: one line that says what is wanted."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
import strategies
import xarray

import onebasin as ob

pytestmark = pytest.mark.usefixtures("unchecked")  # as users have it

NETWORK = ob.mlp(3, (4,), 2)
SYMMETRY = NETWORK.symmetry
INPUTS = np.ones((2, 3), np.float32)


@pytest.fixture(scope="module")
def samples() -> ob.Samples:
    return strategies.random_samples(NETWORK, 0, num_chains=2, num_draws=5)


class Tensor:
    """Stands for an array of another library, which JAX takes for one leaf."""

    shape = (2, 5, 3)


Tensor.__module__ = "torch"


def test_params_are_no_samples(samples: ob.Samples) -> None:
    with pytest.raises(TypeError, match=r"samples must be of type Samples. Got dict. Wrap params"):
        ob.align(samples.params, SYMMETRY)


def test_a_matching_is_no_name(samples: ob.Samples) -> None:
    with pytest.raises(TypeError, match=r"matching must be of type Matching. Got 'activations'"):
        ob.align(samples, SYMMETRY, "activations")


def test_axes_are_no_symmetry(samples: ob.Samples) -> None:
    with pytest.raises(TypeError, match="symmetry must be of type Symmetry. Got dict"):
        ob.align(samples, SYMMETRY.axes)


@pytest.mark.parametrize("key", [0, "0", None, np.zeros(3)])
def test_a_seed_is_no_key(samples: ob.Samples, key) -> None:
    gaussian = ob.summarize(samples)
    method = ob.hmc(lambda params: -(params["w"] ** 2).sum())
    for use in (
        lambda: ob.symmetry.random_permutation(SYMMETRY, key=key),
        lambda: gaussian.sample(3, key=key),
        lambda: ob.summarize(samples, rank=2).sample(3, key=key),
        lambda: ob.methods.inits(NETWORK.init, 2, key=key),
        lambda: ob.sample(method, {"w": np.zeros((2, 3))}, 4, key=key),
    ):
        with pytest.raises(TypeError, match=r"key must be a random key.*Pass jax.random.key\(0\)"):
            use()


def test_keys_of_the_older_kind_are_keys() -> None:
    assert set(ob.symmetry.random_permutation(SYMMETRY, key=jax.random.PRNGKey(0)).units) == {
        "hidden_0"
    }


def test_arrays_of_other_libraries_are_no_samples() -> None:
    array = xarray.DataArray(np.ones((2, 5, 3)), dims=("chain", "draw", "w"))
    with pytest.raises(TypeError, match=r"Got xarray.DataArray at '0/w'. Pass its .values"):
        ob.Samples({"w": array})
    with pytest.raises(TypeError, match="Got torch.Tensor at '0/w'.*from_torch"):
        ob.Samples({"w": Tensor()})


def test_arrays_of_other_libraries_have_no_symmetry_and_are_not_permuted() -> None:
    params = NETWORK.init(jax.random.key(0))
    with pytest.raises(TypeError, match="params must hold arrays.*Got torch.Tensor at 'a'"):
        ob.find_symmetry(NETWORK.apply, {"a": Tensor()}, INPUTS)
    with pytest.raises(TypeError, match="inputs must hold arrays.*Got torch.Tensor at '0'"):
        ob.find_symmetry(NETWORK.apply, params, Tensor())
    with pytest.raises(TypeError, match="params must hold arrays.*Got torch.Tensor"):
        ob.permute(
            {"a": Tensor()},
            SYMMETRY,
            ob.symmetry.random_permutation(SYMMETRY, key=jax.random.key(0)),
        )


def test_a_function_of_other_arguments_has_no_symmetry() -> None:
    with pytest.raises(TypeError, match=r"apply must be .* as apply\(params, input 0\). Got one"):
        ob.find_symmetry(lambda params: params, NETWORK.init(jax.random.key(0)), INPUTS)


def test_samples_hold_a_draw() -> None:
    for shape in ((2, 0, 3), (0, 5, 3)):
        with pytest.raises(ValueError, match="Samples must hold a draw. Got"):
            ob.Samples({"w": np.ones(shape)})


def test_draws_whose_density_is_not_known_begin_at_the_first(samples: ob.Samples) -> None:
    unknown = ob.Samples(samples.params, {"lp": np.full((2, 5), np.nan)})
    found, expected = (ob.align(some, SYMMETRY) for some in (unknown, samples))
    assert (found.permutation.units["hidden_0"] == expected.permutation.units["hidden_0"]).all()
    with pytest.raises(ValueError, match=r"to_densest\(\) needs .* Got NaN alone"):
        ob.align(unknown, SYMMETRY, reference=ob.alignment.to_densest())


def test_hmc_takes_an_exact_density_and_the_others_one_with_a_key() -> None:
    exact = lambda params: -(params["w"] ** 2).sum()
    random = lambda params, key: exact(params) + jax.random.normal(key)
    with pytest.raises(TypeError, match=r"called as logdensity\(params\). Got one that takes"):
        ob.hmc(random)
    for build in (ob.methods.deep_ensemble, ob.methods.mean_field_vi):
        with pytest.raises(TypeError, match=r"logdensity\(params, key\).*lambda params, key"):
            build(exact)
        build(random)
    ob.hmc(exact)
    with pytest.raises(TypeError, match="logdensity must be a function.*Got 3"):
        ob.hmc(3)


def test_a_pair_is_no_training_data() -> None:
    targets = np.zeros(2, int)
    with pytest.raises(TypeError, match=r"train must be of type Examples. Got tuple.*inputs=X"):
        ob.posterior(NETWORK, (INPUTS, targets))
    ob.posterior(NETWORK, SimpleNamespace(inputs=INPUTS, targets=targets))


# ---- outputs and targets that do not suit the likelihood


def posterior_of(num_outputs: int, targets, likelihood: str, network=None):
    train = SimpleNamespace(inputs=INPUTS, targets=np.asarray(targets))
    return ob.posterior(network or ob.mlp(3, (4,), num_outputs), train, likelihood=likelihood)


@pytest.mark.parametrize(
    ("num_outputs", "targets", "likelihood", "message"),
    [
        (2, [0.5, 1.0], "gaussian", r"\(batch, 1\).*Got outputs of shape \(2, 2\)"),
        (1, [0, 1], "categorical", r"two classes or more. Got outputs of shape \(2, 1\)"),
        (3, [0, 3], "categorical", r"must lie in \[0, 2\].*Got 3 among 2 targets"),
        (3, [-1, 0], "categorical", "Got -1"),
        (3, [0.0, 1.0], "categorical", "must be classes, as whole numbers. Got float32"),
        (1, [[0.5], [1.0]], "gaussian", r"one number for each of the 2 inputs.*\(2, 1\)"),
        (3, [0, 1, 2], "categorical", r"each of the 2 inputs. Got targets of shape \(3,\)"),
    ],
)
def test_what_a_likelihood_cannot_read_is_refused(num_outputs, targets, likelihood, message):
    with pytest.raises(ValueError, match=message):
        posterior_of(num_outputs, targets, likelihood)


def test_outputs_without_an_axis_of_outputs_are_refused() -> None:
    flat = NETWORK._replace(apply=lambda params, x: NETWORK.apply(params, x)[:, 0])
    with pytest.raises(ValueError, match=r"Got outputs of shape \(2,\). Give it another last"):
        posterior_of(1, [0.5, 1.0], "gaussian", flat)
