"""Text that somebody wrote as HTML: what may be shown of it, and the same in plain words.

Three forms are kept. `given` is what came, for evidence, and is never served. `html` is what may be shown: an allow-list
of tags without any attribute but a link's target, so that there is nothing to execute, to load or to style. `plain` is
what everything else works with (search, plain mail, a console that shows no HTML), and it is always there.

nh3 (html5ever) parses like a browser, which is why no parser of our own looks at what came. What it gives out is
well-formed, so a regular expression is enough to read that into plain text.
"""

import html as entities
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import nh3

MAX_TAGS: Final = 10_000
MAX_DEPTH: Final = 100
"""Tags within tags. Nobody writes so; browsers and mail programs that recurse do not survive much more."""

_INLINE: Final = frozenset({"a", "b", "i", "strong", "em", "u", "code", "br"})
_BLOCKS: Final = frozenset(
    {"p", "div", "ul", "ol", "li", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "hr"}
    | {"table", "thead", "tbody", "tr", "td", "th"}
)
"""Without those of tables and headings the words of a letter would run into each other; none of them does anything."""

_READ_TOO: Final = frozenset(
    {"caption", "dl", "dt", "dd", "img", "section", "article", "header", "footer", "address", "figure", "figcaption"}
)
"""Tags that say something about the text, but are not shown."""

_SILENT: Final = frozenset(
    {"script", "style", "title", "head", "template", "noscript", "iframe", "object", "svg", "math", "select"}
    | {"textarea", "xmp", "noembed", "noframes", "plaintext", "video", "audio", "canvas", "datalist"}
)
"""Tags whose content is no text of the letter, or is parsed by rules of its own (where mutation attacks live)."""

_SHOWN: Final = nh3.Cleaner(
    tags=set(_INLINE | _BLOCKS),
    clean_content_tags=set(_SILENT),
    attributes={"a": {"href"}},
    url_schemes={"https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
    strip_comments=True,
)
_READ: Final = nh3.Cleaner(
    tags=set(_INLINE | _BLOCKS | _READ_TOO),
    clean_content_tags=set(_SILENT),
    attributes={"a": {"href"}, "img": {"alt"}},
    url_schemes={"https", "http", "mailto", "tel"},
    url_relative="deny",
    link_rel=None,
    strip_comments=True,
)
_ROUNDS: Final = 5
_GROWTH: Final = 5
"""So many times as long as what came: the attributes of links make it longer, and so do tags that overlap, without end."""

_HIDDEN: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
    r"|[\u202a-\u202e\u2066-\u2069]"  # they turn the reading order of what stands after them
    r"|[\u200b\u2060-\u2064\ufeff]|[\U000e0000-\U000e007f]"  # they cannot be seen; marks that scripts need stay
)


class Unreadable(ValueError):
    """HTML that cannot be taken; the message tells the writer why."""


@dataclass(frozen=True, slots=True)
class RichText:
    """A text in every form that is kept of it. Without HTML, `html` and `given` are None."""

    plain: str
    html: str | None = None
    given: str | None = None


def from_text(text: str) -> RichText:
    return RichText(text)


def from_html(given: str, *, empty: bool = False) -> RichText:
    """Raises `Unreadable` for what has no text in it (unless it may be `empty`), or too many tags within tags."""
    html = sanitised(given)
    plain = plain_text(given)
    if not plain and not empty:
        raise Unreadable("There is no text in this HTML.")
    return RichText(plain, html, given)


def joined(parts: Iterable[RichText]) -> RichText:
    """Several texts below each other. A tag that one of them leaves open ends with it."""
    found = list(parts)
    plain = "\n\n".join(part.plain for part in found)
    if all(part.html is None for part in found):
        return RichText(plain)
    html = "".join(f"<div>{part.html if part.html is not None else _as_html(part.plain)}</div>" for part in found)
    return RichText(plain, html, "\n".join(part.given or part.plain for part in found))


def sanitised(given: str) -> str:
    """What may be shown. It stands still: sanitised again it is the same, so that no later parser sees another document.

    Raises `Unreadable`.
    """
    if given.count("<") > MAX_TAGS:
        raise Unreadable(f"There are more than {MAX_TAGS} tags.")
    html = _clean(_HIDDEN.sub("", given))
    for _ in range(_ROUNDS):
        if len(html) > _GROWTH * len(given) + 1000:
            break
        if _depth(html) > MAX_DEPTH:
            raise Unreadable(f"Tags stand within each other more than {MAX_DEPTH} deep.")
        again = _clean(html)
        if again == html:
            return html.strip()
        html = again
    raise Unreadable("Tags overlap in a way that browsers do not agree on.")


def _clean(html: str) -> str:
    # Parsers drop a line end right after <pre>, one each time that they read it.
    return re.sub(r"<pre>\n+", "<pre>", _HIDDEN.sub("", _SHOWN.clean(html)))


def plain_text(given: str) -> str:
    """The words, in paragraphs and lists; a link's target stands behind its words. Empty when there are none."""
    page = _Page()
    for closing, tag, rest, text in _TOKENS.findall(_READ.clean(_HIDDEN.sub("", given))):
        if text:
            page.write(entities.unescape(text))
        elif closing:
            page.close(tag)
        else:
            page.open(tag, _attribute(rest))
    return unicodedata.normalize("NFC", _HIDDEN.sub("", page.text())).strip()


