"""Signing in with a password, and the session that comes of it.

How it can fail: an answer tells whether an address is anybody's, whether the agent left or has no password; a session
that was ended, sat idle or is too old opens the door; a role or a deactivation counts only later; another site's page
changes something with the cookie; a cookie is given to who did not ask, or can be read by scripts; somebody else's
sessions are seen or ended; what is kept in the database opens the door; being there costs a statement each time.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.identity import passwords, signing_in
from helpdesk.identity.authentication import token_hash
from helpdesk.identity.door_jobs import forget_what_is_over
from helpdesk.identity.session_errors import SignInFailed
from helpdesk.kernel.openapi import SESSION_COOKIE
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller, Join
from tests.identity.doors import PASSWORD, Browser, Member, execute, known_hash, recorded
from tests.racing import at_once, behind_lock


class TestSigningIn:
    def test_good(self, browser: Browser, member: Member, engine: Engine) -> None:
        shown = browser.sign_in(member)
        assert shown["token"].startswith("hds_")
        assert (shown["second_factor"], shown["second_factor_required"]) == (False, False)
        assert browser.get("/me").json["id"] == str(member.id)
        (event,) = recorded(engine, "session.started")
        assert (event["agent_id"], event["address"], event["user_agent"]) == (str(member.id), "192.0.2.1", "Tests")

    def test_the_address_in_any_case(self, browser: Browser, member: Member) -> None:
        for email in (member.email.upper(), member.email.lower()):
            assert browser.try_to_sign_in(email).status_code == 201

    def test_a_password_typed_on_another_keyboard(self, app: Flask, database: Database, engine: Engine) -> None:
        member = Member(database)
        execute(
            engine,
            "UPDATE agent_password SET hash = :hash WHERE agent_id = :id",
            hash=passwords.hashed("caf\u00e9 au lait noir"),
            id=member.id,
        )
        assert Browser(app).try_to_sign_in(member.email, "cafe\u0301 au lait noir").status_code == 201

    def test_nobody_is_told_why_not(self, app: Flask, database: Database, engine: Engine) -> None:
        """Unknown, wrong, left, never had one: one status, one text, one header, and the same work before it."""
        known = Member(database)
        tries = {
            "unknown": ("nobody@example.com", PASSWORD),
            "password": (known.email, "not-the-password-at-all"),
            "inactive": (Member(database, active=False).email, PASSWORD),
            "no_password": (Member(database, password=False).email, PASSWORD),
        }
        answers = {}
        for place, (why, (email, password)) in enumerate(tries.items()):
            answer = Browser(app, f"192.0.2.{place + 10}").try_to_sign_in(email, password)
            body = {name: value for name, value in answer.json.items() if name != "request_id"}
            answers[why] = (answer.status_code, body, answer.headers["WWW-Authenticate"])
        assert answers["unknown"][0] == 401
        assert answers["unknown"][1]["code"] == "sign_in_failed"
        assert all(answer == answers["unknown"] for answer in answers.values()), answers
        assert [event["reason"] for event in recorded(engine, "sign_in.refused")] == list(tries)

    def test_the_same_statements_for_whoever_it_is(
        self, app: Flask, database: Database, statements: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And one hash: what takes as long cannot be told apart by how long it takes."""
        hashes: list[str] = []
        turn = passwords._turn

        def counted() -> Any:
            hashes.append("")
            return turn()

        monkeypatch.setattr(passwords, "_turn", counted)
        work = []
        for place, email in enumerate(
            (Member(database).email, "nobody@example.com", Member(database, active=False).email)
        ):
            hashes.clear()
            with statements() as seen:
                Browser(app, f"192.0.2.{place + 10}").try_to_sign_in(email, "not-the-password-at-all")
            work.append((seen.seen, len(hashes)))
        assert work[0] == work[1] == work[2]
        assert work[0][1] == 1

    def test_a_refusal_is_found_by_its_request(self, browser: Browser, engine: Engine) -> None:
        """What the log of the program says of it, and what the log of administrative acts does."""
        answer = browser.try_to_sign_in("nobody@example.com")
        with engine.connect() as connection:
            found = text("SELECT request_id FROM event WHERE type = 'sign_in.refused'")
            assert connection.execute(found).scalar_one() == answer.json["request_id"]

    def test_what_was_typed_is_not_recorded(self, browser: Browser, engine: Engine) -> None:
        """People type their password where the address belongs."""
        browser.try_to_sign_in("my-secret@example.com", "another-secret-of-mine")
        browser.try_to_sign_in("my-secret@example.com", "another-secret-of-mine")
        with engine.connect() as connection:
            events = str(connection.execute(text("SELECT e::text FROM event e")).all())
            throttle = str(connection.execute(text("SELECT t::text FROM sign_in_throttle t")).all())
        assert "secret" not in events + throttle
        first, second = recorded(engine, "sign_in.refused")
        assert first["account"] == second["account"] != ""

    def test_only_hashes_are_kept(self, browser: Browser, member: Member, engine: Engine) -> None:
        token = browser.sign_in(member)["token"]
        with engine.connect() as connection:
            tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
            whole = "".join(str(connection.execute(text(f'SELECT t::text FROM "{name}" t')).all()) for name in tables)
        assert token not in whole
        assert PASSWORD not in whole
        assert token_hash(token).hex() in whole

    def test_a_key_keeps_nothing(self, browser: Browser, member: Member, engine: Engine) -> None:
        """A kept answer would tell whoever guesses the key whether the password in the body is right."""
        body = {"email": member.email, "password": PASSWORD}
        first, second = (browser.post("/public/sessions", body, Idempotency_Key="1") for _ in range(2))
        assert first.status_code == second.status_code == 201
        assert first.json["token"] != second.json["token"]
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM idempotent_answer")).scalar_one() == 0

    def test_an_old_hash_is_made_anew(self, browser: Browser, member: Member, engine: Engine) -> None:
        from argon2 import PasswordHasher

        old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
        execute(engine, "UPDATE agent_password SET hash = :hash", hash=old)
        browser.sign_in(member)
        with engine.connect() as connection:
            kept = connection.execute(text("SELECT hash FROM agent_password")).scalar_one()
        assert kept != old
        assert not passwords.is_outdated(kept)
        browser.sign_in(member)

    def test_a_hash_that_is_none_fits_nothing(self, browser: Browser, member: Member, engine: Engine) -> None:
        for kept in ["", "plain text", "$argon2id$v=19$m=1", "$2b$12$abcdefghijklmnopqrstuv"]:
            execute(engine, "UPDATE agent_password SET hash = :hash", hash=kept)
            assert browser.try_to_sign_in(member.email, kept or PASSWORD).status_code == 401

    def test_many_at_once(self, app: Flask, database: Database) -> None:
        """No more memory than is there for it, and everybody gets in."""
        members = [Member(database) for _ in range(12)]
        tries = [
            lambda who=who, place=place: Browser(app, f"192.0.2.{place}").try_to_sign_in(who.email).status_code
            for place, who in enumerate(members)
        ]
        assert at_once(*tries) == [201] * 12

    def test_too_many_are_told_to_come_again(
        self, browser: Browser, member: Member, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passwords, "PATIENCE", 0.01)
        for _ in range(passwords.AT_ONCE):
            passwords._turns.acquire()
        try:
            answer = browser.try_to_sign_in(member.email)
        finally:
            for _ in range(passwords.AT_ONCE):
                passwords._turns.release()
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        with engine.connect() as connection:
            assert connection.execute(text("SELECT max(failures) FROM sign_in_throttle")).scalar_one() == 0

    def test_who_left_between_password_and_session(
        self, program: Program, app: Flask, member: Member, engine: Engine
    ) -> None:
        self._prove_then(program, app, member, lambda: execute(engine, "UPDATE agent SET active = false"))

    def test_a_password_changed_between_password_and_session(
        self, program: Program, app: Flask, member: Member, engine: Engine
    ) -> None:
        other = passwords.hashed("another password altogether")
        self._prove_then(program, app, member, lambda: execute(engine, "UPDATE agent_password SET hash = :h", h=other))

    @staticmethod
    def _prove_then(program: Program, app: Flask, member: Member, happens: Callable[[], object]) -> None:
        from helpdesk.identity.door import Door, SessionRules, Where

        door = Door(program.database, "key", "http://helpdesk.test", SessionRules.of(program.settings))
        given = {"email": member.email, "password": PASSWORD, "cookie": False}
        proof = signing_in.prove(door, given, Where("192.0.2.1", ""))
        happens()
        with (
            pytest.raises(SignInFailed),
            program.database.unit_of_work(app.extensions["helpdesk"].anonymous) as uow,
        ):
            signing_in.conclude(uow, door, proof)

    def test_bad_bodies_cost_nothing(self, browser: Browser, engine: Engine) -> None:
        for body in [
            {},
            {"email": "a@example.com"},
            {"email": "nonsense", "password": PASSWORD},
            {"email": "a@example.com", "password": ""},
            {"email": "a@example.com", "password": "x" * 1001},
            {"email": "a@example.com", "password": 12},
            {"email": "a@example.com", "password": PASSWORD, "cookie": "yes"},
            {"email": "a@example.com", "password": PASSWORD, "code": "1"},
            {"email": "a@example.com", "password": PASSWORD, "role": "admin"},
        ]:
            assert browser.post("/public/sessions", body).status_code == 422
            with engine.connect() as connection:
                assert connection.execute(text("SELECT count(*) FROM sign_in_throttle")).scalar_one() == 0

    @pytest.mark.parametrize("password", ["\x00", "\u202e\ufeff", "💩" * 500, "' OR 1=1; --", "$argon2id$v=19$", " "])
    def test_odd_passwords_are_wrong_ones(self, browser: Browser, member: Member, password: str) -> None:
        assert browser.try_to_sign_in(member.email, password).status_code == 401


