"""Invitations, resets and changes of a password.

How it can fail: an answer or its mail tells whether an address is anybody's; a link works twice, too late, for somebody
else, or was made up; two who use it at once both win; the old password or an old session goes on; the link can be read in
the database later; somebody without a password gets one past the administrator; a stolen session changes it.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.pool import QueuePool

from helpdesk.identity import passwords
from helpdesk.kernel import links, mail
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import SIGNING_KEY, Caller, Join
from tests.identity.doors import OTHER, PASSWORD, Browser, Member, execute, mails, perform_duties, recorded
from tests.racing import at_once

SOMEBODY = "00000000-0000-0000-0000-000000000000"


def unsent(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mails stay as they were written."""
    monkeypatch.setattr(mail, "deliver", lambda *_, **__: None)


def ask(browser: Browser, email: str) -> Any:
    return browser.post("/public/password-resets", {"email": email})


def link_to(engine: Engine, who: Member) -> str:
    """The path of the newest link that was written to them."""
    body = mails(engine, who.email)[-1].body
    found = re.search(r"http://helpdesk\.test/api/v1(/public/password-resets/\S+)", body)
    assert found, body
    return found.group(1)


@pytest.fixture
def reset(program: Program, engine: Engine, browser: Browser, member: Member) -> Callable[[], str]:
    """Asks for a link and gives its path; its mail is not sent."""

    def asked() -> str:
        execute(engine, "DELETE FROM sign_in_throttle")
        assert ask(browser, member.email).status_code == 202
        with program.engine.connect() as connection:
            topic = text("SELECT id FROM duty WHERE topic = 'identity.password_reset' AND done_at IS NULL")
            ids = list(connection.execute(topic).scalars())
        assert program.performer.perform(ids) == {"done": 1, "skipped": 0, "failed": 0}
        return link_to(engine, member)

    return asked


class TestAsking:
    def test_the_answer_is_always_the_same(
        self, browser: Browser, database: Database, statements: Callable[[], Any]
    ) -> None:
        """So is the work: who it is, a worker finds out."""
        addresses = [
            Member(database).email,
            "nobody@example.com",
            Member(database, active=False).email,
            Member(database, password=False).email,
        ]
        answers = []
        for email in addresses:
            with statements() as seen:
                answer = ask(browser, email)
            answers.append((answer.status_code, answer.json, seen.seen))
        assert answers[0][0] == 202
        assert all(answer == answers[0] for answer in answers)

    def test_only_who_has_a_password_gets_mail(
        self, browser: Browser, database: Database, program: Program, engine: Engine, member: Member
    ) -> None:
        others = [Member(database, active=False), Member(database, password=False)]
        for email in (member.email.upper(), "nobody@example.com", *(who.email for who in others)):
            ask(browser, email)
        perform_duties(program)
        assert [found.reason for found in mails(engine, member.email)] == ["password_reset"]
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM outbound_mail")).scalar_one() == 1
            assert connection.execute(text("SELECT count(*) FROM password_link")).scalar_one() == 1
            duties = connection.execute(text("SELECT payload::text FROM duty WHERE topic = 'identity.password_reset'"))
            assert set(duties.scalars()) == {"{}"}  # whose address it was is forgotten

    def test_a_duty_done_twice_mails_once(
        self, browser: Browser, program: Program, engine: Engine, member: Member
    ) -> None:
        ask(browser, member.email)
        with engine.connect() as connection:
            ids = list(connection.execute(text("SELECT id FROM duty")).scalars())
        assert [program.performer.perform(ids)["done"] for _ in range(2)] == [1, 0]
        assert len(mails(engine, member.email)) == 1

    def test_an_inbox_is_not_flooded(self, app: Flask, program: Program, engine: Engine, member: Member) -> None:
        """From however many addresses, and nobody can tell."""
        answers = [ask(Browser(app, f"198.51.100.{place}"), member.email).status_code for place in range(9)]
        assert answers == [202] * 9
        perform_duties(program)
        assert len(mails(engine, member.email)) == 4

    def test_an_address_that_asks_for_everybody_waits(self, browser: Browser) -> None:
        answers = [ask(browser, f"somebody{place}@example.com") for place in range(23)]
        assert [answer.status_code for answer in answers] == [202] * 21 + [429] * 2
        assert answers[-1].headers["Retry-After"]

    def test_bad_bodies(self, browser: Browser) -> None:
        for body in [{}, {"email": "x"}, {"email": None}, {"email": "a@example.com", "x": 1}]:
            assert browser.post("/public/password-resets", body).status_code == 422

    def test_a_link_that_went_out_is_not_kept(
        self, browser: Browser, program: Program, engine: Engine, member: Member
    ) -> None:
        ask(browser, member.email)
        perform_duties(program)  # the link is written
        assert "password-resets" in mails(engine, member.email)[0].body
        perform_duties(program)  # and sent
        (sent,) = mails(engine, member.email)
        assert sent.body == ""


