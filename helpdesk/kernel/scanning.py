"""Looking for viruses: clamd, asked over its own protocol, or nobody.

clamd's INSTREAM takes the file over the connection in pieces, each with its length before it, and answers with one line
(clamd(8)). It needs no access to our store. Where none is configured, `NoScanner` says so, and nothing waits for it.
"""

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

_CONNECT: Final = 5.0
_ANSWER: Final = 120.0
"""Seconds that clamd may take over a file."""
_MAX_ANSWER: Final = 4_096


class ScannerUnavailable(Exception):
    """It could not be asked, or did not answer; to be tried again."""


class ScanRefused(Exception):
    """It will not scan this file (too large for its own limits): asking again cannot help."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`signature` names what was found; None: clean."""

    signature: str | None


class Scanner(Protocol):
    @property
    def configured(self) -> bool: ...

    def scan(self, pieces: Iterable[bytes]) -> Finding:
        """Raises `ScannerUnavailable` or `ScanRefused`."""


class NoScanner:
    """The harmless twin: there is nobody to ask, and nothing has to wait."""

    configured = False

    def scan(self, pieces: Iterable[bytes]) -> Finding:  # noqa: ARG002  # the port's
        raise ScannerUnavailable("no scanner is configured")


@dataclass(frozen=True, slots=True)
class Clamd:
    """`tcp://host:3310` or `unix:///run/clamav/clamd.ctl`."""

    url: str
    configured: bool = True

    def scan(self, pieces: Iterable[bytes]) -> Finding:
        try:
            with self._connected() as connection:
                return _verdict(_asked(connection, pieces))
        except OSError as error:
            raise ScannerUnavailable(type(error).__name__) from error

    def _connected(self) -> socket.socket:
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(_CONNECT)
                connection.connect(unquote(parts.path))
            except BaseException:
                connection.close()
                raise
        else:
            connection = socket.create_connection((parts.hostname or "", parts.port or 3310), _CONNECT)
        connection.settimeout(_ANSWER)
        return connection


def _asked(connection: socket.socket, pieces: Iterable[bytes]) -> str:
    try:
        connection.sendall(b"zINSTREAM\0")
        for piece in pieces:
            if piece:  # no bytes would be the end
                connection.sendall(struct.pack("!L", len(piece)) + piece)
        connection.sendall(struct.pack("!L", 0))
    except (BrokenPipeError, ConnectionResetError):
        pass  # it says why before it hangs up: the file is beyond its limits
    answer = bytearray()
    while b"\0" not in answer and len(answer) < _MAX_ANSWER:
        got = connection.recv(_MAX_ANSWER)
        if not got:
            break
        answer += got
    return bytes(answer).partition(b"\0")[0].decode("utf-8", "replace").strip()


def _verdict(answer: str) -> Finding:
    if answer == "stream: OK":
        return Finding(None)
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        return Finding(answer.removeprefix("stream: ").removesuffix(" FOUND")[:200])
    if "size limit exceeded" in answer:
        raise ScanRefused("the file is larger than the scanner takes")
    raise ScannerUnavailable("the scanner gave no verdict")


def scanner_for(url: str | None) -> Scanner:
    return NoScanner() if url is None else Clamd(url)
