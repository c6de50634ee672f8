"""What programs need: their axes broadcast, and their walks are not checked call by call."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def ranks_promote() -> Iterator[None]:
    """Programs are written as networks are by their authors."""
    with jax.numpy_rank_promotion("allow"):
        yield
