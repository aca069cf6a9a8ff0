"""What we say to complainants of ourselves, in the languages we have it in; shipped as data (`data/phrases.json`)."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Final

STANDARD: Final = "en"
LANGUAGES: Final = (STANDARD, "zh")


@lru_cache(maxsize=1)
def phrases() -> dict[str, dict[str, str]]:
    """Name -> language -> text, with places for values."""
    text = resources.files("helpdesk.complaints").joinpath("data/phrases.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def said(name: str, language: str | None, **values: Any) -> str:
    return in_language(phrases()[name], language).format(**values)


def first_of(language: str | None) -> tuple[str, ...]:
    """`LANGUAGES`, that first which somebody of this language reads best."""
    best = in_language({tag: tag for tag in LANGUAGES}, language)
    return (best, *(tag for tag in LANGUAGES if tag != best))


def retold(name: str, text: str, language: str | None, **values: Any) -> str | None:
    """The same in a language, of a text that is one of ours by that name; None where it is none (any more). `values`: those
    that it may not have named in its own language.
    """
    for pattern in _patterns(name):
        found = pattern.fullmatch(text)
        if found is not None:
            return said(name, language, **values | found.groupdict())
    return None


@lru_cache
def _patterns(name: str) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(text) for text in phrases()[name].values())


def _pattern(text: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def place(found: re.Match[str]) -> str:
        again = found[1] in seen
        seen.add(found[1])
        return f"(?P={found[1]})" if again else f"(?P<{found[1]}>[A-Za-z0-9_-]{{1,40}})"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", place, re.escape(text)))


def in_language(texts: Mapping[str, str], language: str | None) -> str:
    """The text in a language (BCP 47), in its main language, or in the standard one, which `texts` has."""
    for tag in (language or "", (language or "").partition("-")[0]):
        for known, text in texts.items():
            if known.lower() == tag.lower():
                return text
    return texts[STANDARD]
