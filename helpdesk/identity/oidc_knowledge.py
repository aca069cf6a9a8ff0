"""What each process knows of identity providers: where they are asked what, and the keys that they sign with.

Both are asked for when they are needed and kept for a while; of several that need the same, one asks, with no lock held that
others would wait for: they go by what was known. After a failure nobody asks for some seconds. So a provider that is slow or
away costs one thread its patience, and not all of them.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from helpdesk.identity.oidc_calls import ask, is_acceptable_url
from helpdesk.identity.provider_errors import ProviderUnavailable

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_METADATA_KEPT: Final = 3600.0
_KEYS_KEPT: Final = 900.0
_KEYS_ASKED_EVERY: Final = 60.0
"""However many tokens name keys that nobody knows, the provider is asked for its keys no more often than this."""
_AWAY_FOR: Final = 5.0
_WAITS: Final = 2.0
"""Seconds that somebody waits for another who is asking what nobody knows yet."""
_SMALLEST_RSA: Final = 2048


@dataclass(frozen=True, slots=True)
class Client:
    """How we are known to a provider. `insecure`: also `http` to this machine, for development and tests."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uri: str
    insecure: bool


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider says of itself (Discovery 1.0). `names_itself`: it puts `iss` beside the code (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: tuple[str, ...]
    names_itself: bool


_Asked = TypeVar("_Asked")


@dataclass(slots=True)
class _Kept(Generic[_Asked]):
    """One thing that is known of a provider. `asking`: held by the one that asks; nobody else waits for it for long."""

    lasts: float
    asking: threading.Lock = field(default_factory=threading.Lock)
    value: _Asked | None = None
    known_at: float = float("-inf")
    asked_at: float = float("-inf")

    @property
    def fresh(self) -> bool:
        return self.value is not None and time.monotonic() - self.known_at <= self.lasts


@dataclass(slots=True)
class _Known:
    metadata: _Kept[Metadata] = field(default_factory=lambda: _Kept(_METADATA_KEPT))
    keys: _Kept[KeySet] = field(default_factory=lambda: _Kept(_KEYS_KEPT))
    failed_at: float = float("-inf")


_known: dict[str, _Known] = {}
_knowing = threading.Lock()


def forget_providers() -> None:
    """For tests: each has providers of its own, at addresses that others had before."""
    with _knowing:
        _known.clear()


def _of(issuer: str) -> _Known:
    with _knowing:
        return _known.setdefault(issuer, _Known())


def _unless_away(known: _Known, asking: Callable[[], _Asked]) -> _Asked:
    if time.monotonic() - known.failed_at < _AWAY_FOR:
        raise ProviderUnavailable
    try:
        return asking()
    except ProviderUnavailable:
        known.failed_at = time.monotonic()
        raise


def _known_or_asked(
    known: _Known, kept: _Kept[_Asked], ask_for: Callable[[], _Asked], *, unless: Callable[[], bool]
) -> _Asked:
    """What is kept, asked for anew unless `unless` says that it will do. One asks. Whoever comes meanwhile takes what was
    known until then, and where nothing was, waits a little: a slow provider must not take every thread that there is.
    Raises `ProviderUnavailable`.
    """
    if kept.value is not None and unless():
        return kept.value
    if not kept.asking.acquire(timeout=0 if kept.value is not None else _WAITS):
        if kept.value is None:
            raise ProviderUnavailable("The provider is slow; it is being asked.")
        return kept.value
    try:
        if kept.value is None or not unless():  # who waited finds it there
            kept.asked_at = time.monotonic()
            kept.value = _unless_away(known, ask_for)
            kept.known_at = time.monotonic()
        return kept.value
    finally:
        kept.asking.release()


def metadata_of(client: Client) -> Metadata:
    """Raises `ProviderUnavailable`."""
    known = _of(client.issuer)
    return _known_or_asked(known, known.metadata, lambda: _discovered(client), unless=lambda: known.metadata.fresh)


def _discovered(client: Client) -> Metadata:
    url = client.issuer.rstrip("/") + "/.well-known/openid-configuration"
    said = ask("GET", url, insecure=client.insecure)
    if said.get("issuer") != client.issuer:
        raise ProviderUnavailable("The provider calls itself by another issuer than is configured.")
    found = _read(said)
    urls = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint)
    if not all(url is None or is_acceptable_url(url, insecure=client.insecure) for url in urls):
        raise ProviderUnavailable("The provider names an address that we do not send secrets to.")
    return found


def _read(said: Mapping[str, Any]) -> Metadata:
    userinfo = said.get("userinfo_endpoint")
    methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        authorization_endpoint=str(said.get("authorization_endpoint")),
        token_endpoint=str(said.get("token_endpoint")),
        jwks_uri=str(said.get("jwks_uri")),
        userinfo_endpoint=None if userinfo is None else str(userinfo),
        auth_methods=tuple(map(str, methods)) if isinstance(methods, list) else (),
        names_itself=said.get("authorization_response_iss_parameter_supported") is True,
    )


def key_for(client: Client, metadata: Metadata, kid: object, algorithm: str) -> Key | None:
    """The one key of the provider's that may have signed this; None when there is none, or more than one. Raises
    `ProviderUnavailable`.
    """
    known = _of(client.issuer)
    keys = known.keys

    def asked(unless: Callable[[], bool]) -> list[Key]:
        return _fitting(
            _known_or_asked(known, keys, lambda: _published(client, metadata), unless=unless), kid, algorithm
        )

    found = asked(lambda: keys.fresh)
    if not found:  # it may have begun to use another
        found = asked(lambda: time.monotonic() - keys.asked_at <= _KEYS_ASKED_EVERY)
    return found[0] if len(found) == 1 else None


def _published(client: Client, metadata: Metadata) -> KeySet:
    said = ask("GET", metadata.jwks_uri, insecure=client.insecure)
    try:
        return KeySet.import_key_set({"keys": [dict(item) for item in said["keys"]]})
    except (JoseError, KeyError, ValueError, TypeError) as error:
        raise ProviderUnavailable("The provider's keys cannot be read.") from error


def _fitting(keys: KeySet, kid: object, algorithm: str) -> list[Key]:
    """Keys to verify this algorithm with, of this id, or of any where the token names none."""
    return [
        key
        for key in keys
        if (kid is None or kid == key.kid) and key.alg in {None, algorithm} and _is_for(key, algorithm)
    ]


def _is_for(key: Key, algorithm: str) -> bool:
    """The kind of key that goes with the algorithm, whatever a token's header says: with another, a public key could be
    taken for a shared secret.
    """
    if key.as_dict(private=False).get("use", "sig") != "sig":
        return False
    if isinstance(key, RSAKey):
        return algorithm == "RS256" and key.public_key.key_size >= _SMALLEST_RSA
    if isinstance(key, ECKey):
        return algorithm == "ES256" and key.curve_name == "P-256"
    return isinstance(key, OKPKey) and algorithm == "EdDSA" and key.curve_name == "Ed25519"
