"""Texts with places for values: `{{complaint.reference}}`, or with a word for when there is none:
`{{complainant.name|there}}`.

No template engine: there is nothing to execute, the names are a fixed list, and what is put in is never read again. In
HTML a value is escaped as text, inside a link's target as part of an address; everywhere it is one line.
"""

import html as entities
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

VARIABLES: Final[Mapping[str, str]] = {
    "complaint.reference": "the complaint's reference",
    "complaint.subject": "its title",
    "complaint.received_on": "the day on which it was received, in words",
    "complainant.name": "who is written to: the representative with authority, else the complainant",
    "agent.name": "who writes",
    "team.name": "the team that has the complaint",
    "today": "the day, in words",
}

_PLACE: Final = re.compile(r"\{\{([^{}<>]*)\}\}")
_TAG: Final = re.compile(r"(<[^>]*>)")

Values = Mapping[str, str | None]


def faults(text: str) -> list[tuple[str, str]]:
    """What is wrong with a text, as `(code, detail)`."""
    found = []
    for inner in _PLACE.findall(text):
        name, _ = _parts(inner)
        if name not in VARIABLES:
            found.append(("unknown_variable", f"There is no {name[:50]!r}; there are {', '.join(VARIABLES)}."))
    if re.search(r"\{\{|\}\}", _PLACE.sub("", text)):
        found.append(
            ("malformed_variable", "Write {{name}} or {{name|a word for when there is none}}, without tags in it.")
        )
    return found


def names_in(text: str) -> set[str]:
    return {_parts(inner)[0] for inner in _PLACE.findall(text)}


def fill(text: str, values: Values) -> tuple[str, list[str]]:
    """Plain text with its values, and the names of those that are missing, which stay as they are written."""
    return _fill(text, values, lambda value: value, lambda default: default)


def fill_html(html: str, values: Values) -> tuple[str, list[str]]:
    """`fill` for sanitised HTML."""
    filled, missing = [], []
    for piece in _TAG.split(html):
        as_address = piece.startswith("<")
        escape = _address if as_address else _text
        # What stands there as a default is HTML already.
        default: Callable[[str], str] = (lambda given: _address(entities.unescape(given))) if as_address else str
        text, lacking = _fill(piece, values, escape, default)
        filled.append(text)
        missing += lacking
    return "".join(filled), list(dict.fromkeys(missing))


def _fill(
    text: str, values: Values, escape: Callable[[str], str], default_of: Callable[[str], str]
) -> tuple[str, list[str]]:
    missing: list[str] = []

    def put(place: re.Match[str]) -> str:
        name, default = _parts(place[1])
        value = " ".join((values.get(name) or "").split())
        if value:
            return escape(value)
        if default is not None:
            return default_of(default)
        missing.append(name)
        return place[0]

    return _PLACE.sub(put, text), list(dict.fromkeys(missing))


def _text(value: str) -> str:
    return entities.escape(value, quote=False)


def _address(value: str) -> str:
    return quote(value, safe="")


def _parts(inner: str) -> tuple[str, str | None]:
    name, bar, default = inner.partition("|")
    return name.strip(), default.strip() if bar else None


def choose(variants: Sequence[Mapping[str, Any]], wishes: Sequence[str | None]) -> Mapping[str, Any]:
    """The text in the first wished language that there is one in: exactly, then in a wider one (`zh-Hant-HK`, `zh-Hant`,
    `zh`; RFC 4647, 3.4), then in another of the same language. The first text where no wish can be met.
    """
    by_tag = {str(variant["language"]).lower(): variant for variant in variants}
    for wish in wishes:
        tags = list(_wider((wish or "").lower()))
        for tag in tags:
            if tag in by_tag:
                return by_tag[tag]
        for tag, variant in by_tag.items():
            if tags and tag.partition("-")[0] == tags[-1]:
                return variant
    return variants[0]


def _wider(tag: str) -> Iterator[str]:
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]
