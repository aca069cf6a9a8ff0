"""The guard of what we send out, and the end of waiting for what comes back.

How it can fail: a request goes to our own network, or nowhere though one of its addresses answers; an answer without end, by the
byte or by the megabyte; half an answer taken for one.
"""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from helpdesk.kernel import outgoing


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1",
            "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1",
            "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1",
        ],
    )  # fmt: skip
    def test_are_not_asked(self, address: str) -> None:
        assert not outgoing.is_public(address)
        host = f"[{address}]" if ":" in address and "%" not in address else address
        if "%" not in address:
            assert not outgoing.is_acceptable_url(f"https://{host}/x", private=False)

    @pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
    def test_are_asked(self, address: str) -> None:
        assert outgoing.is_public(address)

    def test_a_name_that_leads_home_is_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One public address among private ones does not help."""
        found = [(0, 0, 0, "", (address, 443)) for address in ("93.184.216.34", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(outgoing.NotReached, match="not public"):
            outgoing.ask("GET", "https://pay.example.com/", headers={}, timeout=1, private=False)

    def test_http_is_not_asked(self) -> None:
        with pytest.raises(outgoing.NotReached):
            outgoing.ask("GET", "http://93.184.216.34/", headers={}, timeout=1, private=False)


@pytest.fixture
def raw() -> Iterator[Any]:
    """A server that answers with the bytes it is given, one after the other, for as long as it is listened to."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    pieces: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
            ended.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/", pieces
    ended.set()
    thread.join(5)
    listening.close()


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [b"HTTP/1.1 200 OK\r\nX-Slow: "],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"],
        [b"not http at all\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 200],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"x" * 200_000],
    ],
    ids=["nothing", "half a header", "half a body", "no http", "headers without end", "too long"],
)
def test_no_whole_answer_is_none(raw: Any, answer: list[bytes]) -> None:
    url, pieces = raw
    pieces += answer
    with pytest.raises(outgoing.Unanswered):
        outgoing.ask("GET", url, headers={}, timeout=1, private=True)


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(dripping: "Dripping") -> None:
    """Each byte comes in time, and all of them would not."""
    with pytest.raises(outgoing.Unanswered):
        outgoing.ask("GET", dripping.url, headers={}, timeout=0.5, private=True)
    assert dripping.ended.wait(30)
    assert dripping.sent < Dripping.BYTES


class Dripping:
    """A server that says that it closes, and then sends a body for half a minute, if anybody listens for so long."""

    BYTES = 600

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.sent = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, self._listening:
            connection.recv(65536)
            connection.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {self.BYTES}\r\n\r\n".encode())
            connection.settimeout(0.05)
            try:
                while self.sent < self.BYTES and not self._is_left(connection):
                    self.sent += connection.send(b"x")
            except OSError:  # whoever asked has gone
                pass
        self.ended.set()

    def _is_left(self, connection: socket.socket) -> bool:
        """Whether they have hung up; found out in the time between two bytes."""
        try:
            return connection.recv(1) == b""
        except TimeoutError:
            return False


@pytest.fixture
def dripping() -> Dripping:
    return Dripping()


def test_where_the_first_of_its_addresses_is_silent_the_next_is_asked(
    raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of `localhost` where nobody listens on `::1`."""
    url, pieces = raw
    pieces.append(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    port = int(url.rstrip("/").rpartition(":")[2])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *of, **how: found if host == "pay.test" else known(host, *of, **how)
    )
    answered = outgoing.ask("GET", f"http://pay.test:{port}/", headers={}, timeout=5, private=True)
    assert (answered.status, answered.body) == (200, b"{}")
