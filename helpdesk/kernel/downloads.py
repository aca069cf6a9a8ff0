"""A stored file as an answer: streamed, in parts where the reader asks for a part, and never run by a browser.

It is always something to save (`attachment`), its type is ours and not to be guessed at (`nosniff`), and if it is opened
all the same it stands in a sandbox without scripts, forms or an origin. Nothing of it is kept on the way.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from flask import Response, request
from werkzeug.http import parse_if_range_header, parse_range_header

from helpdesk.kernel.errors import DomainError
from helpdesk.kernel.file_names import disposition
from helpdesk.kernel.storage import FileMissing, StorageUnavailable, Store

_HEADERS: Final = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
_REDIRECT_SECONDS: Final = 60


class RangeNotSatisfiable(DomainError):
    status = 416
    code = "range_not_satisfiable"
    title = "The file does not reach so far"
    advice = "Ask for a range within `size`, or for the whole without `Range`."

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self.extra.get('size', 0)}"}


@dataclass(frozen=True, slots=True)
class Download:
    """A file to be given out. `sha256` is its ETag: the same bytes have the same one for ever."""

    file_id: UUID
    size: int
    sha256: str
    name: str
    type: str


def respond(store: Store, file: Download) -> Response:
    """200, 206, 304, or 302 to the store itself. Raises `RangeNotSatisfiable`, `StorageUnavailable`."""
    tag = f'"{file.sha256}"'
    headers = {**_HEADERS, "ETag": tag, "Content-Disposition": disposition(file.name)}
    if request.if_none_match.contains(file.sha256):
        return Response(status=304, headers={"ETag": tag})
    kept = {"Content-Type": file.type, "Content-Disposition": headers["Content-Disposition"]}
    elsewhere = store.link(file.file_id.hex, _REDIRECT_SECONDS, kept)
    if elsewhere is not None:
        return Response(status=302, headers=headers | {"Location": elsewhere})
    start, length = _part(file)
    whole = length == file.size
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{file.size}"
    headers["Content-Length"] = str(length)
    status = 200 if whole else 206
    if request.method == "HEAD":
        return Response(status=status, headers=headers, content_type=file.type)
    try:
        pieces = store.reading(file.file_id.hex, start, length)
    except FileMissing as error:
        raise StorageUnavailable("The file is not in the store.") from error
    return Response(pieces, status, headers, content_type=file.type, direct_passthrough=True)


def _part(file: Download) -> tuple[int, int]:
    """First byte and number of bytes. A range that is none, or several at once, asks for the whole (RFC 9110, 14.2)."""
    asked = parse_range_header(request.headers.get("Range"))
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or not _if_range(file.sha256):
        return 0, file.size
    found = asked.range_for_length(file.size)
    if found is None:
        raise RangeNotSatisfiable(f"The file has {file.size} bytes.", size=file.size)
    return found[0], found[1] - found[0]


def _if_range(sha256: str) -> bool:
    """Whether the part is of what the reader has the rest of; by time we cannot tell, so a date never is."""
    if "If-Range" not in request.headers:
        return True
    given = parse_if_range_header(request.headers.get("If-Range"))
    return given.etag == sha256
