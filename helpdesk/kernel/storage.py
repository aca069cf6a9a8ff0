"""Where files are: a folder (the default) or a store that speaks S3. Both keep the same promise: a file is there whole or
not at all, under a random name that says nothing, and neither direction holds more of it in memory than a piece.

Use it for bytes only. That a file exists, whose it is and how large, is a row (`files`); whoever writes here reserves the
name there first, so that what a crash leaves behind is found and removed.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

from helpdesk.kernel.errors import DomainError, TemporarilyUnavailable
from helpdesk.kernel.settings import Settings, SettingsError

PIECE: Final = 65_536
"""Bytes that are read at a time."""
PART: Final = 8_388_608
"""Bytes of one part of a large upload to S3, which takes no smaller ones than 5 MiB."""


class StorageUnavailable(TemporarilyUnavailable):
    code = "storage_unavailable"
    title = "The store for files cannot be reached at the moment"
    advice = "Nothing was changed. Send the same request again after `Retry-After` seconds."


class StorageFull(DomainError):
    status = 507
    code = "storage_full"
    title = "There is no room for the file"
    advice = "Nothing was changed. Tell whoever runs this installation that its store is full."


class FileMissing(LookupError):
    """The store has nothing under this name."""


class Sink(Protocol):
    """A file that is being written; a context manager. Left without `finish`, it was never there."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...

    def finish(self) -> None:
        """From here on it is there whole, also after a power cut."""


