"""A file from a caller, received into the store before any transaction is open, and looked at before it counts.

`received` gives an `Upload`: size, digest, name and type as we see them. Whoever wants it calls `claim` in the unit of
work that makes the row which refers to it; otherwise it is gone at the end. What was claimed and not committed is left to
the sweep (`files`): whether a commit that broke has happened, only the database knows.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Final
from uuid import UUID

from werkzeug.exceptions import RequestEntityTooLarge

from helpdesk.kernel import faults, file_names, files, sniffing
from helpdesk.kernel.errors import DomainError, FieldError, MalformedRequest, ValidationFailed
from helpdesk.kernel.events import Principal
from helpdesk.kernel.multipart import FILE, MEDIA_TYPE, Form, read_form
from helpdesk.kernel.storage import Sink, Store, read_all
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

FORM_ROOM: Final = 65_536
"""Bytes of a form beside its file: fields, headers, boundaries."""
RESERVED: Final = "uploads.reserved"
RECEIVED: Final = "uploads.received"
CLAIMED: Final = "uploads.claimed"
FAULT_POINTS: Final = (RESERVED, RECEIVED, CLAIMED)
_ALGORITHMS: Final = {"sha-256": "sha256", "sha-512": "sha512"}


class FileTooLarge(DomainError):
    status = 413
    code = "file_too_large"
    title = "The file is too large"
    advice = "Send a smaller one, or in parts; `max_bytes` says how large it may be."


class FormRequired(DomainError):
    status = 415
    code = "form_required"
    title = "The body must be a form with a file"
    advice = f"Send `Content-Type: {MEDIA_TYPE}` with the file as its part `{FILE}`."


@dataclass(frozen=True, slots=True)
class Terms:
    """What is taken. `accepted`: media types; None: any, and what is not known is kept as what it is to us, bytes."""

    max_bytes: int
    accepted: frozenset[str] | None = None


@dataclass(slots=True)
class Upload:
    """A file in the store that nothing refers to yet. `name` is safe and fits `type`, which is ours."""

    file_id: UUID
    size: int
    sha256: str
    name: str
    type: str
    declared_type: str | None
    fields: Mapping[str, str]
    claimed: bool = field(default=False)

    def claim(self, uow: UnitOfWork) -> None:
        """It is wanted. Raises `StorageUnavailable` when receiving it took so long that it is gone."""
        self.claimed = True
        files.keep(uow, self.file_id, self.size, self.sha256)
        faults.point(CLAIMED)

    def fingerprint(self) -> bytes:
        """What makes a repeat the same request: boundaries differ each time."""
        said = [self.sha256, self.name, *(f"{name}={value}" for name, value in sorted(self.fields.items()))]
        return "\0".join(said).encode()


class _Watched:
    """The file on its way into the store: measured, digested, and never more than may be."""

    def __init__(self, sink: Sink, terms: Terms) -> None:
        self._sink = sink
        self._terms = terms
        self._digest = hashlib.sha256()
        self.text = sniffing.TextWatch()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._terms.max_bytes:
            raise too_large(self._terms)
        self._digest.update(data)
        self.text.feed(data)
        self._sink.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def too_large(terms: Terms) -> FileTooLarge:
    return FileTooLarge(f"A file may have at most {terms.max_bytes:,} bytes.", max_bytes=terms.max_bytes)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's body as it comes. `headers`: Content-Type, and a digest of the body where the sender gave one."""

    stream: IO[bytes]
    headers: Mapping[str, str]


@contextmanager
def received(database: Database, store: Store, principal: Principal, sent: Sent, terms: Terms) -> Iterator[Upload]:
    """The form that was sent, its file in the store; constant memory. Raises `FileTooLarge`, `MalformedRequest`, or
    `ValidationFailed` for a file that is empty, damaged on the way, or of a kind that is not taken.
    """
    digests = _stated(sent.headers)
    file_id = files.reserve(database, principal)
    faults.point(RESERVED)
    upload: Upload | None = None
    try:
        with store.writing(file_id.hex) as sink:
            watched = _Watched(sink, terms)
            form = read_form(sent.stream, sent.headers.get("Content-Type", ""), watched.write, digests=digests)
            _check(form, watched, digests)
            sink.finish()
        faults.point(RECEIVED)
        upload = _looked_at(store, file_id, form, watched, terms)
        yield upload
    except RequestEntityTooLarge as error:  # of a body whose length nobody told
        raise too_large(terms) from error
    finally:
        if upload is None or not upload.claimed:
            files.discard(database, principal, store, file_id)


def _check(form: Form, watched: _Watched, digests: Mapping[str, bytes]) -> None:
    problems = []
    if form.file_name is None:
        problems.append(FieldError.at(f"/{FILE}", "required", f"Send a file, as the part `{FILE}`."))
    elif watched.size == 0:
        problems.append(FieldError.at(f"/{FILE}", "empty", "The file is empty."))
    stated = form.fields.get("sha256")
    if stated is not None and stated.strip().lower() != watched.sha256:
        text = f"The file that arrived has the digest {watched.sha256}: it was changed on the way."
        problems.append(FieldError.at("/sha256", "digest", text))
    for name, digest in digests.items():
        if form.digests[name] != digest:
            text = "The body that arrived has another digest: it was changed on the way."
            problems.append(FieldError(header="Content-Digest", code="digest", detail=text))
    if problems:
        raise ValidationFailed(errors=problems)


def _looked_at(store: Store, file_id: UUID, form: Form, watched: _Watched, terms: Terms) -> Upload:
    name = file_names.safe_name(form.file_name)
    extension = file_names.split(name)[1].lower()
    content = sniffing.Content(
        watched.size, lambda start, length: read_all(store, file_id.hex, start, length), watched.text.holds
    )
    verdict = sniffing.recognise(content, extension)
    if verdict.runs:
        raise _refused(f"This file is not taken: {verdict.why}.")
    if terms.accepted is not None and verdict.type not in terms.accepted:
        raise _refused(f"This kind of file is not taken{': ' + verdict.why if verdict.why else ''}.")
    known = sniffing.EXTENSIONS[verdict.type]
    if extension not in known:
        name = file_names.shortened(name, f".{known[0]}")
    return Upload(
        file_id=file_id,
        size=watched.size,
        sha256=watched.sha256,
        name=name,
        type=verdict.type,
        declared_type=_declared(form.declared_type),
        fields=form.fields,
    )


def _refused(text: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError.at(f"/{FILE}", "type", text)])


_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")


def _declared(given: str | None) -> str | None:
    """The sender's word, as far as it is a media type; kept as evidence, never used."""
    found = _TYPE.match(given or "")
    return found.group(0).lower() if found else None


_DIGEST: Final = re.compile(r"([a-z0-9-]+)=:([A-Za-z0-9+/=]*):")
_OLD_DIGEST: Final = re.compile(r"([A-Za-z0-9-]+)=([A-Za-z0-9+/]+=*)")


def _stated(headers: Mapping[str, str]) -> dict[str, bytes]:
    """What the sender says of the whole body: `Content-Digest` (RFC 9530), or `Digest` as it was before (RFC 3230).
    Algorithms that we do not know are passed over. Raises `MalformedRequest`.
    """
    found = _DIGEST.findall(headers.get("Content-Digest", "")) + _OLD_DIGEST.findall(headers.get("Digest", ""))
    try:
        return {
            _ALGORITHMS[name.lower()]: base64.b64decode(value, validate=True)
            for name, value in found
            if name.lower() in _ALGORITHMS
        }
    except ValueError as error:
        raise MalformedRequest("The digest of the body is not in base64.") from error
