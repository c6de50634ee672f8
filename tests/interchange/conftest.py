"""What the tests of draws of other libraries share."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True)
def ranks_promote() -> Iterator[None]:
    """Other libraries promote ranks as their authors like."""
    with jax.numpy_rank_promotion("allow"):
        yield
