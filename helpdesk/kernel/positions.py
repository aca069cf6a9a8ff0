"""Where something new stands among what people put in order: behind all that is there, with room for others between."""

from typing import Final

STEP: Final = 10
"""Between two, so that another fits between them."""
LARGEST: Final = 1_000_000_000
"""The largest position that is documented."""


def behind(last: int, most: int = LARGEST) -> int:
    """Behind `last`. Where there is no room up to `most`, beside the last one: the order is by position and then by id, so what is
    newer still stands behind it.
    """
    return min(last + STEP, most)
