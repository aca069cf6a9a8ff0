"""What a file is, told from its bytes: a short table of what people send with a complaint, and nothing is opened.

Neither the name nor the sender's media type is believed. What is recognised gets its own type, and its name an extension
that belongs to it; what is not recognised, or is two things at once, is `application/octet-stream` and called `.bin`; what
a machine would run is refused. Archives are never unpacked: of Office documents the list of entries is read (names and
sizes, within bounds) to tell them from any other ZIP.

Sources: the signatures of WHATWG MIME Sniffing, RFC 8118 (PDF), ISO/IEC 14496-12 (ftyp), ECMA-376 part 2 and ODF part 2
(packages), APPNOTE.TXT 6.3 (ZIP), MS-CFB (MSG).
"""

import codecs
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "application/octet-stream"
ZIP: Final = "application/zip"
PLAIN: Final = "text/plain"

EXTENSIONS: Final[dict[str, tuple[str, ...]]] = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/png": ("png",),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/heic": ("heic", "heif"),
    "image/tiff": ("tif", "tiff"),
    "application/pdf": ("pdf",),
    PLAIN: ("txt", "text", "log", "md"),
    "text/csv": ("csv",),
    "message/rfc822": ("eml",),
    "application/vnd.ms-outlook": ("msg",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("xlsx",),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ("pptx",),
    "application/vnd.oasis.opendocument.text": ("odt",),
    "application/vnd.oasis.opendocument.spreadsheet": ("ods",),
    "application/vnd.oasis.opendocument.presentation": ("odp",),
    ZIP: ("zip",),
    "audio/mpeg": ("mp3",),
    "audio/mp4": ("m4a",),
    "audio/wav": ("wav",),
    "audio/ogg": ("ogg", "oga", "opus"),
    "video/mp4": ("mp4", "m4v"),
    "video/quicktime": ("mov", "qt"),
    UNKNOWN: ("bin",),
}
"""Every type that is given out, with the extensions that belong to it; the first is the one that is appended."""

ACCEPTED: Final = frozenset(EXTENSIONS) - {UNKNOWN, ZIP}
"""What strangers may send: known for what it is, and nothing packed in it that cannot be looked at."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`type` is one of `EXTENSIONS`. `runs`: a machine would execute it. `why`: what speaks against the better known type."""

    type: str
    runs: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """A file that can be looked into: `at(offset, length)` gives at most that many bytes. `text`: the whole of it reads
    as text (see `TextWatch`).
    """

    size: int
    at: Callable[[int, int], bytes]
    text: bool


class TextWatch:
    """Fed all bytes of a file in order, knows whether they are text: UTF-8, UTF-16 with its mark, or an older encoding
    without control characters.
    """

    _CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")

    def __init__(self) -> None:
        self._utf16: bool | None = None
        self._controls = False
        self._broken = False
        self._wide = codecs.getincrementaldecoder("utf-16")()

    def feed(self, data: bytes) -> None:
        if self._utf16 is None and data:
            self._utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        if not self._utf16:
            self._controls = self._controls or self._CONTROLS.search(data) is not None
        elif not self._broken:
            try:
                self._broken = "\x00" in self._wide.decode(data)
            except UnicodeDecodeError:
                self._broken = True

    @property
    def holds(self) -> bool:
        return not (self._broken if self._utf16 else self._controls)


def recognise(content: Content, extension: str) -> Verdict:
    """What the file is. `extension` (lower case) only tells texts apart, which all begin alike."""
    head = content.at(0, 4096)
    if _runs(head):
        return Verdict(UNKNOWN, runs=True, why="it is a program")
    found = _by_signature(head)
    if found == ZIP:
        return _package(content)
    if found == _CFB:
        return _compound(content, head)
    if found is not None:
        return _pure(found, content, head)
    if content.text:
        return _text(head, extension)
    return Verdict(UNKNOWN, why="its content is of no kind that we know")


