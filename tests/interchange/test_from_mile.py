"""MILE's folders of npz files become Samples in the order of their numbers."""

import numpy as np
import pytest

import onebasin as ob
from onebasin.interchange import from_mile

RNG = np.random.default_rng(0)
DRAWS = RNG.normal(size=(12, 11, 3, 4)).astype(np.float32)
BIAS = RNG.normal(size=(12, 11, 4))


@pytest.fixture
def experiment(tmp_path):
    """As MILE writes one with a thinning of 10, beside its pickles."""
    for chain in range(12):
        folder = tmp_path / "samples" / str(chain)
        folder.mkdir(parents=True)
        for draw in range(11):
            arrays = {"fcn.layer0.kernel": DRAWS[chain, draw], "fcn.layer0.bias": BIAS[chain, draw]}
            np.savez_compressed(folder / f"sample_{10 * draw}.npz", **arrays)
    (tmp_path / "samples" / "info.pkl").write_bytes(b"never read")
    (tmp_path / "tree").write_bytes(b"never read")
    return tmp_path


def test_chains_and_draws_are_in_the_order_of_their_numbers(experiment) -> None:
    for folder in (experiment, experiment / "samples", str(experiment)):
        samples = from_mile(folder)
        layer = samples.params["fcn"]["layer0"]
        np.testing.assert_array_equal(layer["kernel"], DRAWS)
        np.testing.assert_array_equal(layer["bias"], BIAS)
        assert layer["kernel"].dtype == np.float32


def test_like_says_what_there_must_be(experiment) -> None:
    like = {"fcn": {"layer0": {"kernel": np.zeros((3, 4)), "bias": np.zeros(4)}}}
    assert from_mile(experiment, like).num_chains == 12
    like["fcn"]["layer0"]["scale"] = np.zeros(4)
    with pytest.raises(ValueError, match=r"Missing: 'fcn\.layer0\.scale'"):
        from_mile(experiment, like)


def test_what_does_not_fit_is_told_with_the_file(experiment) -> None:
    file = experiment / "samples" / "3" / "sample_50.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    with pytest.raises(ob.store.StoreError, match=r"sample_50\.npz must be a whole npz file"):
        from_mile(experiment)
    np.savez(file, **{"fcn.layer0.kernel": DRAWS[0, 0]})
    with pytest.raises(ValueError, match=r"Missing: 'fcn\.layer0\.bias'\. This is at .*sample_50"):
        from_mile(experiment)
    np.savez(file, **{"fcn.layer0.kernel": DRAWS[0, 0].T, "fcn.layer0.bias": BIAS[0, 0]})
    with pytest.raises(ValueError, match=r"\(3, 4\) in 'fcn\.layer0\.kernel'.*Got \(4, 3\) at"):
        from_mile(experiment)
    np.savez(file, a=np.array([object()]))
    with pytest.raises(ob.store.StoreError, match="must be a whole npz"):
        from_mile(experiment)
    file.unlink()
    with pytest.raises(ValueError, match="All chains must have as many draws"):
        from_mile(experiment)
    with pytest.raises(ob.store.StoreError, match=r"Got none in .*nowhere"):
        from_mile(experiment / "nowhere")
