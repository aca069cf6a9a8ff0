"""An archive that is written once, from front to back, into whatever takes bytes: nothing of it has to be held.

The same content gives the same bytes: entries have the time that they are given, and no other, and nothing tells where or by
whom it was made. Each entry is digested on its way, for the manifest that ends it.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

import orjson

from helpdesk.kernel.file_names import safe_name

MANIFEST: Final = "manifest.json"
SUMS: Final = "MANIFEST.sha256"
_PACKED_ALREADY: Final = ("image/", "audio/", "video/", "application/zip", "application/vnd.openxmlformats")


class Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


class Entry(NamedTuple):
    path: str
    size: int
    sha256: str


class _Tap:
    """What goes through it, measured. No `tell` and no `seek`: so the archive is written front to back."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self.digest.update(piece)
        self.size += len(piece)
        self._sink.write(piece)
        return len(piece)

    def flush(self) -> None:
        self._sink.flush()

    def close(self) -> None:
        """Nothing: the sink belongs to whoever opened it."""


class Pack:
    """A context manager; left without an exception, the archive is whole, with its manifest as the last entries."""

    def __init__(self, sink: Sink, moment: datetime, about: Mapping[str, Any]) -> None:
        self._tap = _Tap(sink)
        self._archive = zipfile.ZipFile(self._tap, "w")
        self._time = moment.astimezone(UTC).timetuple()[:6]
        self._about = about
        self.entries: list[Entry] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end()
        else:
            self._archive.fp = None  # nothing more is written, not even the end

    @property
    def size(self) -> int:
        return self._tap.size

    @property
    def sha256(self) -> str:
        return self._tap.digest.hexdigest()

    def add(self, path: str, pieces: Iterable[bytes], kind: str = "") -> Entry:
        """One file. `path`: folders of ours and a name, which is made safe: nothing in it leads out of the pack."""
        *folders, name = path.split("/")
        safe = "/".join([*map(safe_name, folders), safe_name(name)])
        info = zipfile.ZipInfo(safe, self._time)
        info.create_system = 3  # Unix, wherever it is made
        info.external_attr = 0o644 << 16
        info.compress_type = zipfile.ZIP_STORED if kind.startswith(_PACKED_ALREADY) else zipfile.ZIP_DEFLATED
        digest, size = hashlib.sha256(), 0
        with self._archive.open(info, "w") as file:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
        entry = Entry(safe, size, digest.hexdigest())
        self.entries.append(entry)
        return entry

    def add_text(self, path: str, text: str) -> None:
        self.add(path, [text.encode()])

    def add_json(self, path: str, value: Any) -> None:
        self.add(path, [readable(value)])

    def add_lines(self, path: str, values: Iterable[Any]) -> None:
        """JSON, one value on each line: however many, one is held."""
        self.add(path, (orjson.dumps(value, option=orjson.OPT_UTC_Z) + b"\n" for value in values))

    def add_list(self, path: str, values: Iterable[Any]) -> None:
        """A JSON list, one of its items held at a time."""
        self.add(path, _listed(values))

    def _end(self) -> None:
        entries = list(self.entries)
        self.add_json(MANIFEST, {**self._about, "entries": [entry._asdict() for entry in entries]})
        self.add_text(SUMS, "".join(f"{entry.sha256}  {entry.path}\n" for entry in entries))
        self._archive.close()


def readable(value: Any) -> bytes:
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(value, option=options)


def _listed(values: Iterable[Any]) -> Iterator[bytes]:
    yield b"["
    for place, value in enumerate(values):
        yield b"\n" if place == 0 else b",\n"
        yield orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS)
    yield b"\n]\n"
