r"""Reading a file record by record: in constant memory, with line numbers, and without ever giving up on the rest.

Whatever the bytes are, every record comes out once, as a `Record` or as a `Refusal` that names its line; nothing here
raises for a record. Only a file as a whole can be `UnusableFile` (no header, for example).

A stray quote would swallow everything up to the next one. Therefore a record that ends in a quoting error, in the end of
the file, or beyond the longest record is given back line by line: reading goes on at its first line that is a whole
record by itself. How much may be read again is limited, so that no file is read in more than linear time.

Lines are those of the file (`\n`), counted from 1, however many of them one quoted field spans. UTF-8 and GB18030 never
have the bytes of `\n`, `,` or `"` inside another character, so lines can be cut before they are decoded.
"""

import codecs
import csv
import hashlib
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from helpdesk.integrations.errors import UnusableFile

MAX_RECORD_BYTES: Final = 1_048_576
"""A description may have 100 000 characters; what is longer than this is no record but a lost quote."""

EXCERPT_CHARS: Final = 500
HEADER_WITHIN: Final = 50
"""Lines among which the header is looked for."""

_REREAD_BYTES: Final = 16 * MAX_RECORD_BYTES
_CHUNK: Final = 1_048_576
_BOM: Final = codecs.BOM_UTF8
_UNDECODED = re.compile("[\udc80-\udcff]")
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What `kernel.schemas.Text` refuses; here for every column, since `source_data` keeps those that no field takes."""


@dataclass(frozen=True, slots=True)
class Position:
    """How many lines and bytes are done."""

    line: int
    byte: int


@dataclass(frozen=True, slots=True)
class Record:
    """`line`: the first of its lines. `text`: as it stands in the file. `after`: where the next record begins."""

    line: int
    values: dict[str, Any]
    text: str
    after: Position

    @property
    def excerpt(self) -> str:
        return _excerpt(self.text)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that cannot be read, and why."""

    line: int
    code: str
    detail: str
    excerpt: str
    after: Position


@dataclass(frozen=True, slots=True)
class Opening:
    """What stands before the first record: the header's column names (none for JSON Lines), and lines before it."""

    columns: tuple[str, ...]
    preamble: tuple[tuple[int, str], ...]
    start: Position


@dataclass(frozen=True, slots=True)
class FileFacts:
    size: int
    checksum: str
    encoding: str


def examine(path: Path, encodings: Sequence[str]) -> FileFacts:
    """Size, SHA-256 and encoding, in one pass. The encoding is the first that fits the whole file; if none does, the
    first, and the records that it cannot read are refused one by one.
    """
    digest, size = hashlib.sha256(), 0
    decoders = {name: codecs.getincrementaldecoder(name)() for name in encodings}
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if len(encodings) > 1:
                decoders = {name: decoder for name, decoder in decoders.items() if _fits(decoder, chunk)}
    fitting = [name for name in decoders if len(encodings) == 1 or _fits(decoders[name], b"", final=True)]
    return FileFacts(size, digest.hexdigest(), (fitting or list(encodings))[0])