class Pieces(Protocol):
    """A file's bytes, piece by piece. `close` it where it is not read to the end."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def close(self) -> None: ...


class Store(Protocol):
    """Raises `StorageUnavailable` or `StorageFull` where the store itself fails."""

    def writing(self, name: str) -> Sink: ...

    def reading(self, name: str, start: int = 0, length: int | None = None) -> Pieces:
        """From byte `start`, at most `length` of them. Raises `FileMissing`."""

    def remove(self, name: str) -> None:
        """Also what an unfinished writing has left. That there is nothing is no error."""

    def link(self, name: str, seconds: int, headers: dict[str, str]) -> str | None:
        """An address at the store itself, for a short time, that a reader is sent to; None where the bytes are to go through
        us. `headers`: Content-Type and Content-Disposition.
        """


def read_all(store: Store, name: str, start: int, length: int) -> bytes:
    """A small part, whole."""
    pieces = store.reading(name, start, length)
    try:
        return b"".join(pieces)
    finally:
        pieces.close()


def store_for(settings: Settings) -> Store:
    """Raises `SettingsError` where S3 is asked for without its package."""
    if settings.s3_bucket is None:
        return FolderStore(settings.data_dir / "files")
    return S3Store(
        lambda: _s3_client(settings),
        settings.s3_bucket,
        prefix=settings.s3_prefix or "",
        redirects=settings.s3_redirect,
    )


class FolderStore:
    """Files in a folder that is ours alone, spread over 256 by the beginning of their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _place(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def writing(self, name: str) -> Sink:
        return _FolderSink(self._place(name))

    def reading(self, name: str, start: int = 0, length: int | None = None) -> Pieces:
        try:
            file = self._place(name).open("rb")
            file.seek(start)
        except FileNotFoundError as error:
            raise FileMissing(name) from error
        except OSError as error:
            raise _of_system(error) from error
        return _FolderPieces(file, length)

    def remove(self, name: str) -> None:
        place = self._place(name)
        try:
            _unfinished(place).unlink(missing_ok=True)
            place.unlink(missing_ok=True)
        except OSError as error:
            raise _of_system(error) from error

    def link(self, name: str, seconds: int, headers: dict[str, str]) -> None:  # as a `Store`
        """A folder has no addresses."""


def _unfinished(place: Path) -> Path:
    return place.with_suffix(".part")


_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _of_system(error: OSError) -> DomainError:
    """Without the path, which is nobody's business."""
    return StorageFull() if error.errno in _FULL else StorageUnavailable()


class _FolderSink:
    """Written beside its place and linked there when whole: a reader sees all of it or nothing."""

    def __init__(self, place: Path) -> None:
        self._place = place
        try:
            for folder in (place.parent.parent, place.parent):  # the mode is of the last one only
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(_unfinished(place), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise _of_system(error) from error
        self._file: BinaryIO = os.fdopen(descriptor, "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a full disk says so once more when what is buffered goes out
            self._file.close()
        _unfinished(self._place).unlink(missing_ok=True)

    def write(self, data: bytes, /) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            raise _of_system(error) from error

    def flush(self) -> None:
        """Nothing: only `finish` promises anything."""

    def finish(self) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._place.hardlink_to(_unfinished(self._place))
            _sync_folder(self._place.parent)
        except OSError as error:
            raise _of_system(error) from error


def _sync_folder(folder: Path) -> None:
    """A name is safe when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _FolderPieces:
    def __init__(self, file: BinaryIO, length: int | None) -> None:
        self._file = file
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        wanted = PIECE if self._left is None else min(PIECE, self._left)
        try:
            piece = self._file.read(wanted) if wanted > 0 and not self._file.closed else b""
        except OSError as error:
            raise _of_system(error) from error
        if not piece:
            self.close()
            raise StopIteration
        if self._left is not None:
            self._left -= len(piece)
            if self._left <= 0:
                self.close()  # whoever has counted the bytes asks for no more
        return piece

    def close(self) -> None:
        self._file.close()


def _s3_client(settings: Settings) -> Any:
    try:
        import boto3  # noqa: PLC0415  # an extra, and slow to import
        from botocore.config import Config  # noqa: PLC0415  # comes with it
    except ImportError as error:
        raise SettingsError(
            "HELPDESK_S3_BUCKET is set, and the package that speaks S3 is not there: pip install 'helpdesk[s3]'."
        ) from error
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        config=Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
            # Stores that only speak like Amazon's know nothing of its newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
        ),
    )


class S3Store:
    """Files in a bucket, below a prefix. The client is made when it is first needed, in the process that needs it."""

    def __init__(self, make: Callable[[], Any], bucket: str, *, prefix: str = "", redirects: bool = False) -> None:
        self._make = make
        self._bucket = bucket
        self._prefix = prefix
        self._redirects = redirects
        self._lock = threading.Lock()
        self._made: tuple[int, Any] | None = None

    @property
    def client(self) -> Any:
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():  # a forked child must not share its parent's sockets
                self._made = (os.getpid(), self._make())
            return self._made[1]

    def _named(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{name}"}

    def writing(self, name: str) -> Sink:
        return _S3Sink(self.client, self._named(name))

    def reading(self, name: str, start: int = 0, length: int | None = None) -> Pieces:
        if length == 0:
            return _S3Pieces(None)
        upto = "" if length is None else str(start + length - 1)
        wanted = {"Range": f"bytes={start}-{upto}"} if start or length is not None else {}
        try:
            return _S3Pieces(self.client.get_object(**self._named(name), **wanted)["Body"])
        except Exception as error:
            if _code(error) == "InvalidRange":  # begins behind the end
                return _S3Pieces(None)
            if _code(error) in {"NoSuchKey", "404"}:
                raise FileMissing(name) from error
            raise _of_s3(error) from error

    def remove(self, name: str) -> None:
        where = self._named(name)
        try:
            self.client.delete_object(**where)
            found = self.client.list_multipart_uploads(Bucket=self._bucket, Prefix=where["Key"])
            for upload in found.get("Uploads", ()):
                self.client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        except Exception as error:
            raise _of_s3(error) from error

    def link(self, name: str, seconds: int, headers: dict[str, str]) -> str | None:
        if not self._redirects:
            return None
        shown = {f"Response{key.replace('-', '')}": value for key, value in headers.items()}
        made: str = self.client.generate_presigned_url(
            "get_object", Params=self._named(name) | shown, ExpiresIn=seconds
        )
        return made


def _code(error: Exception) -> str:
    """What S3 calls it; empty where the answer was none of S3's."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _of_s3(error: Exception) -> Exception:
    """Our error for what boto3 raises; its messages name hosts and keys."""
    if not type(error).__module__.startswith(("botocore", "boto3", "urllib3")):
        return error
    full = _code(error) in {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"}
    return StorageFull() if full else StorageUnavailable()


class _S3Sink:
    """Small files in one request, large ones in parts; S3 shows neither before it is complete."""

    def __init__(self, client: Any, where: dict[str, str]) -> None:
        self._client = client
        self._where = where
        self._buffer = bytearray()
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._upload is not None:
            with suppress(Exception):  # what is left of it, `remove` finds
                self._client.abort_multipart_upload(**self._where, UploadId=self._upload)

    def write(self, data: bytes, /) -> int:
        self._buffer += data
        while len(self._buffer) >= PART:
            self._send(bytes(self._buffer[:PART]))
            del self._buffer[:PART]
        return len(data)

    def flush(self) -> None:
        """Nothing: only `finish` promises anything."""

    def _send(self, part: bytes) -> None:
        try:
            if self._upload is None:
                self._upload = self._client.create_multipart_upload(**self._where)["UploadId"]
            number = len(self._parts) + 1
            sent = self._client.upload_part(**self._where, UploadId=self._upload, PartNumber=number, Body=part)
        except Exception as error:
            raise _of_s3(error) from error
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})

    def finish(self) -> None:
        try:
            if self._upload is None:
                self._client.put_object(**self._where, Body=bytes(self._buffer))
                return
            if self._buffer:
                self._send(bytes(self._buffer))
            self._client.complete_multipart_upload(
                **self._where, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
            )
        except Exception as error:
            raise _of_s3(error) from error
        self._upload = None


class _S3Pieces:
    """`body` None: nothing to read."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece: bytes = b"" if self._body is None else self._body.read(PIECE)
        except Exception as error:
            raise _of_s3(error) from error
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def close(self) -> None:
        if self._body is not None:
            self._body.close()
