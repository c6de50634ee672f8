"""Damage to files: flipped bits, lost ends, and bytes too many."""

import random


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with one flipped bit, or without its end, or with a byte more."""
    place = rng.randrange(len(content))
    match rng.choice(["flip", "flip", "cut", "longer"]):
        case "flip":
            byte = content[place] ^ (1 << rng.randrange(8))
            return content[:place] + bytes([byte]) + content[place + 1 :]
        case "cut":
            return content[:place]
        case _:
            return content + bytes([rng.randrange(256)])
