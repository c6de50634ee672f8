"""The page "Your own model" runs as it stands, but for fewer draws."""

import jax
import numpy as np
import pytest
from pages import blocks, run

PAGE = "models.md"
FEWER = {
    "ob.hmc(posterior.logdensity)": "ob.hmc(posterior.logdensity, num_steps=5, num_warmup=10)",
    "num_draws=1000": "num_draws=10",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Flipping 'layer'")
def test_an_own_function_is_sampled_aligned_tabled_and_predicts(capsys) -> None:
    with jax.numpy_rank_promotion("allow"):
        names = run(PAGE, "\n".join(blocks(PAGE, fewer=FEWER)))
    printed = capsys.readouterr().out
    assert "layer  16" in printed
    assert printed.count("nll") == 2
    assert "{}\n" in printed  # no sign is left
    assert np.isfinite(names["table"]["contraction"]).all()
