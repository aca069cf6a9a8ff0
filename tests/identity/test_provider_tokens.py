"""What an identity provider's token has to prove.

How it can fail: a token that proves nothing lets somebody in (signed by nobody, with the public key as a secret, for another
client, by another issuer, expired, of another sign-in); one that proves it does not; a flood of unknown keys becomes a flood
of requests.
"""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.identity import oidc_knowledge
from tests.identity.believing import SUBJECT, sign_in
from tests.identity.doors import Browser, Member, recorded
from tests.identity.providers import EC, RSA, Lying, none_token

TOKENS: dict[str, Callable[[Lying], None]] = {
    "wrong nonce": lambda it: it.claims.update(nonce="another"),
    "no nonce": lambda it: it.without.add("nonce"),
    "for another client": lambda it: it.claims.update(aud="another"),
    "for several, and nobody in particular": lambda it: it.claims.update(aud=["helpdesk", "another"]),
    "for several, and given to another": lambda it: it.claims.update(aud=["helpdesk", "another"], azp="another"),
    "given to another": lambda it: it.claims.update(azp="another"),
    "for nobody": lambda it: it.claims.update(aud=[]),
    "of another issuer": lambda it: it.claims.update(iss="https://login.evil.example"),
    "of the issuer with a slash": lambda it: it.claims.update(iss=it.issuer + "/"),
    "of no issuer": lambda it: it.without.add("iss"),
    "expired": lambda it: it.claims.update(exp=it.now - 61, iat=it.now - 400),
    "without an end": lambda it: it.without.add("exp"),
    "from the future": lambda it: it.claims.update(iat=it.now + 1000),
    "not yet": lambda it: it.claims.update(nbf=it.now + 1000),
    "of nobody": lambda it: it.without.add("sub"),
    "of an empty subject": lambda it: it.claims.update(sub=""),
    "of a subject without end": lambda it: it.claims.update(sub="x" * 256),
    "of a subject that is a number": lambda it: it.claims.update(sub=12),
    "for another access token": lambda it: it.claims.update(at_hash="77QmUPtjPfzWtF2AnpK9RQ"),
    "with a broken at_hash": lambda it: it.claims.update(at_hash=None),
    "signed by nobody": lambda it: it.send(none_token({"iss": it.issuer, "sub": SUBJECT})),
    "the public key as a secret": lambda it: setattr(it, "secret", RSA.as_pem(private=False)),
    "another algorithm than the key's": lambda it: it.header.update(kid="ec"),
    "RS512": lambda it: it.header.update(alg="RS512"),
    "PS256": lambda it: it.header.update(alg="PS256"),
    "a key that nobody knows": lambda it: it.header.update(kid="unknown"),
    "a key of its own": lambda it: it.header.update(kid="x", jwk={"kty": "oct", "k": "eA"}),
    "keys elsewhere": lambda it: it.header.update(kid="x", jku="https://evil.example/jwks"),
    "a header that must be understood": lambda it: it.header.update(crit=["unheard"], unheard=1),
    "no token at all": lambda it: it.send(""),
    "half a token": lambda it: it.send("e30.e30"),
    "nonsense": lambda it: it.send("\x00.\u2603.x"),
    "a token without end": lambda it: it.send("e30." + "x" * 200_000 + ".x"),
}


class TestTokens:
    def test_that_prove_nothing(self, app: Flask, lying: Lying, ana: Member, engine: Engine) -> None:
        for number, (lie, tell) in enumerate(TOKENS.items()):
            lying.be_honest()
            tell(lying)
            answer = sign_in(Browser(app, f"198.51.100.{number}"), lying)
            assert (answer.status_code, answer.json["code"]) == (401, "sign_in_failed"), lie
        assert [event["reason"] for event in recorded(engine, "sign_in.refused")] == ["provider"] * len(TOKENS)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM agent_session")).scalar_one() == 0
        lying.be_honest()
        assert sign_in(Browser(app), lying).status_code == 201

    def test_that_prove_it(self, browser: Browser, lying: Lying, ana: Member) -> None:
        for algorithm in oidc_knowledge.ALGORITHMS:
            lying.algorithm = algorithm
            assert sign_in(browser, lying).status_code == 201, algorithm

    def test_with_the_access_tokens_hash(self, browser: Browser, lying: Lying, ana: Member) -> None:
        """`access`, by hand: the left half of SHA-256, or of SHA-512 for Ed25519."""
        import base64
        import hashlib

        for algorithm, kind in (("RS256", hashlib.sha256), ("ES256", hashlib.sha256), ("EdDSA", hashlib.sha512)):
            digest = kind(b"access").digest()
            lying.algorithm = algorithm
            lying.claims = {"at_hash": base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")}
            assert sign_in(browser, lying).status_code == 201, algorithm

    def test_with_clocks_that_differ(self, browser: Browser, lying: Lying, ana: Member) -> None:
        lying.claims = {"exp": lying.now - 30, "iat": lying.now - 330}
        assert sign_in(browser, lying).status_code == 201
        lying.claims = {"iat": lying.now + 50}
        assert sign_in(browser, lying).status_code == 201

    def test_with_several_audiences_and_ours_the_party(self, browser: Browser, lying: Lying, ana: Member) -> None:
        lying.claims = {"aud": ["helpdesk", "another"], "azp": "helpdesk"}
        assert sign_in(browser, lying).status_code == 201

    def test_without_a_key_id(self, browser: Browser, lying: Lying, ana: Member) -> None:
        """Of the one key that there is of the kind."""
        lying.header = {"kid": None}
        assert sign_in(browser, lying).status_code == 201

    def test_a_flood_of_unknown_keys_is_no_flood_of_requests(self, app: Flask, lying: Lying, ana: Member) -> None:
        assert sign_in(Browser(app), lying).status_code == 201
        for number in range(12):
            lying.header = {"kid": f"unknown-{number}"}
            assert sign_in(Browser(app, f"198.51.100.{number}"), lying).status_code == 401
        assert lying.asked.count("/jwks") == 1
        lying.header = {}
        assert sign_in(Browser(app), lying).status_code == 201

    def test_a_key_that_came_later_is_asked_for(
        self, browser: Browser, lying: Lying, ana: Member, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import json

        lying.answers["/jwks"] = (200, {}, json.dumps({"keys": [RSA.as_dict(private=False)]}).encode())
        assert sign_in(browser, lying).status_code == 201
        monkeypatch.setattr(oidc_knowledge, "_KEYS_ASKED_EVERY", 0.0)
        lying.answers["/jwks"] = (200, {}, json.dumps({"keys": [EC.as_dict(private=False)]}).encode())
        lying.algorithm = "ES256"
        assert sign_in(browser, lying).status_code == 201
        assert lying.asked.count("/jwks") == 2

    def test_small_keys_and_keys_for_encryption_do_not_count(self, browser: Browser, lying: Lying, ana: Member) -> None:
        import json

        lying.answers["/jwks"] = (200, {}, json.dumps({"keys": [RSA.as_dict(private=False) | {"use": "enc"}]}).encode())
        assert sign_in(browser, lying).status_code == 401