class TestLink:
    def test_sets_the_password_once(
        self, browser: Browser, member: Member, reset: Callable[[], str], engine: Engine
    ) -> None:
        before = Browser(browser.client.application)
        before.sign_in(member)
        path = reset()
        shown = browser.get(path).json
        assert (shown["kind"], shown["email"]) == ("reset", member.email)
        answer = browser.post(path, {"password": OTHER})
        assert answer.json == {"agent_id": str(member.id), "email": member.email}
        assert before.get("/me").status_code == 401  # every session is ended
        assert browser.try_to_sign_in(member.email, PASSWORD).status_code == 401
        assert browser.try_to_sign_in(member.email, OTHER).status_code == 201
        for again in (browser.get(path), browser.post(path, {"password": PASSWORD})):
            assert (again.status_code, again.json["code"]) == (410, "gone")
        assert [event["how"] for event in recorded(engine, "password.set")] == ["reset"]
        assert mails(engine, member.email)[-1].reason == "password_changed"

    def test_of_two_at_once_one_wins(
        self, app: Flask, member: Member, reset: Callable[[], str], engine: Engine
    ) -> None:
        path = reset()
        new = [OTHER, "a third one, also quite good"]
        answers = at_once(*[lambda word=word: Browser(app).post(path, {"password": word}).status_code for word in new])
        assert sorted(answers) == [200, 410]
        winner = new[answers.index(200)]
        assert Browser(app).try_to_sign_in(member.email, winner).status_code == 201
        assert len(recorded(engine, "password.set")) == 1

    def test_using_one_ends_the_others(self, browser: Browser, reset: Callable[[], str]) -> None:
        first, second = reset(), reset()
        assert browser.post(second, {"password": OTHER}).status_code == 200
        assert browser.post(first, {"password": PASSWORD}).status_code == 410

    def test_expired(self, browser: Browser, member: Member, reset: Callable[[], str], engine: Engine) -> None:
        reset()
        with engine.connect() as connection:
            link_id = connection.execute(text("SELECT id FROM password_link")).scalar_one()
        old = links.sign(SIGNING_KEY, "password", UUID(str(link_id)), datetime(2020, 1, 1, tzinfo=UTC))
        for answer in (
            browser.get(f"/public/password-resets/{old}"),
            browser.post(f"/public/password-resets/{old}", {"password": OTHER}),
        ):
            assert answer.status_code == 410
        assert browser.try_to_sign_in(member.email).status_code == 201

    def test_lasts_an_hour(self, reset: Callable[[], str], engine: Engine) -> None:
        reset()
        with engine.connect() as connection:
            lasts = connection.execute(text("SELECT expires_at - created_at FROM password_link")).scalar_one()
        assert round(lasts.total_seconds() / 60) == 60

    def test_a_link_to_something_else(self, browser: Browser, engine: Engine, reset: Callable[[], str]) -> None:
        reset()
        with engine.connect() as connection:
            link_id = UUID(str(connection.execute(text("SELECT id FROM password_link")).scalar_one()))
        for purpose in ("offer", "tracking", "Password", ""):
            token = links.sign(SIGNING_KEY, purpose, link_id, datetime(2999, 1, 1, tzinfo=UTC))
            assert browser.post(f"/public/password-resets/{token}", {"password": OTHER}).status_code == 404, purpose

    def test_made_up(self, browser: Browser, reset: Callable[[], str]) -> None:
        path = reset()
        changed = path[:-5] + ("A" if path[-5] != "A" else "B") + path[-4:]
        for token in (changed, "/public/password-resets/x", path + "x"):
            assert browser.get(token).status_code == 404
            assert browser.post(token, {"password": OTHER}).status_code == 404

    def test_of_an_agent_who_left(
        self, browser: Browser, member: Member, reset: Callable[[], str], engine: Engine
    ) -> None:
        path = reset()
        execute(engine, "UPDATE agent SET active = false WHERE id = :id", id=member.id)
        assert browser.get(path).status_code == 404
        assert browser.post(path, {"password": OTHER}).status_code == 404

    @pytest.mark.parametrize("password", ["short", "password1234", "Ana Souza 2026!", "x" * 129])
    def test_a_weak_password_does_not_use_it_up(
        self, browser: Browser, reset: Callable[[], str], password: str
    ) -> None:
        path = reset()
        answer = browser.post(path, {"password": password})
        assert answer.status_code == 422
        assert [item["pointer"] for item in answer.json["errors"]] == ["/password"]
        assert browser.post(path, {"password": OTHER}).status_code == 200

    def test_lets_the_owner_in_who_was_kept_out(
        self, app: Flask, browser: Browser, member: Member, reset: Callable[[], str], engine: Engine
    ) -> None:
        """Under attack from everywhere, from a place never seen before."""
        path = reset()
        for place in range(8):
            Browser(app, f"198.51.100.{place}").try_to_sign_in(member.email, "wrong")
        assert browser.try_to_sign_in(member.email).status_code == 429
        assert browser.post(path, {"password": OTHER}).status_code == 200
        for place in range(8):
            Browser(app, f"198.51.100.{place}").try_to_sign_in(member.email, "wrong")
        assert browser.try_to_sign_in(member.email, OTHER).status_code == 201

    def test_no_trace_of_the_password_is_kept(self, browser: Browser, reset: Callable[[], str], engine: Engine) -> None:
        assert browser.post(reset(), {"password": OTHER}, Idempotency_Key="1").status_code == 200
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM idempotent_answer")).scalar_one() == 0


