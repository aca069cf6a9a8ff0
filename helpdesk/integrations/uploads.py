"""Putting an upload into its place: whole or not at all, readable by us alone."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_CHUNK: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Upload:
    """A complete upload that is not in its place yet."""

    path: Path
    size: int
    checksum: str

    def move_to(self, place: Path) -> None:
        """In one step: a reader sees the whole file or none."""
        self.path.replace(place)


@contextmanager
def received(stream: IO[bytes], folder: Path) -> Iterator[Upload]:
    """The stream as a file in `folder`, with its SHA-256; gone at the end unless it was moved. Constant memory."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix="upload-")
    path = Path(name)
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        yield Upload(path, size, digest.hexdigest())
    finally:
        path.unlink(missing_ok=True)
