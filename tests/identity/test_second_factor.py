"""The second factor: enrolled, asked for, spent, lost.

How it can fail: a code counts twice, also of two who come at once with it; it is guessed; who knows the password alone
gets in, or takes the factor away; it is asked for before it works, so that nobody gets in any more; recovery codes count
twice or can be read in the database; sessions from before go on without it; another signing key lets everybody in.
"""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.identity import totp
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller, Join
from tests.identity.doors import PASSWORD, App, Browser, Member, enrolled, execute, mails, recorded
from tests.racing import at_once, behind_lock


@pytest.fixture
def browser(app: Flask, member: Member) -> Browser:
    """Signed in."""
    found = Browser(app)
    found.sign_in(member)
    return found


def without_memory(engine: Engine) -> None:
    """As if the last code had been long ago."""
    execute(engine, "UPDATE second_factor SET last_step = 0")


class TestEnrolling:
    def test_anonymous(self, anonymous: Caller) -> None:
        for path, body in (
            ("/me/second-factor", {}),
            ("/me/second-factor/confirm", {"code": "123456"}),
            ("/me/second-factor/disable", {"code": "123456"}),
            ("/me/second-factor/recovery-codes", {"code": "123456"}),
            ("/session/second-factor", {"code": "123456"}),
        ):
            assert anonymous.post(path, body).status_code == 401, path
        assert anonymous.get("/me/second-factor").status_code == 401

    def test_the_password_is_asked_for(self, browser: Browser) -> None:
        """Who finds a screen unlocked cannot lock the owner out."""
        for body in ({}, {"password": "not-the-password-at-all"}):
            answer = browser.post("/me/second-factor", body)
            assert (answer.status_code, answer.json["code"]) == (422, "password_refused")
        assert browser.post("/me/second-factor", {"password": PASSWORD}).status_code == 201

    def test_the_seed_as_apps_read_it(self, browser: Browser, member: Member, engine: Engine) -> None:
        shown = browser.post("/me/second-factor", {"password": PASSWORD}).json
        uri = urlsplit(shown["uri"])
        assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
        assert parse_qs(uri.query) == {"secret": [shown["secret"]], "issuer": ["Helpdesk"]}
        assert member.email.replace("@", "%40") in uri.path
        with engine.connect() as connection:
            assert shown["secret"] not in str(connection.execute(text("SELECT secret FROM second_factor")).scalar_one())

    def test_nothing_is_asked_for_until_it_works(self, browser: Browser, app: Flask, member: Member) -> None:
        assert browser.post("/me/second-factor", {"password": PASSWORD}).status_code == 201
        assert browser.get("/me/second-factor").json["enabled_at"] is None
        assert browser.get("/me").status_code == 200
        Browser(app).sign_in(member)
        assert browser.post("/me/second-factor/confirm", {"code": "000000"}).json["code"] == "code_refused"
        assert browser.post("/me/second-factor/disable", {"password": PASSWORD, "code": "000000"}).status_code == 409

    def test_begun_again(self, browser: Browser, engine: Engine) -> None:
        """The first telephone's code does not count any more."""
        first, second = (browser.post("/me/second-factor", {"password": PASSWORD}).json["secret"] for _ in range(2))
        assert browser.post("/me/second-factor/confirm", {"code": App(engine, first).code()}).status_code == 422
        assert browser.post("/me/second-factor/confirm", {"code": App(engine, second).code()}).status_code == 200

    def test_enabled(self, browser: Browser, member: Member, engine: Engine) -> None:
        before = browser.token
        _, codes = enrolled(engine, browser)
        assert len(set(codes)) == 10
        state = browser.get("/me/second-factor").json
        assert state["enabled_at"]
        assert state["recovery_codes_left"] == 10
        assert browser.get("/session").json["second_factor"] is True
        assert browser.get("/me", Authorization=f"Bearer {before}").status_code == 401
        assert mails(engine, member.email)[-1].reason == "second_factor_enabled"
        assert recorded(engine, "second_factor.enabled") == [{"agent_id": str(member.id)}]
        again = browser.post("/me/second-factor", {"password": PASSWORD})
        assert (again.status_code, again.json["code"]) == (409, "second_factor_enabled")

    def test_confirmed_twice_at_once(self, browser: Browser, engine: Engine) -> None:
        seed = browser.post("/me/second-factor", {"password": PASSWORD}).json["secret"]
        code = {"code": App(engine, seed).code()}
        confirm = lambda: browser.post("/me/second-factor/confirm", code).status_code  # noqa: E731
        statuses = behind_lock(engine, "SELECT agent_id FROM second_factor FOR UPDATE", confirm, confirm)
        assert sorted(statuses) == [200, 409]
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM recovery_code")).scalar_one() == 10

    def test_of_who_has_no_password(self, join: Join, engine: Engine, app: Flask) -> None:
        """Who signs in through a provider is not asked for one."""
        browser = Browser(app)
        browser.token = join("agent").token
        seed = browser.post("/me/second-factor", {}).json["secret"]
        answer = browser.post("/me/second-factor/confirm", {"code": App(engine, seed).code()})
        assert (answer.status_code, answer.json["session"]) == (200, None)


