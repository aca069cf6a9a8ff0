"""OpenID Connect as its relying party: code flow with PKCE, and nothing believed that was not checked.

Source: OpenID Connect Core 1.0 (3.1), RFC 7636, RFC 9207, and the advice of RFC 9700. What is checked of the ID token: its
signature, with a key that the provider publishes and an algorithm of our choice (the header alone decides nothing);
issuer, audience, authorised party, times, nonce, and the access token's hash. Call it with no transaction open.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry
from requests.auth import AuthBase, HTTPBasicAuth

from helpdesk.identity.oidc_calls import ProviderRefuses, ask
from helpdesk.identity.oidc_knowledge import ALGORITHMS, Client, Metadata, key_for, metadata_of
from helpdesk.identity.provider_errors import ProviderUnavailable

SCOPE: Final = "openid email profile"
SKEW: Final = 60
"""Seconds that a provider's clock may differ from ours."""


class NotVouchedFor(Exception):
    """What came back proves nothing. The text is for the log: it names the check, and no value."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser brought back. `iss` only from a provider that names itself there."""

    state: str
    code: str
    iss: str | None


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who the provider says that somebody is. `email` only where it says that it was verified; `second_factor`: it saw
    more than one (`amr` has `mfa`, RFC 8176).
    """

    issuer: str
    subject: str
    email: str | None
    name: str | None
    second_factor: bool


def secrets_of(key: str, state: str) -> tuple[str, str]:
    """PKCE verifier and nonce of a sign-in, from the signing key and its state: they need not be kept anywhere."""

    def derived(purpose: str) -> str:
        return _base64url(hmac.digest(key.encode(), f"helpdesk.oidc.{purpose}\0{state}".encode(), hashlib.sha256))

    return derived("verifier"), derived("nonce")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def authorization_url(client: Client, key: str, state: str) -> str:
    """Where the browser goes. Raises `ProviderUnavailable`."""
    verifier, nonce = secrets_of(key, state)
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": SCOPE,
        "state": state,
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    endpoint = metadata_of(client).authorization_endpoint
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"


def vouched_for(client: Client, key: str, answer: Answer, now: datetime) -> Vouched:
    """Who came back. Raises `NotVouchedFor`, `ProviderUnavailable`."""
    metadata = metadata_of(client)
    if (answer.iss is not None or metadata.names_itself) and answer.iss != client.issuer:
        raise NotVouchedFor("iss beside the code")
    verifier, nonce = secrets_of(key, answer.state)
    id_token, access_token = _exchange(client, metadata, answer.code, verifier)
    algorithm, claims = _signed(client, metadata, id_token)
    _check(client, claims, nonce, now)
    if "at_hash" in claims and claims["at_hash"] != _half_hash(algorithm, access_token):
        raise NotVouchedFor("at_hash")
    if "email" not in claims and metadata.userinfo_endpoint is not None:
        claims = _with_userinfo(client, metadata.userinfo_endpoint, access_token, claims)
    return _vouched(client, claims)


def _vouched(client: Client, claims: Mapping[str, Any]) -> Vouched:
    email, name, amr = claims.get("email"), claims.get("name"), claims.get("amr")
    verified = isinstance(email, str) and claims.get("email_verified") is True
    return Vouched(
        issuer=client.issuer,
        subject=claims["sub"],
        email=str(email) if verified else None,
        name=name if isinstance(name, str) else None,
        second_factor=isinstance(amr, list) and "mfa" in amr,
    )


def _exchange(client: Client, metadata: Metadata, code: str, verifier: str) -> tuple[str, str]:
    """ID token and access token for the code."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": verifier,
    }
    auth: AuthBase | None = None
    if client.client_secret is None:
        form["client_id"] = client.client_id
    elif "client_secret_basic" in metadata.auth_methods or "client_secret_post" not in metadata.auth_methods:
        auth = HTTPBasicAuth(quote(client.client_id, safe=""), quote(client.client_secret, safe=""))
    else:
        form |= {"client_id": client.client_id, "client_secret": client.client_secret}
    try:
        tokens = ask("POST", metadata.token_endpoint, insecure=client.insecure, data=form, auth=auth)
    except ProviderRefuses as error:
        raise NotVouchedFor("the provider refused the code") from error
    id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
    if not isinstance(id_token, str) or not isinstance(access_token, str):
        raise NotVouchedFor("no ID token")
    return id_token, access_token


def _with_userinfo(client: Client, url: str, access_token: str, claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """Some providers tell the address only there. It must be of the same subject, and adds nothing else. Who is known
    already gets in without.
    """
    try:
        told = ask("GET", url, insecure=client.insecure, headers={"Authorization": f"Bearer {access_token}"})
    except ProviderUnavailable:
        return claims
    if told.get("sub") != claims["sub"]:
        raise NotVouchedFor("userinfo of somebody else")
    return {**{name: told[name] for name in ("email", "email_verified", "name") if name in told}, **claims}


class _Only(JWSRegistry):
    """One algorithm and no other; what else a header says is not minded, unless it must be understood (`crit`). joserfc's
    own gives advice about the name EdDSA (RFC 9864), which is the signer's to take.
    """

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm], strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        if [name] != self.allowed:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def _signed(client: Client, metadata: Metadata, id_token: str) -> tuple[str, Mapping[str, Any]]:
    """The algorithm and the claims of a token that the provider signed."""
    try:
        header = jws.extract_compact(id_token.encode(), registry=JWSRegistry(strict_check_header=False)).headers()
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise NotVouchedFor("algorithm")
        key = key_for(client, metadata, header.get("kid"), algorithm)
        if key is None:
            raise NotVouchedFor("no such key")
        return algorithm, jwt.decode(id_token, key, registry=_Only(algorithm)).claims
    except (JoseError, ValueError, TypeError) as error:
        raise NotVouchedFor(f"ID token: {type(error).__name__}") from error


def _check(client: Client, claims: Mapping[str, Any], nonce: str, now: datetime) -> None:
    registry = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=SKEW,
        iss={"essential": True, "value": client.issuer},
        aud={"essential": True, "value": client.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(dict(claims))
    except (JoseError, ValueError, TypeError) as error:
        raise NotVouchedFor(f"claims: {error}") from error
    if claims.get("nonce") != nonce:
        raise NotVouchedFor("nonce")
    if not 1 <= len(claims["sub"]) <= 255:
        raise NotVouchedFor("subject")
    audience, party = claims["aud"], claims.get("azp")
    if (isinstance(audience, list) and len(audience) > 1 and party is None) or party not in {None, client.client_id}:
        raise NotVouchedFor("authorised party")


def _half_hash(algorithm: str, access_token: str) -> str:
    """The left half of the hash that belongs to the algorithm (Core, 3.1.3.6); of Ed25519 that is SHA-512."""
    digest = (hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256)(access_token.encode()).digest()
    return _base64url(digest[: len(digest) // 2])