class TestSession:
    def test_not_any_more(self, browser: Browser, member: Member, engine: Engine) -> None:
        for assignment in ("ended_at = now()", "idle_until = now()", "expires_at = now()", "hash = '\\x00'"):
            session_id = browser.sign_in(member)["session_id"]
            assert browser.get("/me").status_code == 200
            execute(engine, f"UPDATE agent_session SET {assignment} WHERE id = :id", id=session_id)
            answer = browser.get("/me")
            assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated"), assignment
            assert answer.json["detail"] == "This session is unknown, has ended or was idle too long."

    def test_lasts_as_long_as_the_settings_say(self, browser: Browser, member: Member, engine: Engine) -> None:
        browser.sign_in(member)
        with engine.connect() as connection:
            lasts = text("SELECT idle_until - created_at, expires_at - created_at FROM agent_session")
            idle, longest = connection.execute(lasts).one()
        assert (round(idle.total_seconds() / 60), round(longest.total_seconds() / 3600)) == (30, 12)

    def test_being_there_is_written_once_a_minute(
        self, browser: Browser, member: Member, engine: Engine, statements: Callable[[], Any]
    ) -> None:
        browser.sign_in(member)
        with statements() as seen:
            assert browser.get("/me").status_code == 200
        assert len(seen) == 1, seen.seen
        execute(
            engine,
            "UPDATE agent_session SET last_seen_at = now() - interval '61 seconds', idle_until = now() + interval '1 minute'",
        )
        browser.address = "192.0.2.99"
        with statements() as seen:
            assert browser.get("/me").status_code == 200
        assert len(seen) == 2, seen.seen
        with statements() as seen:
            (shown,) = browser.get("/sessions").json["items"]
        assert len(seen) == 2, seen.seen  # one is the list
        assert shown["address"] == "192.0.2.99"
        with engine.connect() as connection:
            left = connection.execute(text("SELECT idle_until - now() FROM agent_session")).scalar_one()
        assert left.total_seconds() > 1700

    def test_two_at_once_write_it_once(self, browser: Browser, member: Member, engine: Engine) -> None:
        browser.sign_in(member)
        execute(engine, "UPDATE agent_session SET last_seen_at = now() - interval '61 seconds'")
        lock = "SELECT id FROM agent_session FOR UPDATE"
        answers = behind_lock(engine, lock, *[lambda: browser.get("/me").status_code] * 2)
        assert answers == [200, 200]

    def test_it_does_not_outlive_its_longest_life_by_being_used(
        self, browser: Browser, member: Member, engine: Engine
    ) -> None:
        browser.sign_in(member)
        execute(
            engine,
            "UPDATE agent_session SET last_seen_at = now() - interval '2 minutes', expires_at = now() - interval '1 second'",
        )
        assert browser.get("/me").status_code == 401

    def test_role_and_deactivation_count_at_once(self, browser: Browser, member: Member, admin: Caller) -> None:
        browser.sign_in(member)
        assert "complaint:dismiss" not in browser.get("/me").json["permissions"]
        admin.patch(f"/agents/{member.id}", {"role": "senior"}, if_match="*")
        assert "complaint:dismiss" in browser.get("/me").json["permissions"]
        admin.patch(f"/agents/{member.id}", {"active": False}, if_match="*")
        assert browser.get("/me").status_code == 401
        admin.patch(f"/agents/{member.id}", {"active": True}, if_match="*")
        assert browser.get("/me").status_code == 401  # signed out for good

    def test_a_token_is_no_session_and_a_session_no_token(self, browser: Browser, agent: Caller) -> None:
        for token in (f"hds_{agent.token}", str(agent.token).replace("hd_", "hds_")):
            assert browser.get("/me", Authorization=f"Bearer {token}").status_code == 401


