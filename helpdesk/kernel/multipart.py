"""A multipart/form-data body read as it comes: its one file goes out piece by piece, its few short fields are kept.

Flask's own reading would write the file to a temporary one first, and only then let us look at it. The grammar is
Werkzeug's decoder, which does no input of its own; the bounds are ours.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, Final

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from helpdesk.kernel.errors import FieldError, MalformedRequest, ValidationFailed

MEDIA_TYPE: Final = "multipart/form-data"
FILE: Final = "file"
"""The name of the part that is the file."""
_PIECE: Final = 65_536
_MAX_PARTS: Final = 20
_MAX_FIELD: Final = 10_000
"""Bytes of one field."""
_MAX_HEADERS: Final = 16_384
_BROKEN: Final = "The body is no well-formed multipart/form-data."


@dataclass(slots=True)
class Form:
    """What was in it. `file_name` and `declared_type` are the sender's words; both None where there was no file."""

    fields: dict[str, str] = field(default_factory=dict)
    file_name: str | None = None
    declared_type: str | None = None
    digests: dict[str, bytes] = field(default_factory=dict)
    """Of the whole body, by the names that were asked for."""


class _Reading:
    """The one file and the fields of a body, event by event."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.form = Form()
        self._write = write
        self._field: str | None = None
        self._text = bytearray()
        self._files = 0

    def take(self, event: object) -> None:
        if isinstance(event, Field):
            self._begin(event.name)
        elif isinstance(event, File):
            self._begin_file(event)
        elif isinstance(event, Data):
            self._data(event)

    def _begin(self, name: str | None) -> None:
        if not name or name in self.form.fields or name == FILE:
            raise MalformedRequest("Each part needs a name of its own, and `file` a file name.")
        self._field = name
        self._text.clear()

    def _begin_file(self, event: File) -> None:
        if event.name != FILE or self._files:
            text = f"Send one file, as the part `{FILE}`."
            raise ValidationFailed(errors=[FieldError.at(f"/{event.name or ''}", "unknown_field", text)])
        self._files += 1
        self._field = None
        self.form.file_name = event.filename
        self.form.declared_type = event.headers.get("Content-Type")

    def _data(self, event: Data) -> None:
        if self._field is None:
            self._write(event.data)
            return
        self._text += event.data
        if len(self._text) > _MAX_FIELD:
            raise ValidationFailed(errors=[FieldError.at(f"/{self._field}", "length", "This field is too long.")])
        if not event.more_data:
            self.form.fields[self._field] = self._decoded()

    def _decoded(self) -> str:
        try:
            return self._text.decode()
        except UnicodeDecodeError as error:
            raise MalformedRequest("Fields are text in UTF-8.") from error


def read_form(
    stream: IO[bytes], content_type: str, write: Callable[[bytes], object], *, digests: Iterable[str] = ()
) -> Form:
    """Reads the whole stream. Raises `MalformedRequest`, or `ValidationFailed` for parts that are not expected; what
    `write` raises ends it. `digests`: names of `hashlib` to be computed of the whole body.
    """
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not 1 <= len(boundary) <= 200 or not boundary.isascii():
        raise MalformedRequest("The content type names no boundary.")
    decoder = MultipartDecoder(boundary.encode(), max_parts=_MAX_PARTS)
    reading = _Reading(write)
    watched = {name: hashlib.new(name) for name in digests}
    ended = False
    while not ended:
        data = stream.read(_PIECE)
        for digest in watched.values():
            digest.update(data)
        decoder.receive_data(data or None)
        ended = _drain(decoder, reading)
    reading.form.digests = {name: digest.digest() for name, digest in watched.items()}
    return reading.form


def _drain(decoder: MultipartDecoder, reading: _Reading) -> bool:
    """Every event there is by now. True at the end, which comes when the stream has been read whole."""
    while True:
        try:
            event = decoder.next_event()
        except (ValueError, AttributeError) as error:  # its words quote the body
            raise MalformedRequest(_BROKEN) from error
        except RequestEntityTooLarge as error:
            raise MalformedRequest("The body has too many parts.") from error
        if isinstance(event, NeedData):
            if len(decoder.buffer) > _PIECE + _MAX_HEADERS:
                raise MalformedRequest(_BROKEN)
            return False
        if isinstance(event, Epilogue):
            return True
        reading.take(event)
