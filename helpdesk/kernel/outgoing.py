"""Requests to other systems whose address somebody has typed in: to `https` on public addresses alone, with no redirect
followed, no more read than is needed, and an end to all waiting. Make them with no transaction open.

The name is looked up once, every address that it has must be public, and the connection goes to the first of the very addresses
that were looked at which answers: a name that means another address a moment later leads nowhere else. TLS is verified for the name. What failed
tells whether anything can have been done over there: `NotReached`, nothing was sent; `Unanswered`, nobody knows.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

MOST_ANSWERED: Final = 64 * 1024
"""Bytes of an answer that are read; a longer one is none."""
_CONNECT: Final = 5.0
"""Seconds."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_UNSAFE: Final = re.compile(r"[\x00-\x20\"<>\\^`{|}\x7f]")


class NotReached(Exception):
    """Nothing was sent: the address is not one that we ask, or nobody is there. `timed_out`: it took all the time that there was."""

    def __init__(self, why: str, *, timed_out: bool = False) -> None:
        super().__init__(why)
        self.timed_out = timed_out


class Unanswered(Exception):
    """It was sent, or may have been, and no whole answer came. `status`: what its first line said, where that much came. `timed_out`: it
    took all the time that there was.
    """

    def __init__(self, why: str, status: int | None = None, *, timed_out: bool = False) -> None:
        super().__init__(why)
        self.status = status
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes


def is_acceptable_url(url: str, *, private: bool) -> bool:
    """Whether we would send something there: `https`, a host, no credentials, query or fragment. `private`: also `http`.
    Where its name leads is looked at when it is asked.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or port == 0 or "@" in parts.netloc or "?" in url or "#" in url or not url.isascii():
        return False
    if _UNSAFE.search(url) or (not private and _is_private_literal(parts.hostname)):
        return False
    return parts.scheme == "https" or (private and parts.scheme == "http")


def _is_private_literal(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open Internet. Raises ValueError for what is none."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner and not is_public(str(inner)):
            return False
    return ip.is_global and not ip.is_multicast


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    timeout: float,
    private: bool,
) -> Answered:
    """One request. `timeout`: seconds for all of it, from when its name was looked up. `private`: to any address, and over `http` too.
    Raises `NotReached`, `Unanswered`.
    """
    if not is_acceptable_url(url, private=private):
        raise NotReached("the address is not one that we send to")
    parts = urlsplit(url)
    connection = _Pinned(parts, _looked_up(parts, private=private), timeout)
    watch = threading.Timer(timeout, connection.cut)
    watch.daemon = True
    watch.start()
    try:
        connection.reach()
        return _exchange(connection, method, parts, headers, body)
    finally:
        watch.cancel()
        connection.close()


def _looked_up(parts: SplitResult, *, private: bool) -> list[tuple[str, int]]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotReached("its name cannot be looked up") from error
    addresses = [str(item[4][0]) for item in found]
    if not private and not all(map(is_public, addresses)):
        raise NotReached("its name leads to an address that is not public")
    return [(address, port) for address in addresses]


def _exchange(
    connection: "_Pinned", method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes
) -> Answered:
    status: int | None = None
    try:
        connection.request(method, parts.path or "/", body or None, {"Connection": "close", **headers})
        answer = connection.getresponse()
        status = answer.status
        read = answer.read(MOST_ANSWERED + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        timed_out = connection.over or isinstance(error, TimeoutError)
        # Whoever is cut off looks as if they had hung up.
        why = f"nothing whole within {connection.timeout:g} s" if timed_out else type(error).__name__
        raise Unanswered(why, status, timed_out=timed_out) from error
    if len(read) > MOST_ANSWERED:
        raise Unanswered("the answer is too long", status)
    if answer.length or connection.over:  # bytes that did not come
        raise Unanswered("the answer is not whole", status, timed_out=connection.over)
    return Answered(answer.status, {name.lower(): value for name, value in answer.getheaders()}, read)


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that were looked at, in the name of the host."""

    def __init__(self, parts: SplitResult, addresses: list[tuple[str, int]], timeout: float) -> None:
        super().__init__(parts.hostname or "", addresses[0][1], timeout=timeout)
        self._addresses = addresses
        self._secure = parts.scheme == "https"
        self._reached: socket.socket | None = (
            None  # also when `sock` is none any more, and the answer is still being read
        )
        self.over = False

    def reach(self) -> None:
        """Raises `NotReached`."""
        try:
            self.sock = self._reached = self._connected()
            self.sock.settimeout(self.timeout)
            if self._secure:
                secured = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
                self.sock = self._reached = secured
        except OSError as error:  # of TLS too
            raise NotReached(type(error).__name__, timed_out=self.over or isinstance(error, TimeoutError)) from error
        if self.over:
            raise NotReached("it took too long to connect", timed_out=True)

    def _connected(self) -> socket.socket:
        """To the first of its addresses that answers."""
        failed: OSError = TimeoutError()
        for address in self._addresses:
            if self.over:
                break
            try:
                return socket.create_connection(address, min(_CONNECT, self.timeout or _CONNECT))
            except OSError as error:
                failed = error
        raise failed

    def cut(self) -> None:
        """The time is over: whoever waits on the socket is woken."""
        self.over = True
        if self._reached is not None:
            try:
                self._reached.shutdown(socket.SHUT_RDWR)
            except OSError:
                return
