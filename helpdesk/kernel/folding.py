"""When two names are one: whatever their capitals, their width, their spacing, and what in them cannot be seen."""

import unicodedata
from typing import Final

_INVISIBLE: Final = "Cf"
_JOINERS: Final = frozenset("\u200c\u200d")
"""The only invisible characters that writing needs: Persian and Indic scripts, and emoji made of several."""
_ROUNDS: Final = 4
"""To fold may bring forth what can be folded again (Unicode 3.13); no text known needs more than two."""


def fold(name: str) -> str:
    """What a name is compared by: compatibility forms, case, spacing and invisible characters make no difference. Empty
    when nothing of it can be seen. To fold twice is to fold once.
    """
    for _ in range(_ROUNDS):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        folded = " ".join("".join(char for char in folded if not _unseen(char)).split())
        if folded == name:
            break
        name = folded
    return name


def _unseen(char: str) -> bool:
    return unicodedata.category(char) == _INVISIBLE or "\ufe00" <= char <= "\ufe0f"


def misleads(name: str) -> bool:
    """Whether it holds invisible characters that writing does not need: they turn text around, or hide in it."""
    return any(unicodedata.category(char) == _INVISIBLE and char not in _JOINERS for char in name)
