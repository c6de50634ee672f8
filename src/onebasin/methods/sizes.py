"""How large draws are, in memory and in a store."""

import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from onebasin.methods.method import Method
from onebasin.methods.reductions import before_steps
from onebasin.store.errors import StoreError

_HEADER_BYTES = 1200
"""About the size of the header of an array and of its line in the record of a store."""
_CHECKSUM_BYTES = 4
_NUMBER_BYTES = 8


class Sizes(NamedTuple):
    """Sizes in bytes: of a draw of all chains, and of the states of all chains.

    `num_arrays` is the number of arrays of a draw, its statistics among them.
    """

    draw: int
    state: int
    num_arrays: int

    @classmethod
    def of(cls, method: Method, first_step: jax.stages.Lowered, num_chains: int) -> "Sizes":
        """The sizes of a method, told from its first step."""
        state, stats = first_step.out_info
        stats = jax.eval_shape(partial(before_steps, method.reduce_stats), stats)
        arrays = jax.tree.leaves((state.position, stats))
        size = lambda tree: num_chains * sum(map(_num_bytes, jax.tree.leaves(tree)))
        return cls(size(arrays), size(state), len(arrays))

    def on_disk(self, num_draws: int, chunk_length: int) -> int:
        """The size of a store of so many draws of each chain, in chunks of `chunk_length` draws."""
        num_chunks = -(-num_draws // chunk_length)
        num_arrays = self.num_arrays + 2  # both groups number the draws
        in_chunk = chunk_length * (self.draw + 2 * _NUMBER_BYTES) + num_arrays * _CHECKSUM_BYTES
        return num_chunks * in_chunk + 2 * self.state + num_arrays * _HEADER_BYTES


def _num_bytes(leaf: Any) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


def check_room(store: Path, sizes: Sizes, num_draws: int, chunk_length: int) -> None:
    """Refuse to start a sampling for which the disk of its store has no room.

    Raises: StoreError.
    """
    needed = sizes.on_disk(num_draws, chunk_length)
    folder = next(path for path in (store.absolute(), *store.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"The disk of a store must have room for all draws. Got {free / 1e9:.3g} GB free for "
            f"{store}, where {num_draws} draws of each chain take {needed / 1e9:.3g} GB. Free some "
            "space, lower num_draws, or write elsewhere."
        )
