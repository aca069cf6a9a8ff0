"""Taking something out of a text, and finding it again where the text was copied to.

What is taken out leaves a mark whose length tells nothing. Copies may be written otherwise (other capitals, other line
breaks, as HTML), so they are compared by their words.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from helpdesk.kernel.rich_text import Unreadable, plain_text

MARK: Final = "[redacted]"
QUOTED: Final = 15
"""So many characters of a line make it a quotation rather than a coincidence."""


class NotThere(ValueError):
    """What is to be taken out does not stand in the text; `place`: which of the things given."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True, slots=True)
class Cut:
    """`left`: the text afterwards. `removed`: what was taken out; the whole text where `whole`. `count`: at how many
    places.
    """

    left: str
    removed: tuple[str, ...]
    count: int
    whole: bool = False

    def is_in(self, copy: str) -> bool:
        """Whether a copy holds any of it; of a whole text also any part of it that is a text by itself."""
        words = _words(copy)
        return self.holds(copy) or (self.whole and bool(words) and words in _words(self.removed[0]))

    def holds(self, value: str) -> bool:
        """Whether a copy holds any of it, not counting parts: for values that may be words of a list."""
        words = _words(value)
        return any(_words(fragment) in words for fragment in self.removed)

    def out_of(self, copy: str) -> str:
        """The copy without it."""
        if self.whole and self.is_in(copy):
            return MARK
        for fragment in self.removed:
            copy = _pattern(fragment).sub(MARK, copy)
        return copy

    def quoted_in(self, text: str) -> bool:
        if not self.whole:
            return self.is_in(text)
        words = _words(text)
        lines = (_words(line) for line in self.removed[0].splitlines())
        return any(len(line) >= QUOTED and line in words for line in lines) or _words(self.removed[0]) in words


def whole(text: str) -> Cut:
    return Cut(MARK, (text,), 1, whole=True)


def spans(text: str, ranges: Sequence[tuple[int, int]]) -> Cut:
    """Half-open ranges of characters. Raises `NotThere` for one that is empty or not within the text."""
    for place, (start, end) in enumerate(ranges):
        if not 0 <= start < end <= len(text):
            raise NotThere(place)
    merged: list[list[int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    left, last = [], 0
    for start, end in merged:
        left += [text[last:start], MARK]
        last = end
    removed = tuple(text[start:end] for start, end in merged)
    return Cut("".join([*left, text[last:]]), tuple(part for part in removed if part.strip()), len(merged))


def strings(text: str, wanted: Sequence[str], elsewhere: Callable[[str], bool] = lambda _: False) -> Cut:
    """Every occurrence of these, in whatever capitals and line breaks. Raises `NotThere` for one that occurs neither here
    nor `elsewhere`.
    """
    count = 0
    for place, one in enumerate(wanted):
        text, found = _pattern(one).subn(MARK, text)
        if not found and not elsewhere(one):
            raise NotThere(place)
        count += found
    return Cut(text, tuple(wanted), count)


def _words(text: str) -> str:
    return " ".join(text.split()).casefold()


@lru_cache(maxsize=256)
def _pattern(fragment: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, fragment.split())) or r"(?!)", re.IGNORECASE)


def in_html(cut: Cut, markup: str) -> bool:
    """Whether a text that is HTML holds any of it, tags between its words or not."""
    if "<" not in markup:
        return False
    try:
        return cut.is_in(plain_text(markup))
    except Unreadable:
        return False


def leaves(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from leaves(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: mapped(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [mapped(item, change) for item in value]
    return value


def any_holds(cut: Cut, texts: Iterable[str]) -> bool:
    return any(cut.is_in(text) or in_html(cut, text) for text in texts)
