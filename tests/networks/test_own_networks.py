"""network: any function of params and inputs has all that built-in networks have."""

import re
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob
from onebasin import _trees
from onebasin.alignment import activation_matching, align
from onebasin.networks import Network, convnet, lstm, mlp, network, resnet20, vit
from onebasin.samples import Samples
from onebasin.symmetry import Axes, Symmetry, balance, permute, random_permutation, verify

INPUTS = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
IMAGES = np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)


def again(built_in: Network, inputs: np.ndarray, seed: int = 0) -> Network:
    """A built-in network made anew from its function alone."""
    return network(built_in.apply, built_in.init(jax.random.key(seed)), inputs)


def torch_like(params: dict, x: jax.Array) -> jax.Array:
    """Two tanh layers with the names and the layout of PyTorch."""
    for layer in ("0", "2"):
        x = jnp.tanh(x @ params[f"{layer}.weight"].T + params[f"{layer}.bias"][None])
    return jnp.einsum("bu,ou->bo", x, params["4.weight"])


def torch_like_params(seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    shapes = {"0.weight": (6, 5), "0.bias": (6,), "2.weight": (4, 6), "2.bias": (4,)}
    drawn = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    drawn["4.weight"] = rng.normal(size=(3, 4))
    return {name: leaf.astype(np.float32) for name, leaf in drawn.items()}


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_captured_activations_are_those_that_a_perceptron_declares(activation: str) -> None:
    built_in = mlp(5, (6, 4), 3, activation)
    own, params = again(built_in, INPUTS), built_in.init(jax.random.key(1))
    assert own.symmetry.sizes == built_in.symmetry.sizes
    for num_inputs in (1, 20):  # another number than that at which the arrays were chosen
        found = own.activations(params, INPUTS[:num_inputs])
        expected = built_in.activations(params, INPUTS[:num_inputs])
        assert found.keys() == expected.keys()
        for group, array in expected.items():
            rounding = 32 * np.finfo(np.float32).eps * np.abs(array).max()
            np.testing.assert_allclose(found[group], array, rtol=0, atol=rounding, err_msg=group)


def test_activations_are_found_for_weights_that_list_outputs_first() -> None:
    params = torch_like_params()
    own = network(torch_like, params, INPUTS)
    first = np.tanh(INPUTS @ params["0.weight"].T + params["0.bias"])
    second = np.tanh(first @ params["2.weight"].T + params["2.bias"])
    found = jax.jit(own.activations)(params, INPUTS)
    np.testing.assert_allclose(found["0"], first, atol=1e-6)
    np.testing.assert_allclose(found["2"], second, atol=1e-6)


def test_draws_in_float64_have_activations_in_float64(float64: None) -> None:
    params = torch_like_params()
    own = network(torch_like, params, INPUTS)
    wide = jax.tree.map(np.float64, params)
    found = jax.vmap(own.activations, (0, None))(_trees.stack([wide, wide]), np.float64(INPUTS))
    assert found["0"].dtype == np.float64
    first = np.tanh(INPUTS @ wide["0.weight"].T + wide["0.bias"])
    np.testing.assert_allclose(found["0"][1], first, atol=1e-12)


def counting(params: dict, x: jax.Array) -> jax.Array:
    """A function that computes otherwise for many inputs."""
    if len(x) > 16:
        x = jnp.sin(x) * 2.0
    return torch_like(params, x)


def test_activations_are_chosen_anew_if_more_inputs_are_computed_otherwise() -> None:
    params = torch_like_params()
    own = network(counting, params, INPUTS)
    for inputs, first in ((INPUTS[:9], INPUTS[:9]), (INPUTS, np.sin(INPUTS) * 2)):
        expected = np.tanh(first @ params["0.weight"].T + params["0.bias"])
        np.testing.assert_allclose(own.activations(params, inputs)["0"], expected, atol=1e-6)


def test_half_precision_has_activations() -> None:
    params = torch_like_params()
    half = lambda p, x: torch_like(
        jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), p), x.astype(jnp.bfloat16)
    ).astype(jnp.float32)
    own = network(half, params, INPUTS)
    assert own.symmetry.sizes == {"0": 6, "2": 4}
    found = own.activations(params, INPUTS)["0"]
    first = np.tanh(INPUTS @ params["0.weight"].T + params["0.bias"])
    np.testing.assert_allclose(found.astype(np.float32), first, atol=0.05)


