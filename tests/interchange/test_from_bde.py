"""Draws of bde become Samples, beside the function of its networks.

The package pins another BlackJAX, so the test of a real estimator runs in an environment of its
own: `make test-bde`.
"""

from types import SimpleNamespace

import numpy as np
import pytest

import onebasin as ob
from onebasin.interchange import from_bde

RNG = np.random.default_rng(0)
LAYERS = [(RNG.normal(size=(2, 5, n, m)), RNG.normal(size=(2, 5, m))) for n, m in ((3, 4), (4, 2))]


def estimator(**changes) -> SimpleNamespace:
    """The public attributes of a fitted estimator."""
    made = {"n_members": 2, "activation": "silu", "positions_eT_": LAYERS}
    return SimpleNamespace(**(made | changes))


def test_members_are_chains_and_layers_have_names() -> None:
    apply, samples = from_bde(estimator())
    assert (samples.num_chains, samples.num_draws) == (2, 5)
    np.testing.assert_array_equal(samples.params["hidden_0"]["kernel"], LAYERS[0][0])
    np.testing.assert_array_equal(samples.params["out"]["bias"], LAYERS[1][1])
    x = RNG.normal(size=(7, 3))
    (w0, b0), (w1, b1) = [(kernel[1, 2], bias[1, 2]) for kernel, bias in LAYERS]
    hidden = x @ w0 + b0
    expected = (hidden / (1 + np.exp(-hidden))) @ w1 + b1
    np.testing.assert_allclose(apply(samples.draw(1, 2), x), expected, rtol=1e-5)
    assert apply == from_bde(estimator())[0]


def test_what_is_no_fitted_estimator_is_told() -> None:
    with pytest.raises(TypeError, match=r"Got list\."):
        from_bde([1])
    with pytest.raises(ValueError, match=r"must be fitted\. Got one without draws"):
        from_bde(estimator(positions_eT_=None))
    with pytest.raises(ValueError, match=r"must be pairs of a kernel.*Got arrays of"):
        from_bde(estimator(positions_eT_=[np.zeros((2, 5, 3))]))


@pytest.mark.slow
def test_the_function_is_that_of_the_networks_of_a_real_estimator() -> None:
    bde = pytest.importorskip("bde")
    x = RNG.normal(size=(40, 3)).astype(np.float32)
    for activation in ("silu", "identity", "relu"):
        fitted = bde.BdeRegressor(
            n_members=2, hidden_layers=[4, 4], epochs=2, n_samples=6, warmup_steps=3,
            activation=activation,
        ).fit(x, np.sin(x[:, 0]))  # fmt: skip
        apply, samples = from_bde(fitted)
        assert samples.num_chains == 2
        forward = fitted._bde.members[0].forward
        position = [(kernel[1, 2], bias[1, 2]) for kernel, bias in fitted.positions_eT_]
        outputs = apply(samples.draw(1, 2), x)
        np.testing.assert_array_equal(outputs, forward(position, x))
    members = fitted.predict(x, raw=True)  # (member, draw, input, output)
    np.testing.assert_allclose(members[1, 2], outputs, rtol=1e-5)
    assert ob.find_symmetry(apply, samples.draw(0, 0), x).sizes
