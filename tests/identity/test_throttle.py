"""How often one may try.

How it can fail: many tries at once get through before any is counted; emptying Redis forgives them; somebody who is
wrong on purpose keeps the owner out; one's own account clears the way for guesses at others; whether an account exists
shows in when the waiting begins; the wait grows without end, or not at all; old counts are kept for ever.

Time passes here by changing rows, not by waiting.
"""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.identity import throttle
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.door_jobs import forget_what_is_over
from helpdesk.identity.session_errors import TooManyAttempts
from helpdesk.identity.throttle import Lane, Lanes
from helpdesk.kernel.unit_of_work import Database
from tests.identity.doors import PASSWORD, Browser, Member, execute
from tests.racing import at_once

WRONG = "not-the-password-at-all"


def wait_over(engine: Engine) -> None:
    execute(engine, "UPDATE sign_in_throttle SET blocked_until = now()")


def count(database: Database, lane: Lane) -> int:
    """Seconds that it has to wait; 0: it was counted."""
    with database.unit_of_work(SYSTEM) as uow:
        try:
            throttle.count(uow.session, [lane])
        except TooManyAttempts as error:
            return error.retry_after
    return 0


class TestCounting:
    LANE = Lane(b"one", 3)

    def test_each_failure_makes_the_next_wait_twice_as_long(self, database: Database, engine: Engine) -> None:
        waits = []
        for _ in range(16):
            assert count(database, self.LANE) == 0
            with engine.connect() as connection:
                left = text(
                    "SELECT greatest(0, extract(epoch FROM blocked_until - failed_at)::int) FROM sign_in_throttle"
                )
                waits.append(connection.execute(left).scalar_one())
            if waits[-1]:
                assert count(database, self.LANE) == waits[-1]
            wait_over(engine)
        assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]

    def test_of_many_at_once_no_more_get_through_than_one_after_the_other(self, database: Database) -> None:
        waits = at_once(*[lambda: count(database, self.LANE)] * 12)
        assert waits.count(0) == 4  # three for nothing, and the one that begins the waiting

    def test_all_or_none(self, database: Database, engine: Engine) -> None:
        other = Lane(b"other", 3)
        while count(database, self.LANE) == 0:
            pass
        with pytest.raises(TooManyAttempts), database.unit_of_work(SYSTEM) as uow:
            throttle.count(uow.session, [other, self.LANE])
        with engine.connect() as connection:
            keys = set(connection.execute(text("SELECT key FROM sign_in_throttle")).scalars())
        assert keys == {b"one"}

    def test_old_failures_are_forgotten(self, database: Database, engine: Engine) -> None:
        while count(database, self.LANE) == 0:
            pass
        wait_over(engine)
        execute(engine, "UPDATE sign_in_throttle SET failed_at = now() - interval '25 hours'")
        assert [count(database, self.LANE) for _ in range(3)] == [0, 0, 0]

    def test_the_sweep_keeps_what_still_counts(self, database: Database, engine: Engine) -> None:
        for key, age in ((b"old", "25 hours"), (b"new", "23 hours")):
            count(database, Lane(key, 3))
            execute(
                engine, f"UPDATE sign_in_throttle SET failed_at = now() - interval '{age}' WHERE key = :key", key=key
            )
        assert forget_what_is_over(database) == 1
        assert forget_what_is_over(database) == 0

    def test_the_table_names_nobody(self, app: Flask, member: Member, engine: Engine) -> None:
        Browser(app, "203.0.113.77").try_to_sign_in(member.email, WRONG)
        with engine.connect() as connection:
            keys = [bytes(key) for key in connection.execute(text("SELECT key FROM sign_in_throttle")).scalars()]
        assert len(keys) == 2
        assert all(len(key) == 32 for key in keys)
        assert Lanes("one key").place("203.0.113.77") != Lanes("another").place("203.0.113.77")


def fail(browser: Browser, email: str, times: int) -> list[Any]:
    return [browser.try_to_sign_in(email, WRONG) for _ in range(times)]


