"""Where in a complaint's text a search found its words: fragments of the original, as data. Nothing is marked up, so
whatever stands in a text is shown as text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final
from uuid import UUID

from helpdesk.complaints.search_language import Query, Term
from helpdesk.complaints.search_text import fold, spans

AROUND: Final = 60
"""Characters shown before the first and after the last match of a fragment."""
LONGEST: Final = 300
MOST: Final = 3
"""Fragments of one complaint."""
_SLICE: Final = 1_000
_SHARED: Final = 200
"""A long text is looked through in slices, which share this many characters, until a match is found."""


@dataclass(frozen=True, slots=True)
class Part:
    """`match`: this is what was looked for."""

    text: str
    match: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """`field`: subject, tag, person, description or message; `message_id` of the last."""

    field: str
    message_id: UUID | None
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Source:
    """A text to look through. `within`: its weight in the index; `TAGGED` for a tag."""

    field: str
    within: str
    text: str
    message_id: UUID | None = None


class Finder:
    """Finds the wanted words of one query in the texts of many complaints."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._within: dict[str, _Wanted | None] = {}

    def fragments(self, sources: Iterable[Source]) -> list[Fragment]:
        """One for each source with a match, in order, at most `MOST`."""
        found = (self._fragment(source) for source in sources)
        return list(islice((fragment for fragment in found if fragment is not None), MOST))

    def _fragment(self, source: Source) -> Fragment | None:
        if source.within not in self._within:
            self._within[source.within] = _Wanted.of(self._query, source.within)
        wanted = self._within[source.within]
        return None if wanted is None else _fragment(source, wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The terms that count in texts of one weight. `ascii`: finds any of them in lower case ASCII."""

    terms: Sequence[Term]
    ascii: re.Pattern[str]

    @classmethod
    def of(cls, query: Query, within: str) -> "_Wanted | None":
        terms = [each for term in query.wanted if term.within in {"", within} for each in (term, *term.others)]
        patterns = filter(None, (term.pattern for term in terms))
        return cls(terms, re.compile("|".join(patterns) or "(?!)")) if terms else None


def _fragment(source: Source, wanted: _Wanted) -> Fragment | None:
    if source.text.isascii():
        marks = _marks_of_ascii(source.text, wanted.ascii)
        return Fragment(source.field, source.message_id, _cut(source.text, marks)) if marks else None
    for text in _slices(source.text):
        if not _worth_looking(text, wanted.terms):
            continue
        marks = _marks(text, wanted.terms)
        if marks:
            return Fragment(source.field, source.message_id, _cut(text, marks))
    return None


def _marks_of_ascii(text: str, either: re.Pattern[str]) -> list[tuple[int, int]]:
    """As `_marks`, of the first match and what is near it, by one regular expression: most texts are of this kind."""
    lower = text.lower()
    first = either.search(lower)
    if first is None:
        return []
    return [found.span() for found in either.finditer(lower, first.start(), first.start() + _SLICE)]


def _slices(text: str) -> Iterator[str]:
    for start in range(0, max(len(text), 1), _SLICE):
        yield text[max(start - _SHARED, 0) : start + _SLICE]


def _worth_looking(text: str, terms: Sequence[Term]) -> bool:
    """Folding all at once is quick; to tell what came from where is not."""
    folded = fold(text)
    return any(term.tokens[0].text in folded for term in terms)


def _marks(text: str, terms: Sequence[Term]) -> list[tuple[int, int]]:
    """What is looked for, from and to, in order, without overlaps."""
    there = list(spans(text))
    found: list[tuple[int, int]] = []
    for place, span in enumerate(there):
        ends = [last for term in terms if (last := term.stands_at(there, place)) is not None]
        if ends:
            end = there[max(ends)].end
            if found and span.start <= found[-1][1]:
                found[-1] = (found[-1][0], max(end, found[-1][1]))
            else:
                found.append((span.start, end))
    return found


def _cut(text: str, marks: Sequence[tuple[int, int]]) -> list[Part]:
    start = max(marks[0][0] - AROUND, 0)
    shown = [mark for mark in marks if mark[1] <= start + LONGEST] or [(marks[0][0], start + LONGEST)]
    end = min(shown[-1][1] + AROUND, len(text), start + LONGEST + AROUND)
    parts = []
    at = start
    for first, last in shown:
        parts += [Part(text[at:first], match=False), Part(text[first:last], match=True)]
        at = last
    parts.append(Part(text[at:end], match=False))
    if start > 0:
        parts[0] = Part("\u2026" + parts[0].text.lstrip(), match=False)
    if end < len(text):
        parts[-1] = Part(parts[-1].text.rstrip() + "\u2026", match=False)
    return [part for part in parts if part.text]