def moves_with(own: Network, params: dict, inputs: np.ndarray, key: jax.Array) -> None:
    """Permuting and flipping the params does the same to the activations."""
    symmetry = own.symmetry
    permutation = random_permutation(symmetry, key=key)
    before, after = (
        own.activations(p, inputs) for p in (params, permute(params, symmetry, permutation))
    )
    for group, array in before.items():
        moved = np.asarray(array)[:, permutation.units[group]]
        signs = [entry for name, entry in permutation.signs.items() if name == group]
        if len(signs) == sum(sign.group == group for sign in symmetry.signs.values()):
            moved = moved * (signs[0] if signs else 1)
        assert np.ptp(moved) > 1e-3
        np.testing.assert_allclose(after[group], moved, rtol=1e-3, atol=1e-3 * np.abs(moved).max())


@pytest.mark.parametrize(
    "built_in",
    [
        pytest.param(convnet((4, 4), 3, 3), id="convnet"),
        pytest.param(convnet((4, 4), 3, 3, activation="tanh"), id="convnet with tanh"),
        pytest.param(lstm((4, 4), 3, 4), id="lstm"),
        pytest.param(resnet20((4, 4), 3, 2), id="resnet20", marks=pytest.mark.long),
    ],
)
@pytest.mark.slow
def test_captured_activations_move_with_the_params(built_in: Network, key: jax.Array) -> None:
    own = again(built_in, IMAGES)
    assert own.has_activations
    moves_with(own, built_in.init(jax.random.key(1)), IMAGES, key)


def test_the_activations_of_a_convolution_are_its_channels_behind_the_nonlinearity() -> None:
    built_in = convnet((4, 4), 3, 3, depth=1)
    params = built_in.init(jax.random.key(1))
    found = np.asarray(again(built_in, IMAGES).activations(params, IMAGES)["conv_0"])
    assert found.shape == (20 * 4, 3)
    assert found.min() == 0
    rows = found.reshape(20, 12)
    expected = built_in.apply(params, IMAGES)
    np.testing.assert_allclose(rows @ params["out"]["kernel"], expected, atol=1e-5)


def normed(params: dict, x: jax.Array) -> jax.Array:
    """Two blocks that are added to one stream, each behind a norm, as BatchNorm evaluates."""
    w, s = params["weights"], params["statistics"]
    stream = jnp.zeros(())
    for block in ("a", "b"):
        y = (x @ w[block] - s[f"{block}_mean"][None]) / jnp.sqrt(s[f"{block}_var"] + 1e-5)[None]
        stream = stream + y * w[f"{block}_scale"][None] + w[f"{block}_shift"][None]
    return jax.nn.relu(stream) @ w["out"]


def normed_params(seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    normal = lambda *shape: rng.normal(size=shape).astype(np.float32)
    weights = {name: normal(5, 4) for name in "ab"} | {"out": normal(4, 3)}
    statistics = {}
    for block in "ab":
        weights |= {f"{block}_scale": 1 + np.abs(normal(4)), f"{block}_shift": normal(4)}
        statistics |= {f"{block}_mean": normal(4), f"{block}_var": 1 + np.abs(normal(4))}
    return {"weights": weights, "statistics": statistics}


def test_units_with_several_signs_are_matched_and_not_flipped(key: jax.Array) -> None:
    params = normed_params()
    own = network(normed, params, INPUTS)
    assert len(own.symmetry.signs) == 2
    moves_with(own, params, INPUTS, key)
    planted = random_permutation(own.symmetry, 1, 4, key=key)
    unflipped = own.symmetry.joined(planted.units, own.symmetry.identity(1, 4).signs)
    copies = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (1, 4, *leaf.shape)), params)
    samples = Samples(permute(copies, own.symmetry, unflipped))
    matching = activation_matching(lambda p: own.activations(p, INPUTS))
    found = align(samples, own.symmetry, matching)
    assert all((entry == 1).all() for entry in found.permutation.signs.values())
    assert max(leaf.max() for leaf in jax.tree.leaves(found.apply(samples).std())) < 1e-6


def test_a_planted_permutation_and_its_signs_are_found_by_captured_activations(
    key: jax.Array,
) -> None:
    params = torch_like_params()
    own = network(torch_like, params, INPUTS)
    planted = random_permutation(own.symmetry, 2, 5, key=key)
    copies = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (2, 5, *leaf.shape)), params)
    samples = Samples(permute(copies, own.symmetry, planted))
    found = align(samples, own.symmetry, activation_matching(lambda p: own.activations(p, INPUTS)))
    assert max(leaf.max() for leaf in jax.tree.leaves(samples.std())) > 0.1
    assert max(leaf.max() for leaf in jax.tree.leaves(found.apply(samples).std())) < 1e-6