class TestSigningIn:
    def test_an_account_waits_whether_it_exists_or_not(self, app: Flask, member: Member) -> None:
        """And with the same words."""
        seen = []
        for place, email in enumerate((member.email, "nobody@example.com")):
            answers = fail(Browser(app, f"192.0.2.{place}"), email, 8)
            seen.append(
                [(answer.status_code, answer.json["code"], answer.headers.get("Retry-After")) for answer in answers]
            )
        assert seen[0] == seen[1]
        assert seen[0][-1] == (429, "too_many_attempts", "2")
        assert [status for status, *_ in seen[0]] == [401] * 6 + [429] * 2

    def test_the_right_password_waits_too(self, app: Flask, member: Member, engine: Engine) -> None:
        """Else the waiting would tell which one is right."""
        browser = Browser(app)
        fail(browser, member.email, 6)
        assert browser.try_to_sign_in(member.email).status_code == 429
        wait_over(engine)
        assert browser.try_to_sign_in(member.email).status_code == 201
        assert [answer.status_code for answer in fail(browser, member.email, 4)] == [401] * 4  # begun anew

    def test_from_many_addresses(self, app: Flask, member: Member) -> None:
        answers = [Browser(app, f"198.51.100.{place}").try_to_sign_in(member.email, WRONG) for place in range(8)]
        assert [answer.status_code for answer in answers] == [401] * 6 + [429] * 2

    def test_many_accounts_from_one_address(self, app: Flask) -> None:
        """Also an IPv6 network, within which one chooses one's address."""
        for addresses in (["192.0.2.7"] * 25, [f"2001:db8:1:1::{place}" for place in range(25)]):
            answers = [
                Browser(app, address).try_to_sign_in(f"somebody{place}@example.com", WRONG).status_code
                for place, address in enumerate(addresses)
            ]
            assert answers == [401] * 21 + [429] * 4

    def test_at_once(self, app: Flask, member: Member) -> None:
        tries = [
            lambda place=place: Browser(app, f"198.51.100.{place}").try_to_sign_in(member.email, WRONG).status_code
            for place in range(12)
        ]
        answers = at_once(*tries)
        assert answers.count(401) == 6

    def test_strangers_do_not_keep_the_owner_out(self, app: Flask, member: Member) -> None:
        """Where they have signed in before, nobody else's failures count."""
        home = Browser(app, "192.0.2.50")
        home.sign_in(member)
        for place in range(8):
            Browser(app, f"198.51.100.{place}").try_to_sign_in(member.email, WRONG)
        assert Browser(app, "192.0.2.51").try_to_sign_in(member.email).status_code == 429
        home.sign_in(member)

    def test_a_known_place_is_counted_too(self, app: Flask, member: Member) -> None:
        home = Browser(app, "192.0.2.50")
        home.sign_in(member)
        assert [answer.status_code for answer in fail(home, member.email, 8)] == [401] * 6 + [429] * 2

    def test_ones_own_account_does_not_clear_the_way(self, app: Flask, member: Member, database: Database) -> None:
        """A guesser who signs in in between is stopped at the same place."""
        mine = Member(database)
        answers = []
        for place in range(25):
            browser = Browser(app, "192.0.2.7")
            answers.append(browser.try_to_sign_in(f"somebody{place}@example.com", WRONG).status_code)
            browser.try_to_sign_in(mine.email)
        assert answers == [401] * 21 + [429] * 4

    def test_refused_before_anything_else_is_done(self, app: Flask, member: Member, engine: Engine) -> None:
        """An attack fills neither the log nor the processors."""
        fail(Browser(app), member.email, 20)
        with engine.connect() as connection:
            recorded = text("SELECT count(*) FROM event WHERE type = 'sign_in.refused'")
            assert connection.execute(recorded).scalar_one() == 6


def test_sessions_that_were_made_are_not_touched(app: Flask, member: Member) -> None:
    browser = Browser(app)
    browser.sign_in(member)
    fail(Browser(app, "198.51.100.1"), member.email, 8)
    assert browser.get("/me").status_code == 200
    assert browser.try_to_sign_in(member.email, PASSWORD).status_code == 201