def document(html: str) -> str:
    """A sanitised text as the whole document that a mail program wants."""
    return f'<!doctype html>\n<html><head><meta charset="utf-8"></head><body>{html}</body></html>\n'


def _as_html(plain: str) -> str:
    return "<br>".join(entities.escape(line, quote=False) for line in plain.splitlines())


_TOKENS: Final = re.compile(r"<(/?)([a-z][a-z0-9]*)([^>]*)>|([^<]+)")
_VALUE: Final = re.compile(r'(?:href|alt)="([^"]*)"')
_UNSAFE: Final = re.compile(r'[ \t\r\n<>"]')
"""What does not stand in an address, and would make it look like the text around it."""
_BLANKS: Final = re.compile(r"[ \t\r\n\f]+")
_VOID: Final = frozenset({"br", "hr", "img"})
_PARAGRAPHS: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table", "dl"})
_CELLS: Final = frozenset({"td", "th"})
_DEEPEST: Final = 8
"""Lists and quotations are indented up to here: a line of marks only is no text."""


def _attribute(rest: str) -> str:
    found = _VALUE.search(rest)
    return entities.unescape(found.group(1)) if found else ""


def _depth(html: str) -> int:
    deepest = depth = 0
    for closing, tag, _, _ in _TOKENS.findall(html):
        if tag and tag not in _VOID:
            depth += -1 if closing else 1
            deepest = max(deepest, depth)
    return deepest


class _Page:
    """Lines as they are written. `_gap`: line ends that are due before the next word, 2 for an empty line."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line = ""
        self._gap = 0
        self._lists: list[int | None] = []
        self._quotes = 0
        self._verbatim = 0
        self._marker: str | None = None
        self._links: list[tuple[str, int]] = []
        self._cells = 0
        self._written = 0

    def text(self) -> str:
        self._end_line()
        return "\n".join(line.rstrip() for line in self._lines)

    def write(self, text: str) -> None:
        if self._verbatim:
            for place, line in enumerate(text.split("\n")):
                if place:
                    self._end_line()
                self._append(line)
            return
        text = _BLANKS.sub(" ", text)
        if not self._line or self._gap or self._line.endswith(" "):
            text = text.lstrip(" ")
        self._append(text)

    def open(self, tag: str, value: str) -> None:
        if tag == "br":
            self._end_line()
        elif tag == "hr":
            self._due(2)
            self._append("---")
            self._due(2)
        elif tag == "img":
            self.write(f"[{value}]" if value else "")
        elif tag == "a":
            self._links.append((value, self._written))
        elif tag in _CELLS:
            self.write(" | " if self._cells else "")
            self._cells += 1
        elif tag not in _INLINE:
            self._open_block(tag)

    def _open_block(self, tag: str) -> None:
        self._due(2 if tag in _PARAGRAPHS or (tag in {"ul", "ol"} and not self._lists) else 1)
        if tag in {"ul", "ol"}:
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._marker = self._next_marker()
        elif tag == "blockquote":
            self._break()
            self._quotes += 1
        elif tag == "pre":
            self._verbatim += 1
        elif tag == "tr":
            self._cells = 0

    def _next_marker(self) -> str:
        if not self._lists:
            return "- "
        number = self._lists[-1]
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def close(self, tag: str) -> None:
        if tag == "a":
            self._close_link()
            return
        if tag in _INLINE or tag in _CELLS:
            return
        if tag in {"ul", "ol"} and self._lists:
            self._lists.pop()
        elif tag == "blockquote" and self._quotes:
            self._gap = 0  # what is due inside the quotation ends with it
            self._break()
            self._quotes -= 1
        elif tag == "pre" and self._verbatim:
            self._verbatim -= 1
        self._due(2 if tag in _PARAGRAPHS or (tag in {"ul", "ol"} and not self._lists) else 1)

    def _close_link(self) -> None:
        target, since = self._links.pop() if self._links else ("", 0)
        length = self._written - since
        said = self._line[-length:].strip() if length else ""
        bare = re.sub(r"^(mailto|tel):", "", target)
        if target and said not in {target, bare}:
            shown = _UNSAFE.sub(lambda sign: f"%{ord(sign[0]):02X}", bare)
            self._append(f"{' ' if said and not self._line.endswith(' ') else ''}<{shown}>")

    def _due(self, gap: int) -> None:
        # Before the first word of a list's item, a line of its own is enough.
        self._gap = max(self._gap, gap if self._marker is None else 1)

    def _append(self, text: str) -> None:
        if not text:
            return
        if self._gap:
            self._break()
        if not self._line:
            self._line = self._prefix()
        text = text.replace("\xa0", " ")
        self._line += text
        self._written += len(text)

    def _break(self) -> None:
        gap, self._gap = self._gap, 0
        if self._line:
            self._lines.append(self._line)
            self._line = ""
        if gap > 1 and self._lines and self._lines[-1].strip("> "):
            self._lines.append("> " * min(self._quotes, _DEEPEST))

    def _end_line(self) -> None:
        if self._gap:
            self._break()
            return
        self._lines.append(self._line)
        self._line = ""

    def _prefix(self) -> str:
        quotes = "> " * min(self._quotes, _DEEPEST)
        depth = min(len(self._lists), _DEEPEST)
        marker, self._marker = self._marker, None
        if marker is not None:
            return quotes + "  " * max(depth - 1, 0) + marker
        return quotes + "  " * depth


__all__ = ["RichText", "Unreadable", "document", "from_html", "from_text", "joined", "plain_text", "sanitised"]
