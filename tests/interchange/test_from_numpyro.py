"""Draws of NumPyro become Samples: by chain, without deterministic sites, with statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob

numpyro = pytest.importorskip("numpyro")
from numpyro import distributions as dist  # noqa: E402
from numpyro.infer import HMC, MCMC, NUTS  # noqa: E402
from numpyro.infer.reparam import LocScaleReparam  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:There are not enough devices"),
]


def model() -> None:
    """Two real sites, a positive one, a simplex, and a deterministic one."""
    w1 = numpyro.sample("w1", dist.Normal(0, 1).expand([2, 3]))
    numpyro.sample("nn/Dense_0.kernel", dist.Normal(0, 1).expand([3]))
    numpyro.sample("noise", dist.HalfNormal(1))
    numpyro.sample("shares", dist.Dirichlet(jnp.ones(3)))
    numpyro.deterministic("squares", w1**2)


@pytest.fixture(scope="module")
def mcmc() -> MCMC:
    made = MCMC(
        HMC(model, num_steps=2, trajectory_length=None), num_warmup=2, num_samples=6, num_chains=2,
        chain_method="vectorized", progress_bar=False, thinning=2,
    )  # fmt: skip
    fields = ("diverging", "potential_energy", "num_steps", "accept_prob", "adapt_state.step_size")
    made.run(jax.random.key(0), extra_fields=(*fields, "z_grad"))
    return made


def test_sites_nest_by_their_names_and_chains_are_grouped(mcmc) -> None:
    with pytest.warns(UserWarning, match="constrained space"):
        samples = ob.from_numpyro(mcmc)
    assert (samples.num_chains, samples.num_draws) == (2, 3)
    assert set(samples.params) == {"w1", "nn", "noise", "shares"}
    drawn = mcmc.get_samples(group_by_chain=True)
    np.testing.assert_array_equal(samples.params["w1"], drawn["w1"])
    kernel = samples.params["nn"]["Dense_0"]["kernel"]
    np.testing.assert_array_equal(kernel, drawn["nn/Dense_0.kernel"])


def test_constrained_sites_are_named_unless_they_are_listed_or_left_out(mcmc) -> None:
    with pytest.warns(UserWarning, match=r"\['noise', 'shares'\]") as told:
        ob.from_numpyro(mcmc)
    assert len(told) == 1
    ob.from_numpyro(mcmc, names=["~noise", "~shares"])
    noise = ob.from_numpyro(mcmc, names=["w1", "noise"]).params["noise"]
    assert (noise > 0).all()


def test_statistics_have_the_names_of_arviz(mcmc) -> None:
    stats = ob.from_numpyro(mcmc, names=["w1"]).stats
    assert set(stats) == {"diverging", "lp", "n_steps", "acceptance_rate", "step_size"}
    fields = mcmc.get_extra_fields(group_by_chain=True)
    np.testing.assert_array_equal(stats["lp"], -fields["potential_energy"])
    np.testing.assert_array_equal(stats["n_steps"], fields["num_steps"])


def test_a_deterministic_site_is_taken_if_it_is_listed(mcmc) -> None:
    squares = ob.from_numpyro(mcmc, names=["squares"]).params["squares"]
    np.testing.assert_array_equal(squares, mcmc.get_samples(group_by_chain=True)["squares"])


@pytest.mark.parametrize("chain_method", ["vectorized", "sequential"])
def test_real_sites_of_one_chain_or_of_chains_in_a_row_are_not_called_constrained(
    chain_method,
) -> None:
    simple = lambda: numpyro.sample("w", dist.Normal(0, 1).expand([2]))
    for num_chains in (1, 2):
        mcmc = MCMC(
            NUTS(simple), num_warmup=2, num_samples=5, num_chains=num_chains, thinning=2,
            chain_method=chain_method, progress_bar=False,
        )  # fmt: skip
        mcmc.run(jax.random.key(1))
        samples = ob.from_numpyro(mcmc)
        assert samples.params["w"].shape == (num_chains, 2, 2)


def test_a_reparametrized_site_is_deterministic_and_can_be_listed() -> None:
    def centered() -> None:
        scale = numpyro.sample("scale", dist.HalfNormal(1))
        numpyro.sample("w", dist.Normal(0, scale).expand([2]))

    decentered = numpyro.handlers.reparam(centered, config={"w": LocScaleReparam(0)})
    mcmc = MCMC(NUTS(decentered), num_warmup=2, num_samples=4, progress_bar=False)
    mcmc.run(jax.random.key(2))
    assert set(ob.from_numpyro(mcmc, names=["w"]).params) == {"w"}
    assert set(ob.from_numpyro(mcmc, names=["~scale"]).params) == {"w_decentered"}


def test_sites_of_a_flax_module_nest_as_its_params_do() -> None:
    linen = pytest.importorskip("flax.linen")
    from numpyro.contrib.module import random_flax_module

    def bayesian(x: jax.Array) -> None:
        apply = random_flax_module("nn", linen.Dense(2), dist.Normal(0, 1), input_shape=(3,))
        numpyro.sample("y", dist.Normal(apply(x), 1.0), obs=jnp.zeros((4, 2)))

    mcmc = MCMC(NUTS(bayesian), num_warmup=2, num_samples=4, progress_bar=False)
    mcmc.run(jax.random.key(3), jnp.ones((4, 3)))
    params = ob.from_numpyro(mcmc).params["nn"]
    assert params["kernel"].shape == (1, 4, 3, 2)
    assert set(params) == set(linen.Dense(2).init(jax.random.key(0), jnp.ones(3))["params"])


def test_draws_of_a_potential_keep_their_tree() -> None:
    potential = lambda z: sum((leaf**2).sum() for leaf in z) / 2
    mcmc = MCMC(
        NUTS(potential_fn=potential), num_warmup=2, num_samples=4, num_chains=2,
        chain_method="vectorized", progress_bar=False,
    )  # fmt: skip
    mcmc.run(jax.random.key(4), init_params=[jnp.zeros((2, 3)), jnp.zeros((2, 1))])
    samples = ob.from_numpyro(mcmc)
    assert [leaf.shape for leaf in samples.params] == [(2, 4, 3), (2, 4, 1)]


def test_what_has_no_draws_is_told() -> None:
    with pytest.raises(ValueError, match=r"must have been run.*Call mcmc\.run"):
        ob.from_numpyro(MCMC(NUTS(model), num_warmup=1, num_samples=1))
    with pytest.raises(TypeError, match=r"Got dict\."):
        ob.from_numpyro({"w": np.zeros((2, 3))})
