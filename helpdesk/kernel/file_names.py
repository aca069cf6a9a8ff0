"""Names of files as strangers send them, made safe to show, to save and to put into a header.

A name is for people: nothing here opens a file by it. What it must not do is lead elsewhere (separators, `..`), lie about
what it is (a direction override turns `gpj.exe` into what looks like `exe.jpg`), or break what carries it (controls, NUL,
device names of Windows, more than 255 bytes).
"""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

MAX_BYTES: Final = 255
"""Of a name in UTF-8; what most file systems take."""

UNNAMED: Final = "file"
_SEPARATORS: Final = re.compile(r"[/\\]")
_UNQUOTED: Final = re.compile(r"[^ !#$&+\-.0-9A-Z^_`a-z~()]")
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_DEVICES: Final = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)")
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that have no place in a name: controls, invisible formatting and direction, surrogates,
private and unassigned ones, line and paragraph separators."""


def safe_name(given: str | None) -> str:
    """The last part of it, in NFC, without what is above; never empty, at most 255 bytes, its extension kept."""
    name = unicodedata.normalize("NFC", given or "")
    name = _SEPARATORS.split(name)[-1]
    name = "".join(char for char in name if unicodedata.category(char) not in _DROPPED)
    name = " ".join(_FORBIDDEN.sub("_", name).split()).lstrip(". ").rstrip(". ")
    if _DEVICES.match(name):
        name = f"_{name}"
    return shortened(name or UNNAMED)


def shortened(name: str, ending: str = "") -> str:
    """With `ending`, at most 255 bytes; what is cut is the end of the stem, between two characters."""
    stem, extension = split(name)
    tail = f".{extension}{ending}" if extension else ending
    room = MAX_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + tail


def split(name: str) -> tuple[str, str]:
    """Stem and extension, without the dot; no extension where it is no plain short word."""
    stem, dot, extension = name.rpartition(".")
    plain = dot and stem and 1 <= len(extension) <= 16 and extension.isascii() and extension.isalnum()
    return (stem, extension) if plain else (name, "")


def disposition(name: str) -> str:
    """`Content-Disposition` for saving it (RFC 6266): an ASCII name for old readers, and the whole (RFC 5987)."""
    stem, extension = split(name)
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = _UNQUOTED.sub("_", plain).strip(". ") or UNNAMED
    if extension:
        plain += f".{extension}"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
