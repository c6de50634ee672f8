"""What the tests of networks share."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def ranks_promote() -> Iterator[None]:
    """Networks are written as their authors write them."""
    with jax.numpy_rank_promotion("allow"):
        yield
