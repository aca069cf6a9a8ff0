"""Text as search sees it: folded, cut into words where a script has words and into pairs of characters where it has none.

Folding makes one text of the spellings that a reader takes for one: width and ligatures (NFKC), case, the accents of
Latin, Greek and Cyrillic, the vowel points of Hebrew and Arabic; invisible characters go. Chinese, Japanese, Thai and
their like put no blanks between words, and Korean hangs its particles on them: a run of such characters becomes each
character with its neighbour (`配送延迟`: 配送, 送延, 延迟, and 迟 alone at the end), so that any two neighbours in a text
are found, without a dictionary.

A token stands at a place; the pairs of a run stand at the place of their first character. A phrase is tokens at places
that follow each other. `tokens` is for writing the index, `spans` for showing where in the original a token stands.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

MAX_TOKEN: Final = 64
"""Characters of a word that count; what is longer is no word of a language."""

_UNSPACED: Final = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ecd\u1000-\u104f\u1100-\u11ff\u1780-\u17d3\u3005-\u3007"
    "\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Hangul, kana, Bopomofo, Han."""

_POINTS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]+"
)
"""Marks that writers leave out: accents, and vowel points of Hebrew and Arabic. The marks of other scripts are letters."""

_INVISIBLE: Final = dict.fromkeys(
    [0xAD, 0x034F, 0x061C, 0xFEFF, 0x0640, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]
)
"""Soft hyphens, zero widths, directions, and the Arabic stretcher, which is drawn but says nothing."""


def _marks() -> str:
    """Every mark of the first plane that belongs to a word, as ranges of a regular expression."""
    unspaced = re.compile(f"[{_UNSPACED}]")
    found: list[list[int]] = []
    for code in range(0x300, 0xFE30):
        if unicodedata.category(chr(code)) in {"Mn", "Mc"} and not unspaced.match(chr(code)):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


_TOKEN: Final = re.compile(f"([{_UNSPACED}]+)|((?:[^\\W_{_UNSPACED}]|[{_marks()}])+)")
_ASCII: Final = re.compile("[0-9a-z]+")


def fold(text: str) -> str:
    """What two spellings of one text have in common. Folding what is folded changes nothing."""
    if text.isascii():
        return text.lower()
    shown = unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).casefold()
    bare = _POINTS.sub("", unicodedata.normalize("NFD", shown))
    return unicodedata.normalize("NFKC", bare)


class Token(NamedTuple):
    """`place` counts from 1 in its text. `pair`: two characters of a run, or the last of one; else a word."""

    text: str
    place: int
    pair: bool


def tokens(text: str, after: int = 0) -> Iterator[Token]:
    """In order; the first stands at the place `after + 1`."""
    place = after
    folded = fold(text)
    if folded.isascii():
        for word in _ASCII.findall(folded):
            place += 1
            yield Token(word[:MAX_TOKEN], place, pair=False)
        return
    for run, word in _TOKEN.findall(folded):
        if word:
            place += 1
            yield Token(word[:MAX_TOKEN], place, pair=False)
        else:
            for start in range(len(run)):
                place += 1
                yield Token(run[start : start + 2], place, pair=True)


class Span(NamedTuple):
    """A token and where it stands in the original: characters from `start` to before `end`."""

    token: Token
    start: int
    end: int


_CLUSTER: Final = re.compile("(?s).[\u0300-\u036f\u3099\u309a\uff9e\uff9f]*")
"""A character with the accents and the voicing marks after it, which folding makes one."""


@lru_cache(maxsize=20_000)
def _folded_cluster(cluster: str) -> str:
    return fold(cluster)


