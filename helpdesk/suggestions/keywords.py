"""Lists of words that speak for a category, in English and Chinese: what suggests one before there is enough to learn from.

They are data (`data/keywords.json`), written in the language of search: `late*` any word that begins so, `"not received"`
words next to each other, `退款` these characters. A list that names a category that is not in use says nothing.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

from helpdesk.complaints.search_language import Term, read
from helpdesk.complaints.search_text import Span

LONG: Final = 2
"""Tokens from which on what is found is worth twice: several words that belong together are seldom there by chance."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """`said`: as it stands in the list."""

    said: str
    term: Term
    points: int


@dataclass(frozen=True, slots=True)
class Found:
    """`evidence`: each word, as it stands in the text, with its points; the heaviest first."""

    category: str
    points: int
    evidence: tuple[tuple[str, int], ...]


@lru_cache(maxsize=1)
def shipped() -> dict[str, tuple[Keyword, ...]]:
    text = resources.files("helpdesk.suggestions").joinpath("data/keywords.json").read_text(encoding="utf-8")
    lists: dict[str, dict[str, list[str]]] = json.loads(text)
    return {
        category: tuple(_keyword(said) for words in by_language.values() for said in words)
        for category, by_language in lists.items()
    }


def _keyword(said: str) -> Keyword:
    term = read(said).wanted[0]
    return Keyword(said, term, 2 if len(term.tokens) > LONG or (len(term.tokens) == LONG and " " in said) else 1)


@lru_cache(maxsize=1)
def _by_beginning() -> dict[str, list[tuple[str, Keyword]]]:
    """The keywords by the first two characters of their first token: few are looked for at each place of a text."""
    found: dict[str, list[tuple[str, Keyword]]] = {}
    for category, keywords in shipped().items():
        for keyword in keywords:
            found.setdefault(keyword.term.tokens[0].text[:2], []).append((category, keyword))
    return found


def judge(text: str, spans: Sequence[Span], categories: Collection[str]) -> list[Found]:
    """What speaks for each of `categories`, the one with the most points first, equals by their code; only those that
    anything speaks for. `spans`: of the text (`features.read`).
    """
    hits: dict[str, dict[Keyword, str]] = {}
    for place, span in enumerate(spans):
        for category, keyword in _by_beginning().get(span.token.text[:2], ()):
            if category in categories and keyword not in hits.get(category, ()):
                last = keyword.term.stands_at(spans, place)
                if last is not None:
                    hits.setdefault(category, {})[keyword] = text[span.start : spans[last].end]
    found = [_found(category, known) for category, known in hits.items()]
    return sorted(found, key=lambda item: (-item.points, item.category))


def _found(category: str, known: dict[Keyword, str]) -> Found:
    evidence = sorted(((said, keyword.points) for keyword, said in known.items()), key=lambda item: (-item[1], item[0]))
    return Found(category, sum(points for _, points in evidence), tuple(evidence))