class TestOwnSessions:
    def test_anonymous(self, anonymous: Caller) -> None:
        some = "00000000-0000-0000-0000-000000000000"
        assert anonymous.get("/sessions").status_code == 401
        assert anonymous.get("/session").status_code == 401
        assert anonymous.delete("/sessions").status_code == 401
        assert anonymous.delete(f"/sessions/{some}").status_code == 401
        assert anonymous.post("/session/sign-out").status_code == 401

    def test_a_token_has_no_session(self, agent: Caller) -> None:
        for answer in (agent.get("/session"), agent.post("/session/sign-out")):
            assert (answer.status_code, answer.json["code"]) == (409, "no_session")

    def test_listed(self, app: Flask, member: Member, database: Database) -> None:
        here, there, stranger = (Browser(app, f"192.0.2.{place}") for place in (1, 2, 3))
        here.sign_in(member)
        there.sign_in(member)
        stranger.sign_in(Member(database))
        items = here.get("/sessions?count=true").json
        assert items["total"] == 2
        assert [(item["address"], item["current"]) for item in items["items"]] == [
            ("192.0.2.1", True),
            ("192.0.2.2", False),
        ]
        assert here.get("/session").json["session_id"] == items["items"][0]["id"]
        assert not {"hash", "token"} & set(items["items"][0])

    def test_ended(self, app: Flask, member: Member, engine: Engine) -> None:
        here, there = Browser(app), Browser(app)
        here.sign_in(member)
        other = there.sign_in(member)["session_id"]
        assert here.delete(f"/sessions/{other}").status_code == 204
        assert there.get("/me").status_code == 401
        assert here.delete(f"/sessions/{other}").status_code == 404
        assert [item["id"] for item in here.get("/sessions").json["items"]] == [here.get("/session").json["session_id"]]
        assert [event["reason"] for event in recorded(engine, "session.ended")] == ["revoked"]

    def test_all_others_ended(self, app: Flask, member: Member, database: Database, agent: Caller) -> None:
        browsers = [Browser(app) for _ in range(3)]
        for browser in browsers:
            browser.sign_in(member)
        bystander = Browser(app)
        bystander.sign_in(Member(database))
        assert browsers[0].delete("/sessions").json == {"ended": 2}
        assert [browser.get("/me").status_code for browser in browsers] == [200, 401, 401]
        assert bystander.get("/me").status_code == 200
        assert agent.delete("/sessions").json == {"ended": 0}  # with a token: all

    def test_somebody_elses(self, app: Flask, member: Member, join: Join) -> None:
        browser = Browser(app)
        session_id = browser.sign_in(member)["session_id"]
        for caller in (join("agent"), join("manager"), join("auditor")):
            assert caller.get("/sessions").json["items"] == []
            assert caller.get(f"/sessions?agent_id={member.id}").json["items"] == []
            assert caller.delete(f"/sessions/{session_id}").status_code == 404
        admin = join("admin")
        assert [item["id"] for item in admin.get(f"/sessions?agent_id={member.id}").json["items"]] == [session_id]
        assert admin.delete(f"/sessions/{session_id}").status_code == 204
        assert browser.get("/me").status_code == 401

    def test_signed_out(self, app: Flask, member: Member) -> None:
        browser = Browser(app)
        browser.sign_in(member)
        assert browser.post("/session/sign-out").json == {"ended": 1}
        assert browser.get("/me").status_code == 401
        assert browser.post("/session/sign-out").status_code == 401