def spans(text: str) -> Iterator[Span]:
    """As `tokens`, with places in the original. Slower: it folds character by character, to know what came from where."""
    if text.isascii():
        for place, found in enumerate(_ASCII.finditer(text.lower()), start=1):
            yield Span(Token(found.group()[:MAX_TOKEN], place, pair=False), *found.span())
        return
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for cluster in _CLUSTER.finditer(text):
        part = _folded_cluster(cluster.group())
        folded.append(part)
        starts += [cluster.start()] * len(part)
        ends += [cluster.end()] * len(part)
    whole = "".join(folded)
    place = 0
    for found in _TOKEN.finditer(whole):
        first, last = found.span()
        if found.group(2):
            place += 1
            yield Span(Token(found.group(2)[:MAX_TOKEN], place, pair=False), starts[first], ends[last - 1])
            continue
        for start in range(first, last):
            place += 1
            end = min(start + 2, last)
            yield Span(Token(whole[start:end], place, pair=True), starts[start], ends[end - 1])


MAX_PLACES: Final = 12_000
"""Places in one segment. PostgreSQL counts to 16 383 and gives every later token that place."""

MAX_PER_TOKEN: Final = 255
"""Places of one token that PostgreSQL keeps."""

GAP: Final = 10
"""Places between two texts, so that no phrase reaches from one into the other."""

OVERLAP: Final = 32
"""Places that two segments of one text share, so that a phrase across their border is found in the second."""

TAGGED: Final = "#"
"""Before each token of a tag in the index, which no token of a text begins with: one index holds both, and a name is not
taken for a tag. Its tokens stand there without it too, so that a word is looked for once, wherever it is: with a weight
that nobody asks for by itself, else a tag would be taken for a name.
"""
_WEIGHT_UNASKED: Final = "D"

MAX_LEXEMES: Final = 4_000
"""Different tokens in one segment that is still written to: each message writes all of its segment anew."""


@dataclass(slots=True)
class Segment:
    """One `tsvector` in the making. `A` is the heaviest weight: subject; `B` people and tags; `C` description; `D`
    thread.
    """

    last: int = 0
    places: dict[str, list[str]] = field(default_factory=dict)

    def put(self, token: str, place: int, weight: str) -> None:
        known = self.places.setdefault(token, [])
        if len(known) < MAX_PER_TOKEN:
            known.append(f"{place}{weight}")
        self.last = max(self.last, place)

    @property
    def vector(self) -> str:
        """PostgreSQL's text of it. Tokens are letters and digits, perhaps after a mark: in quotes nothing of them needs an
        escape.
        """
        return " ".join(f"'{token}':{','.join(places)}" for token, places in self.places.items())


class Weighted(NamedTuple):
    """`mark` stands before each of its tokens: `TAGGED`, or nothing."""

    text: str
    weight: str
    mark: str = ""


def segments(head: list[Weighted], rest: list[Weighted]) -> list[Segment]:
    """All of a complaint's text. The head stands in every segment, so that words of the subject, a tag or a name are found
    together with any others; the rest is spread over as many as it needs, one for almost every complaint.
    """
    found = [_headed(head)]
    for text, weight, _ in rest:
        _spread(found, text, weight, head)
    return found


def _headed(head: list[Weighted]) -> Segment:
    segment = Segment()
    for text, weight, mark in head:
        for token, place, _ in tokens(text, segment.last + GAP):
            if place > MAX_PLACES // 2:
                return segment  # names without end would leave no room for the rest
            segment.put(mark + token, place, weight)
            if mark:
                segment.put(token, place, _WEIGHT_UNASKED)
    return segment


def _spread(found: list[Segment], text: str, weight: str, head: list[Weighted]) -> None:
    segment = found[-1]
    if segment.last + GAP > MAX_PLACES or len(segment.places) > MAX_LEXEMES:
        segment = _headed(head)
        found.append(segment)
    left = list(tokens(text))
    while left:
        shift = segment.last + GAP - left[0].place + 1
        fit = bisect_right(left, MAX_PLACES - shift, key=_place)
        for token in left[:fit]:
            segment.put(token.text, token.place + shift, weight)
        if fit == len(left):
            return
        left = left[max(fit - OVERLAP, 0) if fit else 0 :]
        segment = _headed(head)
        found.append(segment)


_place: Final = attrgetter("place")


def digits(phone: str) -> str:
    """A telephone number as one token, however it is written; empty when it is too short for one."""
    found = "".join(char for char in unicodedata.normalize("NFKC", phone) if char.isdigit())
    return found if len(found) >= 5 else ""
