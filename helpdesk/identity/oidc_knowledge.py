"""What each process knows of identity providers: where they are asked what, and the keys that they sign with.

Both are asked for when they are needed and kept for a while; of several that need the same, one asks. After a failure
nobody asks for some seconds: a provider that is away costs one thread its patience, and not all of them.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

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


@dataclass(slots=True)
class _Known:
    lock: threading.Lock = field(default_factory=threading.Lock)
    metadata: Metadata | None = None
    metadata_at: float = 0.0
    keys: KeySet | None = None
    keys_at: float = 0.0
    keys_asked_at: float = float("-inf")
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


_Asked = TypeVar("_Asked")


def _unless_away(known: _Known, asking: Callable[[], _Asked]) -> _Asked:
    """Call it with the lock held."""
    if time.monotonic() - known.failed_at < _AWAY_FOR:
        raise ProviderUnavailable
    try:
        return asking()
    except ProviderUnavailable:
        known.failed_at = time.monotonic()
        raise


def metadata_of(client: Client) -> Metadata:
    """Raises `ProviderUnavailable`."""
    known = _of(client.issuer)
    with known.lock:
        if known.metadata is None or time.monotonic() - known.metadata_at > _METADATA_KEPT:
            known.metadata = _unless_away(known, lambda: _discovered(client))
            known.metadata_at = time.monotonic()
        return known.metadata


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
    with known.lock:
        if known.keys is None or time.monotonic() - known.keys_at > _KEYS_KEPT:
            _fetch_keys(client, metadata, known)
        found = _fitting(known.keys, kid, algorithm)
        if not found and time.monotonic() - known.keys_asked_at > _KEYS_ASKED_EVERY:
            _fetch_keys(client, metadata, known)  # it may have begun to use another
            found = _fitting(known.keys, kid, algorithm)
    return found[0] if len(found) == 1 else None


def _fetch_keys(client: Client, metadata: Metadata, known: _Known) -> None:
    known.keys_asked_at = time.monotonic()
    known.keys = _unless_away(known, lambda: _published(client, metadata))
    known.keys_at = time.monotonic()


def _published(client: Client, metadata: Metadata) -> KeySet:
    said = ask("GET", metadata.jwks_uri, insecure=client.insecure)
    try:
        return KeySet.import_key_set({"keys": [dict(item) for item in said["keys"]]})
    except (JoseError, KeyError, ValueError, TypeError) as error:
        raise ProviderUnavailable("The provider's keys cannot be read.") from error


def _fitting(keys: KeySet | None, kid: object, algorithm: str) -> list[Key]:
    """Keys to verify this algorithm with, of this id, or of any where the token names none."""
    return [
        key
        for key in keys or ()
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
