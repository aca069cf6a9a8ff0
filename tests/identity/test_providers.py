"""Signing in through identity providers, a real one and one that lies: who may set them up, and who is let in.

How it can fail: an address that was not verified, or of another domain, opens an account; an address that was given to
somebody new opens the old one's; the client's secret can be read; who may set providers up gives themselves more.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.identity import oidc_knowledge
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join
from tests.identity.believing import CLIENT, SOMEBODY, SUBJECT, begin, believe, come_back, sign_in
from tests.identity.doors import PASSWORD, Browser, Member, enrolled, execute, mails, recorded
from tests.identity.providers import Lying, Real, real_provider
from tests.racing import at_once


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    with real_provider() as found:
        yield found


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


def test_a_password_and_a_provider_side_by_side(app: Flask, lying: Lying, database: Database, engine: Engine) -> None:
    member = Member(database)
    execute(engine, "UPDATE agent SET email = 'ana@example.com' WHERE id = :id", id=member.id)
    assert Browser(app).try_to_sign_in("ana@example.com", PASSWORD).json["agent_id"] == str(member.id)
    assert sign_in(Browser(app), lying).json["agent_id"] == str(member.id)
