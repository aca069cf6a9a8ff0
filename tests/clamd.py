"""A small server that speaks clamd's INSTREAM, and knows one virus: the test file of the EICAR."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
LIMIT = 5_000_000
"""Bytes that it takes, as `StreamMaxLength` says."""


class Server:
    """`answers`: what to say instead of a verdict, one for each connection; None hangs up."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.scanned: list[bytes] = []
        self.answers: list[bytes | None] = []

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(10)
                self._one(connection)

    def _one(self, connection: socket.socket) -> None:
        command = self._exactly(connection, len(b"zINSTREAM\0"))
        if self.answers:
            answer = self.answers.pop(0)
            if answer is not None:
                connection.sendall(answer)
            return
        assert command == b"zINSTREAM\0", command
        content = bytearray()
        while size := struct.unpack("!L", self._exactly(connection, 4))[0]:
            content += self._exactly(connection, size)
            if len(content) > LIMIT:
                connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")
                return
        self.scanned.append(bytes(content))
        found = EICAR in content
        connection.sendall(b"stream: Eicar-Test-Signature FOUND\0" if found else b"stream: OK\0")

    @staticmethod
    def _exactly(connection: socket.socket, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            piece = connection.recv(size - len(got))
            if not piece:
                raise ConnectionResetError
            got += piece
        return bytes(got)


@contextmanager
def running(folder: Path | None = None) -> Iterator[tuple[str, Server]]:
    """Its address, TCP or (in a folder) a unix socket."""
    if folder is None:
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / "clamd.ctl"))
        listener.listen()
        url = f"unix://{folder / 'clamd.ctl'}"
    server = Server(listener)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield url, server
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
        listener.close()
        thread.join(5)