_PROGRAMS: Final = (
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",  # Java classes, and Mach-O for several machines
    b"\x00asm",
    b"dex\n",
    b"L\x00\x00\x00\x01\x14\x02\x00",  # a Windows shortcut
    b"MSCF",  # a cabinet
    b"#!",
)


def _runs(head: bytes) -> bool:
    return head.startswith(_PROGRAMS) or (head.startswith(b"MZ") and len(head) > 64)


_CFB: Final = "compound"
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _CFB),
    (b"OggS\x00", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS: Final = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
} | dict.fromkeys(
    (
        b"isom",
        b"iso2",
        b"iso4",
        b"iso5",
        b"iso6",
        b"mp41",
        b"mp42",
        b"avc1",
        b"M4V ",
        b"dash",
        b"3gp4",
        b"3gp5",
        b"MSNV",
    ),
    "video/mp4",
)
_MPEG_FRAME: Final = re.compile(rb"^\xff[\xf2\xf3\xfa\xfb][\x10-\xef]")


def _by_signature(head: bytes) -> str | None:
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return "audio/mpeg" if _MPEG_FRAME.match(head) else None


_MARKUP: Final = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|script|iframe|svg|style|object|embed|\?xml|\?php|\?=|%)[\s>/]?", re.IGNORECASE
)


def _pure(kind: str, content: Content, head: bytes) -> Verdict:
    """A file can be two things at once, each to the program that looks for it. Then it is neither to us."""
    if kind != "application/pdf" and _MARKUP.search(head[:1024]):
        return Verdict(UNKNOWN, why=f"it begins as {kind} and has markup in its first kilobyte")
    if kind == "application/pdf" and re.search(rb"<(?:script|html|svg|iframe)[\s>]", head[:1024], re.IGNORECASE):
        return Verdict(UNKNOWN, why="it begins as a PDF and has markup in its first kilobyte")
    if _end_of_archive(content) is not None:
        return Verdict(UNKNOWN, why=f"it begins as {kind} and ends as a ZIP archive")
    return Verdict(kind)


_AT_START: Final = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|script|iframe|svg|style|object|embed|\?xml|\?php|%|!--|a\s|div|br|p[\s>]"
    rb"|table|h1|title|meta|link|base|form|math|img|b>|font)",
    re.IGNORECASE,
)
_HEADER_LINE: Final = re.compile(rb"^(?:[!-9;-~]+:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n){2}")
_OTHER_ACTIVE: Final = re.compile(rb"^\s*(?:\{\\rtf|MIME-Version:.*multipart/related)", re.IGNORECASE | re.DOTALL)


def _text(head: bytes, extension: str) -> Verdict:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    if _AT_START.match(head):
        return Verdict(UNKNOWN, why="it is markup, which a browser would run")
    if b"%PDF-" in head[:1024]:
        return Verdict(UNKNOWN, why="a PDF begins in it")
    if extension != "eml" and _OTHER_ACTIVE.match(head[:1024]):
        return Verdict(UNKNOWN, why="it is a document that can carry others")
    if extension == "eml" and _HEADER_LINE.match(head):
        return Verdict("message/rfc822")
    return Verdict("text/csv" if extension == "csv" else PLAIN)