class TestSigningIn:
    @pytest.fixture
    def phone(self, browser: Browser, engine: Engine) -> App:
        return enrolled(engine, browser)[0]

    def test_the_password_alone(self, app: Flask, member: Member, phone: App, engine: Engine) -> None:
        answer = Browser(app).try_to_sign_in(member.email)
        assert (answer.status_code, answer.json["code"]) == (401, "second_factor_required")
        with engine.connect() as connection:  # no failure: one has to ask to know
            assert connection.execute(text("SELECT max(failures) FROM sign_in_throttle")).scalar_one() == 0

    def test_a_wrong_password_does_not_ask_for_it(self, app: Flask, member: Member, phone: App) -> None:
        assert Browser(app).try_to_sign_in(member.email, "wrong").json["code"] == "sign_in_failed"
        assert Browser(app).try_to_sign_in(member.email, "wrong", code=phone.code()).json["code"] == "sign_in_failed"

    def test_both(self, app: Flask, member: Member, phone: App) -> None:
        shown = Browser(app).sign_in(member, code=phone.code())
        assert (shown["second_factor"], shown["second_factor_required"]) == (True, False)

    def test_a_code_counts_once(self, app: Flask, member: Member, phone: App, engine: Engine) -> None:
        code = phone.code()
        assert Browser(app).try_to_sign_in(member.email, code=code).status_code == 201
        assert Browser(app).try_to_sign_in(member.email, code=code).status_code == 401
        assert Browser(app).try_to_sign_in(member.email, code=phone.code(-1)).status_code == 401  # nor an earlier one
        assert Browser(app).try_to_sign_in(member.email, code=phone.code(1)).status_code == 201
        assert [event["reason"] for event in recorded(engine, "sign_in.refused")] == ["code", "code"]

    def test_a_code_counts_once_of_two_at_once(self, app: Flask, member: Member, phone: App) -> None:
        code = phone.code()
        tries = [lambda: Browser(app).try_to_sign_in(member.email, code=code).status_code] * 4
        assert sorted(at_once(*tries)) == [201, 401, 401, 401]

    def test_codes_are_not_guessed(self, app: Flask, member: Member, phone: App, engine: Engine) -> None:
        """By one who knows the password, from wherever."""
        answers = []
        for place in range(12):
            answer = Browser(app, f"198.51.100.{place}").try_to_sign_in(member.email, code=f"00000{place % 10}")
            answers.append(answer.status_code)
        assert answers == [401] * 6 + [429] * 6

    def test_from_a_known_place_codes_are_not_guessed_either(self, app: Flask, member: Member, phone: App) -> None:
        answers = [Browser(app).try_to_sign_in(member.email, code="000000").status_code for _ in range(9)]
        assert answers == [401] * 6 + [429] * 3

    def test_a_recovery_code_counts_once(self, app: Flask, member: Member, browser: Browser, engine: Engine) -> None:
        _, codes = enrolled(engine, browser)
        assert Browser(app).sign_in(member, code=codes[3].lower().replace("-", " "))["second_factor"] is True
        assert Browser(app).try_to_sign_in(member.email, code=codes[3]).status_code == 401
        assert Browser(app).try_to_sign_in(member.email, code=codes[4]).status_code == 201
        assert [event["left"] for event in recorded(engine, "second_factor.recovery_code_used")] == [9, 8]
        assert mails(engine, member.email)[-1].reason == "recovery_code_used"
        with engine.connect() as connection:
            kept = str(connection.execute(text("SELECT r::text FROM recovery_code r")).all())
        assert totp.recovery_hash(codes[5]).hex() in kept

    def test_a_recovery_code_counts_once_of_two_at_once(
        self, app: Flask, member: Member, browser: Browser, engine: Engine
    ) -> None:
        _, codes = enrolled(engine, browser)
        tries = [lambda: Browser(app).try_to_sign_in(member.email, code=codes[0]).status_code] * 3
        assert sorted(at_once(*tries)) == [201, 401, 401]

    def test_another_ones_recovery_code(self, app: Flask, database: Database, browser: Browser, engine: Engine) -> None:
        _, codes = enrolled(engine, browser)
        other = Member(database)
        theirs = Browser(app)
        theirs.sign_in(other)
        enrolled(engine, theirs)
        assert Browser(app).try_to_sign_in(other.email, code=codes[0]).status_code == 401

    def test_a_recovery_code_gets_in_past_the_guesses_of_others(
        self, app: Flask, member: Member, browser: Browser, engine: Engine
    ) -> None:
        phone, codes = enrolled(engine, browser)
        for place in range(8):
            Browser(app, f"198.51.100.{place}").try_to_sign_in(member.email, code="000000")
        assert Browser(app).try_to_sign_in(member.email, code=phone.code()).status_code == 429
        assert Browser(app).try_to_sign_in(member.email, code=codes[0]).status_code == 201

    def test_with_another_signing_key_nobody_gets_in_by_the_app(
        self, program: Program, member: Member, browser: Browser, engine: Engine
    ) -> None:
        """And the recovery codes still do."""
        phone, codes = enrolled(engine, browser)
        tools = replace(program.tools, signing_key="another key, long enough for everybody")
        moved = Browser(create_app(program=replace(program, tools=tools)))
        assert moved.try_to_sign_in(member.email, code=phone.code()).status_code == 401
        assert moved.try_to_sign_in(member.email, code=codes[0]).status_code == 201

    def test_odd_codes(self, app: Flask, member: Member, phone: App) -> None:
        for code in ["٢٨٧٠٨٢", "      ", "0" * 40, "------", "\x00\x00\x00\x00\x00\x00", "💩" * 6]:
            assert Browser(app).try_to_sign_in(member.email, code=code).status_code == 401