class TestCookie:
    @pytest.fixture
    def browser(self, app: Flask, member: Member) -> Browser:
        found = Browser(app)
        found.sign_in(member, cookie=True)
        return found

    def test_only_for_who_asks(self, app: Flask, member: Member) -> None:
        assert "Set-Cookie" not in Browser(app).try_to_sign_in(member.email).headers

    def test_as_strict_as_can_be(self, app: Flask, member: Member) -> None:
        answer = Browser(app).try_to_sign_in(member.email, cookie=True)
        name_and_value, *attributes = answer.headers["Set-Cookie"].split("; ")
        assert name_and_value.startswith("__Host-helpdesk=hds_")
        assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}
        assert answer.json["token"] is None  # scripts never see it

    def test_reads(self, browser: Browser, member: Member) -> None:
        answer = browser.get("/me")
        assert answer.json["id"] == str(member.id)
        assert "Cookie" in answer.headers["Vary"]

    def test_another_sites_page_changes_nothing(self, browser: Browser) -> None:
        for headers in [
            {},
            {"X_Requested_With": ""},
            {"X_Requested_With": "x", "Sec_Fetch_Site": "cross-site"},
            {"X_Requested_With": "x", "Sec_Fetch_Site": "same-site"},
            {"X_Requested_With": "x", "Sec_Fetch_Site": "none"},
            {"X_Requested_With": "x", "Origin": "https://evil.example"},
            {"X_Requested_With": "x", "Origin": "https://helpdesk.test.evil.example"},
            {"X_Requested_With": "x", "Origin": "null"},
        ]:
            before = len(browser.get("/tokens").json["items"])
            for method, path in (("POST", "/tokens"), ("DELETE", "/sessions"), ("POST", "/session/sign-out")):
                answer = browser.open(method, path, {"name": "x"} if path == "/tokens" else None, **headers)
                assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated"), (method, path)
            assert len(browser.get("/tokens").json["items"]) == before

    def test_our_own_page_changes_things(self, browser: Browser) -> None:
        for headers in [
            {},
            {"Sec_Fetch_Site": "same-origin"},
            {"Origin": "https://helpdesk.test"},
            {"Origin": "http://helpdesk.test"},
        ]:
            assert browser.post("/tokens", {"name": "x"}, X_Requested_With="fetch", **headers).status_code == 201

    def test_is_ignored_beside_a_bearer(self, browser: Browser, agent: Caller) -> None:
        """And needs no proof then: no page of another site can send one."""
        browser.token = agent.token
        assert browser.get("/me").json["id"] == str(agent.id)
        assert browser.post("/tokens", {"name": "x"}, Origin="https://evil.example").status_code == 201
        browser.token = "nonsense"
        assert browser.get("/me").status_code == 401

    def test_is_taken_away_on_signing_out(self, browser: Browser) -> None:
        answer = browser.post("/session/sign-out", X_Requested_With="fetch")
        assert answer.status_code == 200
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert browser.client.get_cookie(SESSION_COOKIE) is None
        assert browser.get("/me").status_code == 401

    def test_nonsense_in_it(self, app: Flask) -> None:
        for value in ["", "x", "hds_", "hd_x", "\xff", "a" * 5000, "hds_" + "\u00e9" * 40]:
            answer = app.test_client(use_cookies=False).get(
                "/api/v1/me", headers={"Cookie": f"{SESSION_COOKIE}={value}"}
            )
            assert answer.status_code == 401