def _fits(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def open_csv(file: BinaryIO, encoding: str, wanted: Sequence[str]) -> Opening:
    """Find the header: the first line that has all `wanted` columns. Raises `UnusableFile`."""
    lines = _Lines(file, encoding, Position(0, 0))
    before: list[tuple[int, str]] = []
    nearest: tuple[int, list[str]] | None = None
    for number in range(1, HEADER_WITHIN + 1):
        try:
            text = next(lines).rstrip("\r\n")
        except StopIteration:
            break
        except _TooLong:
            raise UnusableFile(f"Line {number} is longer than {MAX_RECORD_BYTES} bytes and no header.") from None
        names = [name.strip() for name in _one_line(text) or []]
        missing = [name for name in wanted if name not in names]
        if not missing:
            _check_names(number, names)
            return Opening(tuple(names), tuple(before), lines.after)
        if nearest is None or len(missing) < len(nearest[1]):
            nearest = (number, missing)
        before.append((number, _excerpt(text)))
        lines.begin()
    raise UnusableFile(_no_header(nearest))


def _check_names(number: int, names: list[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UnusableFile(f"The header in line {number} has more than one column named {doubled[0]!r}.")
    if "" in names:
        raise UnusableFile(f"Column {names.index('') + 1} of the header in line {number} has no name.")
    if any(_REFUSED.search(name) for name in names):
        raise UnusableFile(f"The header in line {number} has control characters or cannot be decoded.")


def _no_header(nearest: tuple[int, list[str]] | None) -> str:
    if nearest is None:
        return "The file is empty."
    line, missing = nearest
    return (
        f"No header among the first {HEADER_WITHIN} lines. The nearest is line {line}; it has no column "
        f"{', '.join(repr(name) for name in missing[:20])}."
    )


def open_jsonl(file: BinaryIO) -> Opening:
    """JSON Lines have no header; only a byte order mark is stepped over."""
    return Opening((), (), Position(0, len(_BOM) if file.read(len(_BOM)) == _BOM else 0))


def read_csv(file: BinaryIO, encoding: str, columns: Sequence[str], start: Position) -> Iterator[Record | Refusal]:
    """Records from `start` on. Empty lines are no records."""
    file.seek(start.byte)
    lines = _Lines(file, encoding, start)
    reader = csv.reader(lines, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            yield _broken(lines, error, len(columns))
            continue
        if not cells:
            continue
        problem = lines.unreadable()
        if problem is None and len(cells) != len(columns):
            problem = "columns", f"{len(cells)} columns where the header has {len(columns)}."
        if problem is not None:
            yield lines.refuse(*problem)
        else:
            yield Record(lines.first, dict(zip(columns, cells, strict=True)), lines.text(), lines.after)


def _broken(lines: "_Lines", error: Exception, width: int) -> Refusal:
    """Refuse what was read of a record that never ended, and give back what may be records of its own."""
    at_end = "unexpected end of data" in str(error)
    midway = isinstance(error, csv.Error) and not at_end and "field larger" not in str(error)
    last = lines.last
    lines.give_back(width, or_last=midway)
    span = "" if lines.last == lines.first else f" It was read as lines {lines.first} to {lines.last}."
    if at_end:
        return lines.refuse(
            "unterminated_quote",
            f"The file ends (line {last}) inside a quoted field; it may have been cut off.{span}",
        )
    if midway:
        return lines.refuse("quoting", f"A quote is in the wrong place, or doubled where it must not be.{span}")
    return lines.refuse(
        "too_long",
        f"Longer than {MAX_RECORD_BYTES} bytes, or a field longer than {csv.field_size_limit()} characters: "
        f"a quote may be missing.{span}",
    )


def read_jsonl(file: BinaryIO, encoding: str, start: Position) -> Iterator[Record | Refusal]:
    """One JSON object per line from `start` on. Blank lines are no records."""
    file.seek(start.byte)
    lines = _Lines(file, encoding, start)
    while True:
        lines.begin()
        try:
            text = next(lines)
        except StopIteration:
            return
        except _TooLong:
            yield lines.refuse("too_long", f"Longer than {MAX_RECORD_BYTES} bytes.")
            continue
        if text.isspace():
            continue
        values, problem = _object(text, lines)
        yield lines.refuse(*problem) if problem else Record(lines.first, values, text, lines.after)


def _object(text: str, lines: "_Lines") -> tuple[dict[str, Any], tuple[str, str] | None]:
    problem = lines.unreadable()
    if problem is not None:
        return {}, problem
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return {}, ("not_json", f"Not well-formed JSON: {error}.")
    if not isinstance(values, dict):
        return {}, ("not_an_object", "Each line must be one JSON object.")
    if "\\u" in text and _refused_inside(values):
        return {}, _CONTROL
    return values, None


def _refused_inside(value: Any) -> bool:
    r"""Whether an escape (`\u0000`) brought in what the text itself may not have."""
    if isinstance(value, str):
        return _REFUSED.search(value) is not None
    if isinstance(value, Mapping):
        return any(_refused_inside(key) or _refused_inside(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_refused_inside, value))


_CONTROL: Final = ("control_character", "Remove control characters (only tabs and line breaks are allowed).")


class _TooLong(Exception):
    pass


class _Lines:
    """The lines of a file for `csv.reader`, with the ones taken for the present record kept to be given back."""

    def __init__(self, file: BinaryIO, encoding: str, start: Position) -> None:
        self._file = file
        self._encoding = encoding
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._taken: list[tuple[bytes, int]] = []
        self._size = 0
        self._reread = 0
        self._line, self._byte = start.line, start.byte
        self._texts: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw, size = self._waiting.popleft() if self._waiting else self._read()
        self._taken.append((raw, size))
        self._size += size
        if self._size > MAX_RECORD_BYTES:
            raise _TooLong
        text = raw.decode(self._encoding, "surrogateescape")
        self._texts.append(text)
        return text

    def _read(self) -> tuple[bytes, int]:
        """The next line, or the beginning of one that is too long, with its whole size."""
        raw = self._file.readline(MAX_RECORD_BYTES + 1)
        if not raw:
            raise StopIteration
        size = len(raw)
        if size > MAX_RECORD_BYTES and not raw.endswith(b"\n"):
            while chunk := self._file.readline(_CHUNK):
                size += len(chunk)
                if chunk.endswith(b"\n"):
                    break
            raw = raw[: 4 * EXCERPT_CHARS]
        if self._line == self._byte == 0 and not self._taken and raw.startswith(_BOM):
            raw = raw[len(_BOM) :]
        return raw, size

    def begin(self) -> None:
        """The lines taken so far are done; a new record begins."""
        self._line += len(self._taken)
        self._byte += self._size
        self._taken, self._texts, self._size = [], [], 0

    @property
    def first(self) -> int:
        return self._line + 1

    @property
    def last(self) -> int:
        return self._line + len(self._taken)

    @property
    def after(self) -> Position:
        return Position(self._line + len(self._taken), self._byte + self._size)

    def text(self) -> str:
        return "".join(self._texts) if self._texts else self._taken[0][0].decode(self._encoding, "surrogateescape")

    def unreadable(self) -> tuple[str, str] | None:
        """Code and detail of characters that no field may have."""
        for place, text in enumerate(self._texts):
            found = _REFUSED.search(text)
            if found is None:
                continue
            if _UNDECODED.match(found.group()):
                return "undecodable", f"Line {self.first + place} is not {self._encoding}."
            return _CONTROL
        return None

    def refuse(self, code: str, detail: str) -> Refusal:
        return Refusal(self.first, code, detail, _excerpt(self.text()), self.after)

    def give_back(self, width: int, *, or_last: bool) -> None:
        """Keep of the taken lines what is before the first one (never the first of all) that is a record of `width`
        columns by itself; with `or_last`, the last may also begin one that goes on.
        """
        self._reread += self._size
        if self._reread > _REREAD_BYTES + 2 * self._byte:
            return
        for place in range(1, len(self._taken)):
            raw, size = self._taken[place]
            whole = size <= MAX_RECORD_BYTES
            is_last = place == len(self._taken) - 1
            cells = _one_line(raw.decode(self._encoding, "surrogateescape")) if whole else None
            if (or_last and is_last) or (cells is not None and len(cells) == width):
                self._waiting.extendleft(reversed(self._taken[place:]))
                self._taken, self._texts = self._taken[:place], self._texts[:place]
                self._size = sum(size for _, size in self._taken)
                return


def _one_line(text: str) -> list[str] | None:
    """The cells of a line that is a whole record; None when it is not."""
    try:
        return next(csv.reader([text], strict=True), None)
    except csv.Error:
        return None


def _excerpt(text: str) -> str:
    return _REFUSED.sub("\ufffd", text[:EXCERPT_CHARS].rstrip("\r\n"))