_MAX_ENTRIES: Final = 10_000
_MAX_DIRECTORY: Final = 4_000_000
_MAX_UNPACKED: Final = 2_000_000_000
_MAX_RATIO: Final = 200
"""An entry that would grow more than that is there to fill a disk; texts in Office documents reach about 60."""
_OPC: Final = {
    "word/document.xml": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/workbook.xml": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt/presentation.xml": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_MACROS: Final = re.compile(r"(?i)(^|/)(vbaproject\.bin|vbadata\.xml|macrosheets/|activex/|basic/)")
_TAIL: Final = 65_557
"""The end record, and the longest comment that may follow it."""


@dataclass(frozen=True, slots=True)
class _End:
    """The record at the end of an archive."""

    entries: int
    directory_size: int
    directory_at: int


def _end_of_archive(content: Content) -> _End | None:
    """A record that ends where the file ends; anywhere else four such bytes are chance."""
    start = max(0, content.size - _TAIL)
    tail = content.at(start, _TAIL)
    place = tail.rfind(b"PK\x05\x06")
    while place >= 0:
        record = tail[place : place + 22]
        if len(record) == 22:
            entries, size, offset, comment = struct.unpack("<HIIH", record[10:])
            if place + 22 + comment == len(tail):
                return _End(entries, size, offset)
        place = tail.rfind(b"PK\x05\x06", 0, place)
    return None


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    packed: int
    unpacked: int


class _Unreadable(Exception):
    """The list of entries is not what it should be; the message says how."""


def _entries(content: Content, end: _End) -> Iterator[_Entry]:
    if end.entries > _MAX_ENTRIES or end.directory_size > _MAX_DIRECTORY:
        raise _Unreadable("it has too many entries")
    directory = content.at(end.directory_at, end.directory_size)
    place = 0
    for _ in range(end.entries):
        record = directory[place : place + 46]
        if len(record) < 46 or record[:4] != b"PK\x01\x02":
            raise _Unreadable("its list of entries is broken")
        packed, unpacked, name, extra, comment = struct.unpack("<IIHHH", record[20:34])
        raw = directory[place + 46 : place + 46 + name]
        yield _Entry(raw.decode("utf-8", "replace"), packed, unpacked)
        place += 46 + name + extra + comment
    if place != end.directory_size:
        raise _Unreadable("its list of entries is broken")


def _package(content: Content) -> Verdict:
    end = _end_of_archive(content)
    if end is None:
        return Verdict(UNKNOWN, why="it begins as a ZIP archive and does not end as one")
    names: set[str] = set()
    total = 0
    try:
        for entry in _entries(content, end):
            names.add(entry.name)
            total += entry.unpacked
            if entry.unpacked > _MAX_RATIO * max(entry.packed, 1_000) or total > _MAX_UNPACKED:
                return Verdict(UNKNOWN, why="what is packed in it would grow beyond measure")
    except _Unreadable as problem:
        return Verdict(UNKNOWN, why=str(problem))
    if any(map(_MACROS.search, names)):
        return Verdict(UNKNOWN, why="it holds macros")
    return Verdict(_kind_of_package(content, names))


def _kind_of_package(content: Content, names: set[str]) -> str:
    if "[Content_Types].xml" in names:
        found = [kind for name, kind in _OPC.items() if name in names]
        return found[0] if len(found) == 1 else ZIP
    # An OpenDocument says what it is in its first entry, stored as it is (ODF 1.3 part 2, 3.3).
    head = content.at(0, 128)
    if head[26:28] == b"\x08\x00" and head[30:38] == b"mimetype" and head[8:10] == b"\x00\x00":
        length = struct.unpack("<I", head[18:22])[0]
        start = 38 + struct.unpack("<H", head[28:30])[0]
        said = head[start : start + length].decode("ascii", "replace")
        if said in EXTENSIONS:
            return said
    return ZIP


def _compound(content: Content, head: bytes) -> Verdict:
    """Of the old compound files only Outlook's messages: the others may hold macros, which cannot be seen from outside."""
    if len(head) >= 512:
        shift = struct.unpack("<H", head[30:32])[0]
        first = struct.unpack("<I", head[48:52])[0]
        if shift in {9, 12} and first < 2**31:
            directory = content.at((first + 1) << shift, 4096)
            if "__properties_version1.0".encode("utf-16-le") in directory or (
                "__nameid_version1.0".encode("utf-16-le") in directory
            ):
                return Verdict("application/vnd.ms-outlook")
    return Verdict(UNKNOWN, why="it is an old Office document, which may hold macros")
