"""What programs need: their axes broadcast, and their walks are not checked call by call."""

from collections.abc import Iterator

import jax
import jaxtyping
import pytest


@pytest.fixture
def ranks_promote() -> Iterator[None]:
    """Programs are written as networks are by their authors."""
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Signatures are not checked: that takes most of the time, and other tests do it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