def test_an_installation_that_wants_a_second_factor(program: Program, member: Member) -> None:
    """A session with the password alone does nothing but enrol."""
    strict = create_app(program=replace(program, settings=replace(program.settings, second_factor="required")))
    browser = Browser(strict)
    assert browser.sign_in(member)["second_factor_required"] is True
    for path in ("/me", "/complaints", "/sessions", "/tokens"):
        answer = browser.get(path)
        assert (answer.status_code, answer.json["code"]) == (401, "second_factor_required"), path
        assert "insufficient_user_authentication" in answer.headers["WWW-Authenticate"]
    assert browser.post("/tokens", {"name": "around it"}).status_code == 401
    assert browser.get("/session").status_code == 200
    assert browser.get("/me/second-factor").json["required"] is True
    assert browser.post("/session/sign-out").status_code == 200


def test_the_hash_of_these_tests_is_of_today() -> None:
    assert not passwords.is_outdated(known_hash())


class TestForgetting:
    def test_what_is_over_and_nothing_else(
        self, browser: Browser, member: Member, database: Database, engine: Engine
    ) -> None:
        for _ in range(3):
            browser.sign_in(member)
        ages = ("31 days", "29 days", "-1 hours")
        with engine.connect() as connection:
            ids = list(connection.execute(text("SELECT id FROM agent_session ORDER BY id")).scalars())
        for session_id, age in zip(ids, ages, strict=True):
            execute(
                engine, f"UPDATE agent_session SET expires_at = now() - interval '{age}' WHERE id = :id", id=session_id
            )
            link = (
                "INSERT INTO password_link (id, agent_id, kind, expires_at) VALUES "
                f"(gen_random_uuid(), :id, 'reset', now() - interval '{age}')"
            )
            execute(engine, link, id=member.id)
        place = "INSERT INTO known_place (agent_id, place, seen_at) VALUES (:id, '\\x00', now() - interval '91 days')"
        execute(engine, place, id=member.id)
        assert [forget_what_is_over(database) for _ in range(2)] == [3, 0]
        assert browser.get("/me").status_code == 200
        browser.sign_in(member)  # from a place that is still known