class TestRaising:
    """A session of before, or of a provider that asks for no second factor."""

    @pytest.fixture
    def half(self, app: Flask, member: Member, browser: Browser, engine: Engine) -> tuple[Browser, App]:
        found = Browser(app)
        found.sign_in(member)
        return found, enrolled(engine, browser)[0]

    def test_sessions_of_before_are_asked_for_it(self, half: tuple[Browser, App], engine: Engine) -> None:
        browser, phone = half
        assert browser.get("/me").json["code"] == "second_factor_required"
        assert browser.delete("/sessions").status_code == 401
        before = browser.token
        answer = browser.post("/session/second-factor", {"code": phone.code()})
        assert answer.status_code == 200
        assert browser.get("/session").status_code == 401  # another secret
        browser.token = answer.json["token"]
        assert browser.token != before
        assert browser.get("/me").status_code == 200
        assert len(recorded(engine, "session.raised")) == 2  # on confirming, and here

    def test_a_code_counts_once_here_too(self, half: tuple[Browser, App], app: Flask, member: Member) -> None:
        browser, phone = half
        code = phone.code()
        Browser(app).sign_in(member, code=code)
        answer = browser.post("/session/second-factor", {"code": code})
        assert (answer.status_code, answer.json["code"]) == (422, "code_refused")

    def test_it_cannot_take_the_factor_away_or_put_another_in_its_place(self, half: tuple[Browser, App]) -> None:
        browser, _ = half
        assert browser.post("/me/second-factor/disable", {"password": PASSWORD, "code": "000000"}).status_code == 401
        assert browser.post("/me/second-factor", {"password": PASSWORD}).status_code == 409

    def test_guesses_are_counted(self, half: tuple[Browser, App], engine: Engine) -> None:
        browser, _ = half
        answers = [browser.post("/session/second-factor", {"code": "000000"}).status_code for _ in range(8)]
        assert answers == [422] * 6 + [429] * 2
        assert len(recorded(engine, "sign_in.refused")) == 6

    def test_a_token_is_not_raised_and_who_has_none_has_nothing_to_prove(
        self, agent: Caller, app: Flask, database: Database
    ) -> None:
        assert agent.post("/session/second-factor", {"code": "000000"}).json["code"] == "no_session"
        browser = Browser(app)
        browser.sign_in(Member(database))
        assert browser.post("/session/second-factor", {"code": "000000"}).json["code"] == "second_factor_missing"

    def test_two_at_once(self, half: tuple[Browser, App]) -> None:
        browser, phone = half
        code = {"code": phone.code()}
        answers = at_once(*[lambda: browser.post("/session/second-factor", code).status_code] * 2)
        assert sorted(answers) in ([200, 401], [200, 422])


