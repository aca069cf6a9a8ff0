"""Identity providers that tests sign in through: a real one, in a process of its own, and one that lies on request."""

import base64
import hashlib
import hmac
import itertools
import json
import re
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from tests.system import free_port, wait_until

RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
EC = ECKey.generate_key("P-256", parameters={"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", parameters={"kid": "ed"})
KEYS: dict[str, Any] = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


class Lying:
    """An OpenID provider that does everything right but for what it is told. It checks what a good one checks: the
    redirect address, the client's secret, PKCE, and that a code counts once.
    """

    def __init__(self) -> None:
        self.id = ""
        """Of the provider that it is to us."""
        self.now = 0
        self.be_honest()
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """Path -> what is answered there, instead."""
        self.asked: list[str] = []
        self.sent: list[dict[str, str]] = []
        """Forms that came to the token endpoint."""
        self._codes: dict[str, dict[str, str]] = {}
        self._numbers = itertools.count()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def be_honest(self) -> None:
        self.algorithm = "RS256"
        self.claims: dict[str, Any] = {}
        """Put over what is true."""
        self.without: set[str] = set()
        self.header: dict[str, Any] = {}
        self.secret: bytes | None = None
        """For HS256, instead of a key."""
        self.token: str | None = None

    def send(self, token: str) -> None:
        """The whole ID token, as it is."""
        self.token = token

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def authorize(self, url: str) -> dict[str, str]:
        """What the browser is sent back with: `state` and `code`."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = f"code-{next(self._numbers)}"  # of two at once each has its own
        self._codes[code] = query
        return {"state": query["state"], "code": code}

    def true_claims(self, query: dict[str, str]) -> dict[str, Any]:
        return {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": query["client_id"],
            "exp": self.now + 300,
            "iat": self.now,
            "nonce": query["nonce"],
            "email": "ana@example.com",
            "email_verified": True,
            "name": "Ana Souza",
        }

    def _id_token(self, query: dict[str, str]) -> str:
        if self.token is not None:
            return self.token
        claims = {**self.true_claims(query), **self.claims}
        claims = {name: value for name, value in claims.items() if name not in self.without}
        if self.secret is not None:
            return hmac_token(claims, self.secret)
        key = KEYS[self.algorithm]
        header = {"alg": self.algorithm, **({"kid": key.kid} if key.kid else {}), **self.header}
        header = {name: value for name, value in header.items() if value is not None}
        return jwt.encode(header, claims, key, registry=_Anything())

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        self.sent.append(form)
        query = self._codes.pop(form.get("code", ""), None)  # once
        expected = base64.b64encode(b"helpdesk:s3cret%2F").decode()
        if query is None or authorization != f"Basic {expected}":
            return 400, {"error": "invalid_grant"}
        challenge = _base64url(hashlib.sha256(form["code_verifier"].encode()).digest())
        if challenge != query["code_challenge"] or form["redirect_uri"] != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": self._id_token(query)}

    def _said(self, path: str) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
            } | self.metadata
        if path == "/jwks":
            return 200, {"keys": [key.as_dict(private=False) for key in KEYS.values()]}
        if path == "/userinfo" and self.userinfo is not None:
            return 200, self.userinfo
        return 404, {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(lambda: provider._said(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(body))
                self._answer(lambda: provider._token(form, self.headers.get("Authorization", "")))

            def _answer(self, say: Any) -> None:
                provider.asked.append(self.path)
                if self.path in provider.answers:
                    status, headers, body = provider.answers[self.path]
                else:
                    status, said = say()
                    headers, body = {"Content-Type": "application/json"}, json.dumps(said).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _Anything(JWSRegistry):
    """Signs whatever it is told to, under whatever header."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: Any) -> None:
        pass


def none_token(claims: dict[str, Any]) -> str:
    """Signed by nobody."""
    return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."


def hmac_token(claims: dict[str, Any], secret: bytes) -> str:
    """By hand: the library does not let one take a public key for a secret."""
    signed = f"{_encoded({'alg': 'HS256', 'kid': 'rsa'})}.{_encoded(claims)}"
    return f"{signed}.{_base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _encoded(part: dict[str, Any]) -> str:
    return _base64url(json.dumps(part).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Real:
    """oidc-provider-mock, in a process of its own."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"

    def set_user(self, subject: str, **claims: Any) -> None:
        self._send("PUT", f"/users/{subject}", json.dumps(claims).encode(), "application/json")

    def authorize(self, url: str, subject: str) -> dict[str, str]:
        """As a browser would: the form, and where it is sent back to."""
        with urllib.request.urlopen(url) as page:
            assert b"Authorize" in page.read()
        location = self._send("POST", url, urllib.parse.urlencode({"sub": subject}).encode())
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
        return {name: query[name] for name in ("state", "code")}

    def _send(self, method: str, path: str, body: bytes, kind: str = "application/x-www-form-urlencoded") -> str:
        url = path if path.startswith("http") else self.issuer + path
        request = urllib.request.Request(url, data=body, headers={"Content-Type": kind}, method=method)
        opener = urllib.request.build_opener(_Staying())
        with opener.open(request) as answer:
            return str(answer.headers.get("Location", ""))


class _Staying(urllib.request.HTTPErrorProcessor):
    """Follows no redirect."""

    def http_response(self, _request: Any, response: Any) -> Any:
        return response


@contextmanager
def real_provider() -> Iterator[Real]:
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until(lambda: _answers(port), "the identity provider")
        yield Real(port)
    finally:
        child.terminate()
        child.communicate(timeout=20)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/openid-configuration") as answer:
            return bool(re.match("2", str(answer.status)))
    except OSError:
        return False
