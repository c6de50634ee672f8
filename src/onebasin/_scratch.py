"""Memory that is used again: asking the system for large arrays takes as long as filling them."""

import math
import threading
from typing import Any

import numpy as np


class Scratch(threading.local):
    """Arrays that keep their memory between calls, for each thread by itself.

    What `array` gives is overwritten by the next call with its name: it may not be given away.
    """

    def __init__(self) -> None:
        self._held: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array of any content."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        held = self._held.get(name)
        if held is None or held.nbytes < size:
            held = self._held[name] = np.empty(size, np.uint8)
        return held[:size].view(dtype).reshape(shape)
