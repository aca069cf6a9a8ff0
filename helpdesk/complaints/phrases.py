"""What we say to complainants of ourselves, in the languages we have it in; shipped as data (`data/phrases.json`)."""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Final

STANDARD: Final = "en"


@lru_cache(maxsize=1)
def phrases() -> dict[str, dict[str, str]]:
    """Name -> language -> text, with places for values."""
    text = resources.files("helpdesk.complaints").joinpath("data/phrases.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def said(name: str, language: str | None, **values: Any) -> str:
    return in_language(phrases()[name], language).format(**values)


def in_language(texts: Mapping[str, str], language: str | None) -> str:
    """The text in a language (BCP 47), in its main language, or in the standard one, which `texts` has."""
    for tag in (language or "", (language or "").partition("-")[0]):
        for known, text in texts.items():
            if known.lower() == tag.lower():
                return text
    return texts[STANDARD]
