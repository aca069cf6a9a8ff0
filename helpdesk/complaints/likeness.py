"""How alike two texts are, by the words they share. Explainable on purpose: what is shared can be shown.

Words are those of search (`search_text`): folded, and in scripts without blanks each pair of neighbours. Short words of
the Latin script are left out, which every text has; numbers are kept, which few share. Of two texts of one length it is
Dice's coefficient; of a short and a long one also how much of the short one is in the long one counts, a fifth less.
Source: L. R. Dice, "Measures of the amount of ecologic association between species" (1945).
"""

from typing import Final

from helpdesk.complaints.search_text import tokens

LONGEST: Final = 2_000
"""Characters that are looked at: what somebody complains of, they say first."""
_SHORT: Final = 3
_FEW: Final = 5
"""Of fewer words than these, that they are in a long text says nothing."""
_LESS: Final = 0.8


def words(text: str) -> frozenset[str]:
    return frozenset(token.text for token in tokens(text[:LONGEST]) if _tells(token.text))


def _tells(word: str) -> bool:
    return len(word) > _SHORT or not word.isascii() or word.isdigit()


def likeness(one: frozenset[str], other: frozenset[str]) -> int:
    """0 to 100."""
    shared, fewer = len(one & other), min(len(one), len(other))
    if not shared:
        return 0
    alike = 2 * shared / (len(one) + len(other))
    if fewer >= _FEW:
        alike = max(alike, _LESS * shared / fewer)
    return round(100 * alike)