class TestEnding:
    def test_disabling_takes_password_and_code(
        self, app: Flask, member: Member, browser: Browser, engine: Engine
    ) -> None:
        phone, codes = enrolled(engine, browser)
        path = "/me/second-factor/disable"
        good = {"password": PASSWORD, "code": phone.code()}
        assert browser.post(path, good | {"code": "000000"}).json["code"] == "code_refused"
        assert browser.post(path, {"code": phone.code()}).json["code"] == "password_refused"
        assert browser.post(path, good | {"password": "wrong"}).json["code"] == "password_refused"
        answer = browser.post(path, good)
        assert answer.json["enabled_at"] is None
        Browser(app).sign_in(member)
        assert browser.get("/session").json["second_factor"] is False
        assert mails(engine, member.email)[-1].reason == "second_factor_disabled"
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM recovery_code")).scalar_one() == 0
        assert browser.post(path, good | {"code": codes[0]}).status_code == 409

    def test_new_recovery_codes_end_the_old_ones(
        self, app: Flask, member: Member, browser: Browser, engine: Engine
    ) -> None:
        phone, old = enrolled(engine, browser)
        body = {"password": PASSWORD, "code": phone.code()}
        new = browser.post("/me/second-factor/recovery-codes", body).json["recovery_codes"]
        assert len(set(new) | set(old)) == 20
        assert Browser(app).try_to_sign_in(member.email, code=old[0]).status_code == 401
        assert Browser(app).try_to_sign_in(member.email, code=new[0]).status_code == 201

    def test_an_administrator_takes_it_from_who_lost_it(
        self, app: Flask, member: Member, browser: Browser, engine: Engine, join: Join
    ) -> None:
        enrolled(engine, browser)
        path = f"/agents/{member.id}/second-factor/remove"
        assert Browser(app).post(path).status_code == 401
        for role in ("agent", "manager", "auditor"):
            assert join(role).post(path).json["permission"] == "agent:manage"
        admin = join("admin")
        assert admin.post(path).json["enabled_at"] is None
        Browser(app).sign_in(member)
        assert recorded(engine, "second_factor.disabled") == [{"agent_id": str(member.id), "by_administrator": True}]
        assert mails(engine, member.email)[-1].reason == "second_factor_disabled"
        assert admin.post(path).json["code"] == "second_factor_missing"


def test_required_by_a_role(app: Flask, database: Database, admin: Caller, engine: Engine) -> None:
    """At the next request, and no longer than it is."""
    role = next(item for item in admin.get("/roles").json["items"] if item["name"] == "senior")
    path = f"/roles/{role['id']}"
    senior, agent = Browser(app), Browser(app)
    member = Member(database, "senior")
    senior.sign_in(member)
    agent.sign_in(Member(database))
    assert admin.patch(path, {"second_factor": True}, if_match="*").json["second_factor"] is True
    assert senior.get("/me").json["code"] == "second_factor_required"
    assert senior.get("/me/second-factor").json["required"] is True
    assert agent.get("/me").status_code == 200
    assert Browser(app).sign_in(member)["second_factor_required"] is True
    assert admin.patch(path, {"second_factor": False}, if_match="*").status_code == 200
    assert senior.get("/me").status_code == 200
    changes = [event["changes"] for event in recorded(engine, "role.changed")][-2:]
    assert changes == [{"second_factor": [False, True]}, {"second_factor": [True, False]}]


def test_only_who_may_as_much_takes_it_from_somebody(
    database: Database, admin: Caller, join: Join, app: Flask, engine: Engine
) -> None:
    """Else who may change agents makes the account of one who may do more easier to get into."""
    role = {"name": "people", "permissions": ["agent:read", "agent:manage"], "scope": "own", "authority": "none"}
    assert admin.post("/roles", role).status_code == 201
    browser, member = Browser(app), Member(database, "admin")
    browser.sign_in(member)
    enrolled(engine, browser)
    answer = join("people").post(f"/agents/{member.id}/second-factor/remove")
    assert (answer.status_code, answer.json["code"]) == (403, "beyond_own_rights")


def test_required_of_everybody(program: Program, database: Database, engine: Engine) -> None:
    """From the first sign-in to a session that can do everything, and to a new telephone."""
    strict = create_app(program=replace(program, settings=replace(program.settings, second_factor="required")))
    browser = Browser(strict)
    browser.sign_in(Member(database))
    assert browser.get("/complaints").status_code == 401
    phone, _ = enrolled(engine, browser)
    assert browser.get("/complaints").status_code == 200
    body: dict[str, Any] = {"password": PASSWORD, "code": phone.code()}
    assert browser.post("/me/second-factor/disable", body).status_code == 200
    assert browser.get("/complaints").status_code == 401
    enrolled(engine, browser)
    assert browser.get("/complaints").status_code == 200