class TestInvitation:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, manager: Caller, agent: Caller) -> None:
        path = f"/agents/{agent.id}/invitation"
        assert anonymous.post(path).status_code == 401
        assert manager.post(path).json["permission"] == "agent:manage"
        assert agent.post(path).status_code == 403

    def test_the_way_in(self, admin: Caller, browser: Browser, engine: Engine, database: Database) -> None:
        who = Member(database, password=False)
        answer = admin.post(f"/agents/{who.id}/invitation")
        assert answer.status_code == 202
        assert answer.json["sent_to"] == who.email
        path = link_to(engine, who)
        assert browser.get(path).json["kind"] == "invitation"
        assert browser.post(path, {"password": PASSWORD}).status_code == 200
        browser.sign_in(who)
        assert [event["how"] for event in recorded(engine, "password.set")] == ["invitation"]
        assert [event["kind"] for event in recorded(engine, "password.link_sent")] == ["invitation"]

    def test_who_has_a_password_resets_it(self, admin: Caller, member: Member) -> None:
        answer = admin.post(f"/agents/{member.id}/invitation")
        assert (answer.status_code, answer.json["code"]) == (409, "has_password")

    def test_who_left_is_not_invited(self, admin: Caller, database: Database) -> None:
        answer = admin.post(f"/agents/{Member(database, active=False, password=False).id}/invitation")
        assert (answer.status_code, answer.json["code"]) == (409, "agent_not_active")
        assert admin.post(f"/agents/{SOMEBODY}/invitation").status_code == 404


