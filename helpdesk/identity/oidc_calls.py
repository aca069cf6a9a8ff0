"""Calls to identity providers: to `https` alone, so that whoever answers has proved by its certificate to be who was asked;
with timeouts, following no redirect, reading no more than is needed. Make them with no transaction open.
"""

import ipaddress
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import requests
import structlog
from requests.auth import AuthBase

from helpdesk.identity.provider_errors import ProviderUnavailable

_TIMEOUT: Final = (3.05, 5.0)
"""Seconds to connect, and between two pieces of an answer."""
_DEADLINE: Final = 10.0
_MOST: Final = 256 * 1024


class ProviderRefuses(Exception):
    """The provider does not take what we sent it."""


def is_acceptable_url(url: str, *, insecure: bool) -> bool:
    """Where we would send a secret: `https`, a host, no credentials and no fragment in it. `insecure`: also `http` to this
    machine, for development and tests.
    """
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.hostname or not has_port or "@" in parts.netloc or "#" in url or not url.isascii():
        return False
    if any(char <= " " or char in '\\"<>^`{|}\x7f' for char in url):
        return False
    return parts.scheme == "https" or (insecure and parts.scheme == "http" and _is_here(parts.hostname))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ask(
    method: str,
    url: str,
    *,
    insecure: bool,
    data: Mapping[str, str] | None = None,
    auth: AuthBase | None = None,
    headers: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """The JSON object that is answered. Raises `ProviderRefuses` when a POST is refused, `ProviderUnavailable` when the
    provider cannot be reached or answers anything else.
    """
    if not is_acceptable_url(url, insecure=insecure):
        raise ProviderUnavailable("The provider's address is not one that we send secrets to.")
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy and no .netrc of whoever started us
            with session.request(
                method,
                url,
                data=data,
                auth=auth,
                headers={"Accept": "application/json", **(headers or {})},
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status, body = answer.status_code, _body(answer)
    except requests.RequestException as error:
        structlog.get_logger().warning("identity provider not reached", reason=type(error).__name__)
        raise ProviderUnavailable from error
    if 400 <= status < 500 and method == "POST":
        raise ProviderRefuses
    if status != 200:
        raise ProviderUnavailable(f"The provider answered {status}.")
    return _parsed(body)


def _body(answer: requests.Response) -> bytes:
    """Raises `ProviderUnavailable` for one that is too long, or comes too slowly to be waited for."""
    end = time.monotonic() + _DEADLINE
    body = b""
    for piece in answer.iter_content(8192):
        body += piece
        if len(body) > _MOST or time.monotonic() > end:
            raise ProviderUnavailable("The provider's answer is too long.")
    return body


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProviderUnavailable("The provider's answer cannot be read.") from error
    if not isinstance(said, dict):
        raise ProviderUnavailable("The provider's answer cannot be read.")
    return said