def read_in_scan(params: dict, x: jax.Array) -> jax.Array:
    """A hidden layer that no array outside of the loop shows."""

    def one(total: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        return total, jax.nn.relu(row @ params["in"]) @ params["out"]

    return jax.lax.scan(one, jnp.zeros(()), x)[1]


def test_units_that_only_a_loop_sees_have_no_activations() -> None:
    rng = np.random.default_rng(0)
    params = {"in": rng.normal(size=(5, 4)), "out": rng.normal(size=(4, 3))}
    params = jax.tree.map(np.float32, params)
    own = network(read_in_scan, params, INPUTS)
    assert own.symmetry.sizes == {"in": 4}
    assert not own.has_activations
    with pytest.raises(ValueError, match=r"lists the units.*Got none for \['in'\]\. Match by"):
        own.activations(params, INPUTS)


@pytest.mark.slow
def test_nested_units_have_no_activations() -> None:
    own = again(vit((4, 4), 3, 4, 1), IMAGES)
    assert own.symmetry.nested
    assert own.activations is None
    assert not own.has_activations
    assert not own.is_homogeneous


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu"])
def test_a_network_is_homogeneous_if_balance_can_scale_all_its_units(activation: str) -> None:
    own, params = (
        again(mlp(5, (4,), 3, activation), INPUTS),
        mlp(5, (4,), 3).init(jax.random.key(0)),
    )
    assert own.is_homogeneous == (activation == "relu")
    if own.is_homogeneous:
        np.testing.assert_allclose(
            own.apply(balance(own.symmetry, params), INPUTS), own.apply(params, INPUTS), atol=1e-5
        )


def test_random_params_have_the_mean_and_the_std_of_the_given_ones(key: jax.Array) -> None:
    params = {
        "weights": {"w": np.random.default_rng(0).normal(2, 3, (50, 40)).astype(np.float32),
                    "bias": np.full(40, 0.1, np.float32)},
        "statistics": {"mean": np.arange(40, dtype=np.float32)},
    }  # fmt: skip
    apply = lambda p, x: (x @ p["weights"]["w"]) + p["weights"]["bias"] - p["statistics"]["mean"]
    with jax.numpy_rank_promotion("allow"):
        own = network(apply, params, np.ones((3, 50), np.float32))
    first, again_, other = own.init(key), own.init(key), own.init(jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, first, again_)
    np.testing.assert_array_equal(first["weights"]["bias"], params["weights"]["bias"])
    np.testing.assert_array_equal(first["statistics"]["mean"], params["statistics"]["mean"])
    drawn = np.asarray(first["weights"]["w"])
    assert (drawn != np.asarray(other["weights"]["w"])).all()
    # 2,000 numbers: five standard errors of mean and std, exceeded once in a million keys.
    assert abs(drawn.mean() - 2) < 5 * 3 / 2000**0.5
    assert abs(drawn.std() - 3) < 5 * 3 / 4000**0.5


def test_an_init_and_a_symmetry_of_the_user_are_taken() -> None:
    params = torch_like_params()
    axes = {
        "0.weight": Axes("h", None), "0.bias": Axes("h"), "2.weight": Axes(None, "h"),
        "2.bias": Axes(None), "4.weight": Axes(None, None),
    }  # fmt: skip
    declared = Symmetry.of(axes, params)
    init = lambda key: params
    own = network(torch_like, params, INPUTS, init=init, symmetry=declared)
    assert own.init is init
    assert own.symmetry == declared
    assert own.activations(params, INPUTS).keys() == {"h"}
    assert verify(own.symmetry, own.apply, params, INPUTS).symmetry == declared


def test_a_wrong_declared_symmetry_is_refused() -> None:
    params = torch_like_params()
    axes = {name: Axes(*[None] * leaf.ndim) for name, leaf in params.items()}
    wrong = Symmetry.of(axes | {"0.bias": Axes("h")}, params)
    with pytest.raises(ValueError, match=r"declared symmetry must leave.*permuting 'h'"):
        network(torch_like, params, INPUTS, symmetry=wrong)


ROWS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("apply", "params", "inputs", "error", "message"),
    [
        ("mlp", {"w": ROWS}, INPUTS, TypeError, r"apply must be a function.*Got 'mlp'"),
        (lambda p: p, {"w": ROWS}, INPUTS, TypeError, r"apply\(params, inputs\).*takes \(p\)"),
        (lambda p, x: x @ p["w"], {"w": np.ones((5, 3), int)}, INPUTS, TypeError, r"Got int64"),
        (lambda p, x: x @ p["w"], {"w": ROWS}, {"x": INPUTS}, TypeError, r"one array.*Got dict"),
        (lambda p, x: x @ p["w"], {"w": ROWS}, INPUTS[:0], TypeError, r"at least one.*\(0, 5\)"),
        (lambda p, x: (x @ p["w"],), {"w": ROWS}, INPUTS, TypeError, r"one array of.*Got tuple"),
        (lambda p, x: (x @ p["w"]) > 0, {"w": ROWS}, INPUTS, TypeError, r"an array of bool"),
        (lambda p, x: (x @ p["w"]).T, {"w": ROWS}, INPUTS, ValueError, r"one row.*\(3, 16\)"),
        (lambda p, x: (x @ p["w"]).sum(), {"w": ROWS}, INPUTS, ValueError, r"one row.*\(\) for"),
        (lambda p, x: x.reshape(16, 5) @ p["w"], {"w": ROWS}, INPUTS, ValueError, r"any number"),
        (lambda p, x: jnp.log(x @ p["w"]), {"w": ROWS}, INPUTS, ValueError, r"must be finite"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused_in_one_line(
    apply: object, params: dict, inputs: object, error: type, message: str, unchecked: None
) -> None:
    with pytest.raises(error, match=message) as raised:
        network(apply, params, inputs)
    assert "\n" not in str(raised.value) or "any number" in message


def tokens_read(params: dict, tokens: jax.Array) -> jax.Array:
    """The mean embedding of tokens, and a hidden layer."""
    mean = params["embedding"][tokens].mean(axis=1)
    return jax.nn.relu(mean @ params["in"]) @ params["out"]


@pytest.mark.slow
def test_the_example_of_the_page_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text("utf-8")
    (code,) = re.findall(r'```python title="own"\n(.*?)```', page, re.DOTALL)
    made: dict = {}
    with jax.numpy_rank_promotion("allow"):
        exec(compile(code, "docs/networks.md", "exec"), made)
        features = made["matching"].features(_trees.stack([made["params"]]))
    assert features["b1"].shape == (1, 200, 16)


@pytest.mark.slow
def test_a_network_of_tokens_goes_from_its_function_to_pruned_draws(key: jax.Array) -> None:
    rng = np.random.default_rng(0)
    shapes = {"embedding": (7, 4), "in": (4, 6), "out": (6, 2)}
    params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    tokens = rng.integers(0, 7, (12, 3))
    own = network(tokens_read, params, tokens)
    assert own.symmetry.sizes == {"embedding": 4, "in": 6}
    assert own.is_homogeneous
    train = SimpleNamespace(inputs=tokens, targets=rng.integers(0, 2, 12))
    posterior = ob.posterior(own, train)
    method = ob.hmc(posterior.logdensity, num_steps=3, num_warmup=5)
    samples = ob.sample(method, ob.methods.inits(posterior.init, 2, key=key), num_draws=5, key=key)
    matching = activation_matching(lambda p: own.activations(p, tokens))
    alignment = align(samples, posterior.symmetry, matching)
    aligned = alignment.apply(samples)
    assert ob.weight_table(alignment, samples).sizes["weight"] == 28 + 24 + 12
    predictive = ob.predict(posterior, aligned.flatten(), tokens)
    np.testing.assert_allclose(
        predictive.probs, ob.predict(posterior, samples.flatten(), tokens).probs, atol=1e-6
    )
    keeps = (0.5, 0.2)
    copies = ob.pruning.conditional_copies(posterior, samples.draw(0, 0), keeps, key=key)
    total = sum(int((leaf[0] != 0).sum()) for leaf in jax.tree.leaves(copies))
    assert total == round(0.5 * 64)
    balance(own.symmetry, samples.params, num_batch_axes=2)
    loss = lambda params: -np.log(ob.predict(posterior, params, tokens).draw_probs[:, :, 0]).mean(1)
    assert np.isfinite(ob.prediction.basin_check(samples, alignment, loss).aligned.mean)