class TestChange:
    BODY = {"current_password": PASSWORD, "new_password": OTHER}  # noqa: RUF012

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.put("/me/password", self.BODY).status_code == 401

    def test_good(self, app: Flask, member: Member, engine: Engine) -> None:
        here, there = Browser(app), Browser(app)
        old = here.sign_in(member)["token"]
        there.sign_in(member)
        answer = here.put("/me/password", self.BODY)
        assert answer.status_code == 200
        assert here.get("/me").status_code == 401  # whoever knows the secret of before is left behind
        here.token = answer.json["session"]["token"]
        assert here.token != old
        assert here.get("/me").status_code == 200
        assert there.get("/me").status_code == 401
        assert Browser(app).try_to_sign_in(member.email, OTHER).status_code == 201
        assert mails(engine, member.email)[-1].reason == "password_changed"
        assert [event["reason"] for event in recorded(engine, "session.ended")] == ["password_changed"]

    def test_in_a_cookie(self, app: Flask, member: Member) -> None:
        browser = Browser(app)
        browser.sign_in(member, cookie=True)
        answer = browser.put("/me/password", self.BODY, X_Requested_With="fetch")
        assert answer.json["session"]["token"] is None
        assert browser.get("/me").status_code == 200

    def test_with_a_token(self, app: Flask, member: Member, admin: Caller) -> None:
        """There is no session to go on with."""
        token = admin.post("/tokens", {"name": "x", "agent_id": str(member.id)}).json["token"]
        browser = Browser(app)
        browser.token = token
        assert browser.put("/me/password", self.BODY).json == {"session": None}
        assert browser.get("/me").status_code == 200

    def test_the_old_one_is_asked_for(self, app: Flask, member: Member, engine: Engine) -> None:
        """A stolen session cannot find it out either."""
        browser = Browser(app)
        browser.sign_in(member)
        wrong = self.BODY | {"current_password": "not-the-password-at-all"}
        answers = [browser.put("/me/password", wrong) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [422] * 6 + [429] * 2
        assert answers[0].json["code"] == "password_refused"
        assert browser.try_to_sign_in(member.email).status_code == 201  # the owner is not kept out by that

    def test_a_new_one_that_will_not_do(self, app: Flask, member: Member) -> None:
        for new in ["short", "password1234", PASSWORD, "anasouza12345"]:
            browser = Browser(app)
            browser.sign_in(member)
            answer = browser.put("/me/password", self.BODY | {"new_password": new})
            assert answer.status_code == 422
            assert answer.json["errors"][0]["pointer"] == "/new_password"

    def test_who_has_none_changes_none(self, join: Join) -> None:
        answer = join("agent").put("/me/password", self.BODY)
        assert (answer.status_code, answer.json["code"]) == (409, "no_password")

    def test_two_at_once(self, app: Flask, member: Member) -> None:
        """The second one's old password is not the password any more."""
        browsers = [Browser(app), Browser(app)]
        for browser in browsers:
            browser.sign_in(member)
        new = [OTHER, "a third one, also quite good"]
        answers = at_once(
            *[
                lambda browser=browser, word=word: browser.put("/me/password", self.BODY | {"new_password": word})
                for browser, word in zip(browsers, new, strict=True)
            ]
        )
        statuses = [answer.status_code for answer in answers]
        assert min(statuses) == 200
        assert max(statuses) in {401, 404, 422}
        assert Browser(app).try_to_sign_in(member.email, new[statuses.index(200)]).status_code == 201


def test_hashing_needs_no_transaction(
    app: Flask, member: Member, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash takes as long as fifty statements: no connection waits for it, and no lock."""
    held = []
    turn = passwords._turn

    def counted() -> Any:
        held.append(cast(QueuePool, engine.pool).checkedout())
        return turn()

    monkeypatch.setattr(passwords, "_turn", counted)
    browser = Browser(app)
    browser.sign_in(member)
    assert browser.put("/me/password", TestChange.BODY).status_code == 200
    assert len(held) >= 3
    assert set(held) == {0}
