"""Signing in through identity providers, a real one and one that lies.

How it can fail: a token that proves nothing lets somebody in (signed by nobody, with the public key as a secret, for
another client, by another issuer, expired, of another sign-in); an answer counts twice, or in another browser; an address
that was not verified, or of another domain, opens an account; an address that was given to somebody new opens the old
one's; the provider is asked inside a transaction, without end, or led somewhere else by a redirect; a flood of unknown
keys becomes a flood of requests; the client's secret can be read; who may set providers up gives themselves more.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.identity import oidc_calls, oidc_knowledge
from helpdesk.identity.door_jobs import forget_what_is_over
from helpdesk.identity.oidc_calls import is_acceptable_url
from helpdesk.identity.oidc_knowledge import Client, Metadata
from helpdesk.identity.provider_errors import ProviderUnavailable
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller, Join
from tests.identity.doors import PASSWORD, Browser, Member, enrolled, execute, mails, recorded
from tests.identity.providers import EC, RSA, Lying, Real, none_token, real_provider
from tests.racing import at_once

SOMEBODY = "00000000-0000-0000-0000-000000000000"
SUBJECT = "248289761001"
CLIENT: dict[str, Any] = {"client_id": "helpdesk", "client_secret": "s3cret/"}


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    with real_provider() as found:
        yield found


@pytest.fixture
def lying(engine: Engine, admin: Caller) -> Iterator[Lying]:
    """It is believed."""
    oidc_knowledge.forget_providers()
    found = Lying()
    with engine.connect() as connection:
        found.now = int(connection.execute(text("SELECT extract(epoch FROM now())::bigint")).scalar_one())
    found.start()
    found.id = believe(admin, found.issuer)
    yield found
    found.stop()


def believe(admin: Caller, issuer: str, **more: Any) -> str:
    body = {"name": "Example Corp", "issuer": issuer, **CLIENT, "allowed_domains": ["example.com"]} | more
    answer = admin.post("/identity-providers", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


@pytest.fixture
def ana(database: Database, engine: Engine) -> Member:
    found = Member(database, password=False)
    execute(engine, "UPDATE agent SET email = 'Ana@Example.com' WHERE id = :id", id=found.id)
    return found


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


def begin(browser: Browser, provider_id: str, **more: Any) -> dict[str, Any]:
    answer = browser.post("/public/provider-sign-ins", {"provider_id": provider_id, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def come_back(browser: Browser, begun: dict[str, Any], brought: dict[str, str]) -> Any:
    binding = {} if begun["binding"] is None else {"binding": begun["binding"]}
    return browser.post("/public/provider-sessions", {**brought, **binding})


def sign_in(browser: Browser, lying: Lying) -> Any:
    begun = begin(browser, lying.id)
    return come_back(browser, begun, lying.authorize(begun["authorization_url"]))


class TestConfiguration:
    BODY: dict[str, Any] = {"name": "Example", "issuer": "https://login.example.com", **CLIENT}  # noqa: RUF012

    def test_anonymous_and_wrong_role(self, anonymous: Caller, join: Join) -> None:
        paths = ("/identity-providers", f"/identity-providers/{SOMEBODY}")
        for path in (*paths, "/identities"):
            assert anonymous.get(path).status_code == 401
        for role in ("agent", "manager", "auditor"):
            caller = join(role)
            assert caller.post(paths[0], self.BODY).json["permission"] == "provider:manage"
            assert caller.get(paths[0]).status_code == (200 if role == "auditor" else 403)

    def test_life(self, admin: Caller, anonymous: Caller, engine: Engine) -> None:
        provider_id = believe(
            admin, "https://login.example.com", allowed_domains=["Example.COM", "xn--bcher-kva.example"]
        )
        path = f"/identity-providers/{provider_id}"
        shown = admin.get(path)
        assert shown.json["allowed_domains"] == ["example.com", "xn--bcher-kva.example"]
        assert shown.json["has_client_secret"] is True
        assert anonymous.get("/public/identity-providers").json["items"] == [
            {"id": provider_id, "name": "Example Corp"}
        ]
        assert admin.patch(path, {"active": False}).status_code == 428
        changed = admin.patch(path, {"active": False, "client_secret": None}, if_match=shown.headers["ETag"])
        assert (changed.json["active"], changed.json["has_client_secret"]) == (False, False)
        assert admin.patch(path, {"active": True}, if_match=shown.headers["ETag"]).status_code == 412
        assert anonymous.get("/public/identity-providers").json["items"] == []
        assert admin.delete(path, if_match="*").status_code == 204
        assert admin.get(path).status_code == 404
        (created,), (change,) = (recorded(engine, f"identity_provider.{kind}") for kind in ("created", "changed"))
        assert created["changes"]["issuer"] == [None, "https://login.example.com"]
        assert change["changes"] == {"active": [True, False], "has_client_secret": [True, False]}

    def test_the_secret_is_shown_nowhere(self, admin: Caller, engine: Engine) -> None:
        provider_id = believe(admin, "https://login.example.com", client_secret="the-secret-of-the-client")
        assert "the-secret" not in admin.get(f"/identity-providers/{provider_id}").text
        with engine.connect() as connection:
            tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
            whole = "".join(str(connection.execute(text(f'SELECT t::text FROM "{name}" t')).all()) for name in tables)
        assert "the-secret" not in whole

    def test_what_cannot_be_used(self, admin: Caller) -> None:
        for field, value in (
            ("issuer", "http://login.example.com"),
            ("issuer", "https://login.example.com?tenant=1"),
            ("issuer", "https://login.example.com#x"),
            ("issuer", "https://user:password@login.example.com"),
            ("issuer", "file:///etc/passwd"),
            ("issuer", "https://"),
            ("issuer", "https://login.example.com:99999"),
            ("redirect_uri", "javascript:alert(1)"),
            ("redirect_uri", "http://helpdesk.example.com/callback"),
            ("allowed_domains", ["*"]),
            ("allowed_domains", ["ana@example.com"]),
            ("allowed_domains", [""]),
            ("provision_role", "no such role"),
            ("client_secret", ""),
        ):
            answer = admin.post("/identity-providers", self.BODY | {field: value})
            assert answer.status_code == 422, (field, value)
            assert answer.json["errors"][0]["pointer"].startswith(f"/{field}")

    def test_nobody_gives_more_than_they_have(self, admin: Caller, join: Join) -> None:
        """By a role for whoever comes."""
        rights = ["agent:read", "provider:read", "provider:manage"]
        role = {"name": "doors", "permissions": rights, "scope": "own", "authority": "none"}
        assert admin.post("/roles", role).status_code == 201
        caller = join("doors")
        answer = caller.post("/identity-providers", self.BODY | {"provision_role": "admin"})
        assert (answer.status_code, answer.json["code"]) == (403, "beyond_own_rights")
        assert caller.post("/identity-providers", self.BODY | {"provision_role": "doors"}).status_code == 201
        (mine,) = caller.get("/identity-providers").json["items"]
        answer = caller.patch(f"/identity-providers/{mine['id']}", {"provision_role": "admin"}, if_match="*")
        assert answer.status_code == 403

    def test_a_role_that_is_given_stays(self, admin: Caller) -> None:
        role = admin.post("/roles", {"name": "new", "permissions": [], "scope": "own"}).json
        provider_id = believe(admin, "https://login.example.com", provision_role="new")
        assert admin.delete(f"/roles/{role['id']}", if_match="*").json["code"] == "role_in_use"
        admin.patch(f"/identity-providers/{provider_id}", {"provision_role": None}, if_match="*")
        assert admin.delete(f"/roles/{role['id']}", if_match="*").status_code == 204

    def test_names_are_taken_once(self, admin: Caller) -> None:
        believe(admin, "https://a.example.com", name="Corp")
        other = believe(admin, "https://b.example.com", name="Other")
        assert admin.post("/identity-providers", self.BODY | {"name": "CORP"}).json["code"] == "name_taken"
        assert admin.patch(f"/identity-providers/{other}", {"name": "corp"}, if_match="*").status_code == 409
        assert admin.patch(f"/identity-providers/{other}", {"name": "OTHER"}, if_match="*").status_code == 200


class TestRealProvider:
    """oidc-provider-mock, in a process of its own."""

    @pytest.fixture
    def believed(self, admin: Caller, real: Real) -> str:
        oidc_knowledge.forget_providers()
        return believe(admin, real.issuer, provision_role="agent")

    def test_first_and_second_time(
        self, browser: Browser, believed: str, real: Real, ana: Member, engine: Engine
    ) -> None:
        real.set_user("ana", email="ana@example.com", email_verified=True, name="Ana")
        for _ in range(2):
            begun = begin(browser, believed)
            answer = come_back(browser, begun, real.authorize(begun["authorization_url"], "ana"))
            assert answer.status_code == 201, answer.text
            assert answer.json["agent_id"] == str(ana.id)
            browser.token = answer.json["token"]
            assert browser.get("/me").json["id"] == str(ana.id)
        assert [event["how"] for event in recorded(engine, "identity.linked")] == ["email"]
        assert [event["how"] for event in recorded(engine, "session.started")] == ["provider", "provider"]
        assert mails(engine, "Ana@Example.com")[-1].reason == "provider_linked"

    def test_somebody_new(self, browser: Browser, believed: str, real: Real, admin: Caller, engine: Engine) -> None:
        real.set_user("new", email="new@example.com", email_verified=True, name="New One")
        begun = begin(browser, believed)
        answer = come_back(browser, begun, real.authorize(begun["authorization_url"], "new"))
        shown = admin.get(f"/agents/{answer.json['agent_id']}").json
        assert (shown["email"], shown["name"], shown["role"]) == ("new@example.com", "New One", "agent")
        assert [event["how"] for event in recorded(engine, "identity.linked")] == ["provisioned"]

    def test_in_a_browser(self, browser: Browser, believed: str, real: Real, ana: Member) -> None:
        """Binding and session in cookies; scripts see neither."""
        real.set_user("ana", email="ana@example.com", email_verified=True)
        begun = begin(browser, believed, cookie=True)
        assert begun["binding"] is None
        answer = come_back(browser, begun, real.authorize(begun["authorization_url"], "ana"))
        assert (answer.status_code, answer.json["token"]) == (201, None)
        assert browser.get("/me").json["id"] == str(ana.id)


class TestRecognising:
    def test_by_who_they_are_there(self, browser: Browser, lying: Lying, ana: Member, engine: Engine) -> None:
        """Whatever their address is by now."""
        assert sign_in(browser, lying).json["agent_id"] == str(ana.id)
        lying.claims = {"email": "married@elsewhere.example"}
        assert sign_in(browser, lying).json["agent_id"] == str(ana.id)
        lying.without = {"email", "email_verified", "name"}
        assert sign_in(browser, lying).json["agent_id"] == str(ana.id)

    def test_an_address_that_proves_nothing(self, app: Flask, lying: Lying, ana: Member, engine: Engine) -> None:
        execute(engine, "UPDATE identity_provider SET provision_role = 'agent'")
        for claims in (
            {"email_verified": False},
            {"email_verified": "true"},
            {"email_verified": 1},
            {"email_verified": None},
            {"email": "ana@example.com.evil.example"},
            {"email": "ana@sub.example.com"},
            {"email": "ana@evil.example,ana@example.com"},
            {"email": None},
            {"email": ["ana@example.com"]},
            {"email": "ana@example.com\x00"},
            {"email": ""},
        ):
            lying.claims = dict(claims)
            answer = sign_in(Browser(app), lying)
            assert (answer.status_code, answer.json["code"]) == (401, "sign_in_failed"), claims
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM agent_identity")).scalar_one() == 0

    def test_an_address_that_was_given_to_somebody_new(self, browser: Browser, lying: Lying, ana: Member) -> None:
        assert sign_in(browser, lying).status_code == 201
        lying.claims = {"sub": "the one who came after"}
        assert sign_in(browser, lying).status_code == 401

    def test_nobody_is_made_where_that_was_not_said(self, browser: Browser, lying: Lying, engine: Engine) -> None:
        assert sign_in(browser, lying).status_code == 401
        assert [event["reason"] for event in recorded(engine, "sign_in.refused")] == ["provider"]

    def test_who_left(self, browser: Browser, lying: Lying, ana: Member, admin: Caller) -> None:
        assert sign_in(browser, lying).status_code == 201
        admin.patch(f"/agents/{ana.id}", {"active": False}, if_match="*")
        assert sign_in(browser, lying).status_code == 401

    def test_who_left_is_not_linked_either(self, browser: Browser, lying: Lying, ana: Member, admin: Caller) -> None:
        admin.patch(f"/agents/{ana.id}", {"active": False}, if_match="*")
        assert sign_in(browser, lying).status_code == 401

    def test_two_who_are_new_at_once(self, app: Flask, lying: Lying, admin: Caller, engine: Engine) -> None:
        admin.patch(f"/identity-providers/{lying.id}", {"provision_role": "agent"}, if_match="*")
        answers = at_once(*[lambda: sign_in(Browser(app), lying)] * 3)
        assert [answer.status_code for answer in answers] == [201] * 3
        assert len({answer.json["agent_id"] for answer in answers}) == 1
        assert len(recorded(engine, "identity.linked")) == 1

    def test_odd_names(self, app: Flask, lying: Lying, admin: Caller) -> None:
        admin.patch(f"/identity-providers/{lying.id}", {"provision_role": "agent"}, if_match="*")
        for number, name in enumerate(("", "\x00", "x" * 5000, 12, None, "\u202e\U000e0001")):
            lying.claims = {"name": name, "sub": f"odd-{number}", "email": f"odd-{number}@example.com"}
            assert sign_in(Browser(app), lying).status_code == 201, name

    def test_an_address_told_only_by_userinfo(self, browser: Browser, lying: Lying, ana: Member) -> None:
        lying.without = {"email", "email_verified"}
        told = {"email": "ana@example.com", "email_verified": True}
        lying.userinfo = {"sub": "somebody else", **told}
        assert sign_in(browser, lying).status_code == 401
        lying.userinfo = {"sub": SUBJECT, **told}
        assert sign_in(browser, lying).json["agent_id"] == str(ana.id)

    def test_unlinked(self, browser: Browser, lying: Lying, ana: Member, join: Join, engine: Engine) -> None:
        admin, agent = join("admin"), join("agent")
        browser.token = sign_in(browser, lying).json["token"]
        (mine,) = browser.get("/identities").json["items"]
        assert (mine["subject"], mine["agent_id"]) == (SUBJECT, str(ana.id))
        assert agent.get("/identities").json["items"] == []
        assert agent.delete(f"/identities/{mine['id']}").status_code == 404
        assert admin.get(f"/identities?agent_id={ana.id}").json["items"] == [mine]
        assert admin.delete(f"/identities/{mine['id']}").status_code == 204
        assert [event["subject"] for event in recorded(engine, "identity.unlinked")] == [SUBJECT]

    def test_the_second_factor(self, app: Flask, browser: Browser, lying: Lying, ana: Member, engine: Engine) -> None:
        """Ours is asked for, unless the provider saw one."""
        browser.token = sign_in(browser, lying).json["token"]
        enrolled(engine, browser)
        shown = sign_in(browser, lying).json
        assert (shown["second_factor"], shown["second_factor_required"]) == (False, True)
        assert browser.get("/me", Authorization=f"Bearer {shown['token']}").json["code"] == "second_factor_required"
        for amr, seen in ((["pwd", "mfa"], True), (["pwd"], False), ("mfa", False)):
            lying.claims = {"amr": amr}
            assert sign_in(browser, lying).json["second_factor"] is seen


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


class TestRoundTrip:
    def test_what_the_browser_is_sent_with(self, browser: Browser, lying: Lying, engine: Engine) -> None:
        begun = begin(browser, lying.id)
        query = {name: value[0] for name, value in parse_qs(urlsplit(begun["authorization_url"]).query).items()}
        assert query["redirect_uri"] == "http://helpdesk.test/sign-in/callback"
        assert query["client_id"] == "helpdesk"
        assert {"nonce", "state", "code_challenge"} <= query.keys()
        with engine.connect() as connection:
            kept = str(connection.execute(text("SELECT p::text FROM provider_sign_in p")).all())
        for secret in (query["state"], query["nonce"], begun["binding"]):
            assert secret not in kept

    def test_each_time_others(self, browser: Browser, lying: Lying) -> None:
        urls = [parse_qs(urlsplit(begin(browser, lying.id)["authorization_url"]).query) for _ in range(3)]
        for name in ("state", "nonce", "code_challenge"):
            assert len({url[name][0] for url in urls}) == 3

    def test_an_answer_counts_once(self, browser: Browser, lying: Lying, ana: Member) -> None:
        begun = begin(browser, lying.id)
        brought = lying.authorize(begun["authorization_url"])
        assert come_back(browser, begun, brought).status_code == 201
        assert come_back(browser, begun, brought).status_code == 401
        assert len(lying.sent) == 1  # the provider is not even asked

    def test_of_two_at_once_one_counts(self, app: Flask, lying: Lying, ana: Member) -> None:
        begun = begin(Browser(app), lying.id)
        brought = lying.authorize(begun["authorization_url"])
        answers = at_once(*[lambda: come_back(Browser(app), begun, brought).status_code] * 4)
        assert sorted(answers) == [201, 401, 401, 401]

    def test_in_another_browser(self, app: Flask, lying: Lying, ana: Member) -> None:
        """A link that somebody else made signs nobody in, and is still good where it was made."""
        mine, theirs = Browser(app), Browser(app)
        begun = begin(mine, lying.id, cookie=True)
        brought = lying.authorize(begun["authorization_url"])
        begin(theirs, lying.id, cookie=True)
        assert come_back(theirs, begun, brought).status_code == 401
        assert come_back(Browser(app), begun, brought).status_code == 401
        assert come_back(mine, begun, brought).status_code == 201

    def test_with_the_binding_of_another(self, browser: Browser, lying: Lying, ana: Member) -> None:
        first, second = begin(browser, lying.id), begin(browser, lying.id)
        brought = lying.authorize(first["authorization_url"])
        for binding in (second["binding"], "hdb_x", "\x00"):
            assert come_back(browser, first | {"binding": binding}, brought).status_code == 401
        assert browser.post("/public/provider-sessions", brought).status_code == 401

    def test_too_late(self, browser: Browser, lying: Lying, ana: Member, engine: Engine, database: Database) -> None:
        begun = begin(browser, lying.id)
        execute(engine, "UPDATE provider_sign_in SET expires_at = now()")
        assert come_back(browser, begun, lying.authorize(begun["authorization_url"])).status_code == 401
        execute(engine, "UPDATE provider_sign_in SET expires_at = now() - interval '1 second'")
        assert forget_what_is_over(database) >= 1

    def test_a_code_of_another_sign_in(self, browser: Browser, lying: Lying, ana: Member) -> None:
        """PKCE: it was asked for with another verifier."""
        first, second = begin(browser, lying.id), begin(browser, lying.id)
        stolen = lying.authorize(first["authorization_url"])
        mine = lying.authorize(second["authorization_url"])
        assert come_back(browser, second, mine | {"code": stolen["code"]}).status_code == 401

    def test_the_issuer_beside_the_code(self, browser: Browser, lying: Lying, ana: Member) -> None:
        """RFC 9207: of the provider that was asked, and there where it says that it puts it there."""
        for iss, status in (("https://login.evil.example", 401), (lying.issuer, 201)):
            begun = begin(browser, lying.id)
            brought = lying.authorize(begun["authorization_url"]) | {"iss": iss}
            assert come_back(browser, begun, brought).status_code == status
        oidc_knowledge.forget_providers()
        lying.metadata = {"authorization_response_iss_parameter_supported": True}
        assert sign_in(browser, lying).status_code == 401

    def test_switched_off_in_between(self, browser: Browser, lying: Lying, ana: Member, admin: Caller) -> None:
        begun = begin(browser, lying.id)
        brought = lying.authorize(begun["authorization_url"])
        admin.patch(f"/identity-providers/{lying.id}", {"active": False}, if_match="*")
        assert come_back(browser, begun, brought).status_code == 401
        answer = browser.post("/public/provider-sign-ins", {"provider_id": lying.id})
        assert (answer.status_code, answer.json["code"]) == (409, "provider_not_active")

    def test_sent_to_another_in_between(self, browser: Browser, lying: Lying, ana: Member, admin: Caller) -> None:
        begun = begin(browser, lying.id)
        brought = lying.authorize(begun["authorization_url"])
        admin.patch(f"/identity-providers/{lying.id}", {"issuer": "https://other.example"}, if_match="*")
        assert come_back(browser, begun, brought).status_code == 401
        assert lying.sent == []

    def test_nobody_knows_it(self, browser: Browser) -> None:
        assert browser.post("/public/provider-sign-ins", {"provider_id": SOMEBODY}).status_code == 422

    def test_guesses_make_one_wait(self, browser: Browser, lying: Lying) -> None:
        body = {"state": "x", "code": "x", "binding": "x"}
        answers = [browser.post("/public/provider-sessions", body).status_code for _ in range(23)]
        assert answers == [401] * 21 + [429] * 2

    @pytest.mark.usefixtures("ana")
    def test_no_transaction_waits_for_the_provider(
        self, browser: Browser, lying: Lying, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held = []
        body = oidc_calls._body

        def counted(answer: Any) -> bytes:
            held.append(engine.pool.checkedout())  # type: ignore[attr-defined]  # a QueuePool has it
            return body(answer)

        monkeypatch.setattr(oidc_calls, "_body", counted)
        assert sign_in(browser, lying).status_code == 201
        assert held == [0, 0, 0]  # itself, the tokens, the keys


class TestPages:
    """What a browser itself goes to, without a line of script."""

    @staticmethod
    def visit(browser: Browser, path: str) -> Any:
        return browser.client.get(
            path, base_url="https://helpdesk.test", environ_overrides={"REMOTE_ADDR": browser.address}
        )

    def test_there_and_back(self, browser: Browser, lying: Lying, ana: Member) -> None:
        there = self.visit(browser, f"/sign-in/{lying.id}")
        assert there.status_code == 303
        assert "HttpOnly" in there.headers["Set-Cookie"]
        back = self.visit(browser, f"/sign-in/callback?{urlencode(lying.authorize(there.headers['Location']))}")
        assert (back.status_code, back.headers["Location"]) == (303, "/")
        assert browser.get("/me").json["id"] == str(ana.id)
        assert browser.client.get_cookie("__Host-helpdesk-sign-in") is None

    def test_in_another_browser(self, app: Flask, lying: Lying, ana: Member) -> None:
        """Somebody is given a link that would sign them in as somebody else."""
        there = self.visit(Browser(app), f"/sign-in/{lying.id}")
        victim = Browser(app)
        back = self.visit(victim, f"/sign-in/callback?{urlencode(lying.authorize(there.headers['Location']))}")
        assert back.status_code == 401
        assert back.mimetype == "text/plain"
        assert "Set-Cookie" not in back.headers
        assert victim.get("/me").status_code == 401

    def test_odd_ways_back(self, browser: Browser, lying: Lying) -> None:
        self.visit(browser, f"/sign-in/{lying.id}")
        for query in (
            "",
            "error=access_denied&state=x",
            "state=x",
            "code=x",
            "state=x&code=x",
            "state=%00&code=%ff",
            f"state={'x' * 201}&code=x",
            f"state=x&code={'x' * 4001}",
            "state=x&state=y&code=x&code=y&iss=%E2%98%83",
        ):
            answer = self.visit(browser, f"/sign-in/callback?{query}")
            assert (answer.status_code, answer.mimetype) == (401, "text/plain"), query
            assert "assword" not in answer.text  # nobody gave one here
            assert "<" not in answer.text

    def test_providers_that_are_none(self, browser: Browser, admin: Caller, lying: Lying) -> None:
        assert self.visit(browser, f"/sign-in/{SOMEBODY}").status_code == 422
        assert self.visit(browser, "/sign-in/x").status_code == 422
        admin.patch(f"/identity-providers/{lying.id}", {"active": False}, if_match="*")
        assert self.visit(browser, f"/sign-in/{lying.id}").status_code == 409
        assert self.visit(browser, "/sign-in/callback").headers["Content-Security-Policy"]


ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "a redirect": (302, {"Location": "http://127.0.0.1:1/"}, b""),
    "nothing": (200, {}, b""),
    "a list": (200, {}, b"[]"),
    "an empty object": (200, {}, b"{}"),
    "no JSON": (200, {}, b"<html>"),
    "no text": (200, {}, b"\xff"),
    "an error": (500, {}, b"{}"),
    "too much": (200, {}, b" " * 300_000 + b"{}"),
    "an issuer that is another": (200, {}, b'{"issuer": "https://login.evil.example"}'),
}


class TestProvidersThatAreSlow:
    """One thread waits for the provider; all others go by what was known, or wait a little."""

    CLIENT: Client = Client("https://login.example.com", "x", None, "https://desk.example/back", insecure=False)
    METADATA: Metadata = Metadata("a", "b", "c", None, (), names_itself=False)

    @pytest.fixture
    def slow(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
        """Whoever asks says so and waits to be let go; nobody else waits for them for long."""
        asked, answers = threading.Event(), threading.Event()

        def discovered(_: Client) -> Metadata:
            asked.set()
            assert answers.wait(30)
            return replace(self.METADATA, jwks_uri="new")

        monkeypatch.setattr(oidc_knowledge, "_discovered", discovered)
        monkeypatch.setattr(oidc_knowledge, "_WAITS", 0.01)
        oidc_knowledge.forget_providers()
        yield asked, answers
        answers.set()

    def test_nobody_waits_for_what_nobody_knows(self, slow: tuple[threading.Event, threading.Event]) -> None:
        asked, answers = slow
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(oidc_knowledge.metadata_of, self.CLIENT)
            assert asked.wait(30)
            with pytest.raises(ProviderUnavailable):
                oidc_knowledge.metadata_of(self.CLIENT)
            answers.set()
            assert first.result(30).jwks_uri == "new"
        assert oidc_knowledge.metadata_of(self.CLIENT).jwks_uri == "new"

    def test_what_was_known_will_do(self, slow: tuple[threading.Event, threading.Event]) -> None:
        asked, answers = slow
        oidc_knowledge._of(self.CLIENT.issuer).metadata.value = self.METADATA  # known long ago
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(oidc_knowledge.metadata_of, self.CLIENT)
            assert asked.wait(30)
            assert oidc_knowledge.metadata_of(self.CLIENT) == self.METADATA
            answers.set()
            assert first.result(30).jwks_uri == "new"


class TestProvidersThatAreAway:
    def test_odd_answers(self, browser: Browser, lying: Lying) -> None:
        for what, answer in ANSWERS.items():
            oidc_knowledge.forget_providers()
            lying.asked.clear()
            lying.answers["/.well-known/openid-configuration"] = answer
            for _ in range(2):
                found = browser.post("/public/provider-sign-ins", {"provider_id": lying.id})
                assert (found.status_code, found.json["code"]) == (503, "provider_unavailable"), what
                assert found.headers["Retry-After"]
            assert len(lying.asked) == 1, what  # not again for some seconds, and nowhere else

    def test_odd_answers_later(self, app: Flask, lying: Lying, ana: Member) -> None:
        for path in ("/token", "/jwks"):
            for answer in ANSWERS.values():
                oidc_knowledge.forget_providers()
                lying.answers = {path: answer}
                found = sign_in(Browser(app), lying)
                assert found.json["code"] in {"sign_in_failed", "provider_unavailable"}, (path, answer)

    def test_addresses_that_no_secret_is_sent_to(self, browser: Browser, lying: Lying) -> None:
        for metadata in (
            {"token_endpoint": "http://login.example.com/token"},
            {"jwks_uri": "file:///etc/passwd"},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"token_endpoint": None},
            {"userinfo_endpoint": "http://169.254.169.254/latest/meta-data"},
        ):
            oidc_knowledge.forget_providers()
            lying.metadata = dict(metadata)
            assert browser.post("/public/provider-sign-ins", {"provider_id": lying.id}).status_code == 503, metadata

    def test_nobody_there(self, browser: Browser, admin: Caller) -> None:
        oidc_knowledge.forget_providers()
        provider_id = believe(admin, "http://127.0.0.1:1")
        assert browser.post("/public/provider-sign-ins", {"provider_id": provider_id}).status_code == 503

    def test_only_https_without_the_setting(self, program: Program, lying: Lying) -> None:
        """Also for one that was set up while it was allowed."""
        strict = create_app(program=replace(program, settings=replace(program.settings, oidc_insecure=False)))
        oidc_knowledge.forget_providers()
        answer = Browser(strict).post("/public/provider-sign-ins", {"provider_id": lying.id})
        assert answer.status_code == 503
        assert lying.asked == []

    def test_a_secret_that_does_not_open_any_more(self, program: Program, lying: Lying) -> None:
        tools = replace(program.tools, signing_key="another key, long enough for everybody")
        moved = Browser(create_app(program=replace(program, tools=tools)))
        answer = moved.post("/public/provider-sign-ins", {"provider_id": lying.id})
        assert (answer.status_code, "anew" in answer.json["detail"]) == (503, True)


@pytest.mark.parametrize(
    ("url", "good", "here"),
    [
        ("https://login.example.com", True, True),
        ("https://login.example.com:8443/realms/x?y=z", True, True),
        ("https://[2001:db8::1]/x", True, True),
        ("http://127.0.0.1:9400", False, True),
        ("http://[::1]:9400", False, True),
        ("http://localhost/x", False, True),
        ("http://127.0.0.1.evil.example", False, False),
        ("http://localhost.evil.example", False, False),
        ("http://10.0.0.1", False, False),
        ("https://user@login.example.com", False, False),
        ("https://@login.example.com", False, False),
        ("https://login.example.com#", False, False),
        ("https://login.example.com\\@evil.example", False, False),
        ("https://login.example.com\n", False, False),
        ("https://login.exämple.com", False, False),
        ("ftp://login.example.com", False, False),
        ("//login.example.com", False, False),
        ("https:///x", False, False),
        ("https://login.example.com:0", False, False),
        ("https://login.example.com:x", False, False),
        ("https://[", False, False),
        ("", False, False),
    ],
)
def test_acceptable_urls(url: str, good: bool, here: bool) -> None:
    assert is_acceptable_url(url, insecure=False) is good
    assert is_acceptable_url(url, insecure=True) is here


def test_a_password_and_a_provider_side_by_side(app: Flask, lying: Lying, database: Database, engine: Engine) -> None:
    member = Member(database)
    execute(engine, "UPDATE agent SET email = 'ana@example.com' WHERE id = :id", id=member.id)
    assert Browser(app).try_to_sign_in("ana@example.com", PASSWORD).json["agent_id"] == str(member.id)
    assert sign_in(Browser(app), lying).json["agent_id"] == str(member.id)
