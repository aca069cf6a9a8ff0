"""The words of a text that the model counts.

As search cuts it (`complaints.search_text`): words where a script has words, pairs of characters where it has none. What
tells of one person or one case is left out: whatever has a digit in it, single characters, and fillers such as `XXXX`.
"""

from collections.abc import Iterable
from typing import Final

from helpdesk.complaints.search_text import Span, spans, tokens

MAX_TEXT: Final = 20_000
"""Characters of a text that count: what a complaint is about is said by then."""


def whole(subject: str, description: str) -> str:
    """The text that a complaint is judged by."""
    return f"{subject}\n{description}"[:MAX_TEXT]


def words_of(text: str) -> frozenset[str]:
    """Each once: that a complaint repeats itself says nothing more about its category."""
    return frozenset(token.text for token in tokens(text[:MAX_TEXT]) if _counts(token.text))


def without(words: frozenset[str], names: Iterable[str | None]) -> frozenset[str]:
    """The words without those of the names and addresses of the people on the complaint."""
    return words.difference(*(words_of(name) for name in names if name))


def read(text: str) -> list[Span]:
    """Where each token of a text stands in it, in order."""
    return list(spans(text[:MAX_TEXT]))


def spelled(text: str, found: Iterable[Span]) -> dict[str, str]:
    """The words that count, each as it first stands in the text."""
    known: dict[str, str] = {}
    for span in found:
        if _counts(span.token.text):
            known.setdefault(span.token.text, text[span.start : span.end])
    return known


def _counts(word: str) -> bool:
    if len(word) < 2 or any(char.isdigit() for char in word):
        return False
    return len(word) == 2 or len(set(word)) > 1
