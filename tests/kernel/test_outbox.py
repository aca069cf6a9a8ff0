"""Duties as rows: claimed by one relay, put off when they fail, dead when it is enough, rung for again when Redis forgot.

How it can fail: two relays ring for the same duty at once; a duty that was rung is rung again and again; one that is
done or dead comes back; what is not due yet is rung for; a failing one blocks the others.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.kernel.verification import no_duty_overdue
from tests.racing import at_once, until, waiting


def owe(database: Database, number: int = 1, **more: Any) -> list[UUID]:
    with database.unit_of_work(SYSTEM) as uow:
        for _ in range(number):
            uow.duty(more.get("topic", "test"), new_id(), not_before=more.get("not_before"))
    with database.reader() as session:
        return list(
            session.execute(text("SELECT id FROM duty ORDER BY number DESC LIMIT :n"), {"n": number}).scalars()
        )[::-1]


def claim(engine: Engine, *topics: str, limit: int = 100) -> list[UUID]:
    with engine.begin() as connection:
        return [ring.id for ring in outbox.claim(connection, list(topics or ("test",)), limit)]


def row(engine: Engine, duty_id: UUID) -> Any:
    """The duty, with `lease` in seconds from now and `now`."""
    with engine.connect() as connection:
        statement = "SELECT *, extract(epoch FROM next_at - now())::float AS lease FROM duty WHERE id = :id"
        return connection.execute(text(statement), {"id": duty_id}).mappings().one()


def change(engine: Engine, assignment: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE duty SET {assignment}")


class TestClaim:
    def test_in_order_and_once(self, database: Database, engine: Engine) -> None:
        made = owe(database, 5)
        assert claim(engine) == made
        assert claim(engine) == []
        assert (row(engine, made[0])["attempts"], row(engine, made[0])["done_at"]) == (1, None)

    def test_oldest_first_and_no_more_than_asked(self, database: Database, engine: Engine) -> None:
        made = owe(database, 5)
        assert claim(engine, limit=2) == made[:2]
        assert claim(engine, limit=200) == made[2:]

    def test_no_more_than_asked_however_it_is_planned(self, database: Database, engine: Engine) -> None:
        """A planner that joins row by row must not look for the oldest anew for each."""
        made = owe(database, 40)
        with engine.begin() as connection:
            for method in ("hashjoin", "mergejoin", "hashagg", "material", "sort", "bitmapscan", "indexscan"):
                connection.execute(text(f"SET LOCAL enable_{method} = off"))
            assert [ring.id for ring in outbox.claim(connection, ["test"], 2)] == made[:2]

    def test_only_its_topics(self, database: Database, engine: Engine) -> None:
        [ours], [theirs] = owe(database), owe(database, topic="other")
        assert claim(engine) == [ours]
        assert claim(engine, "other", "third") == [theirs]

    def test_not_before_its_time(self, database: Database, engine: Engine) -> None:
        owe(database, not_before=datetime.now(UTC) + timedelta(hours=1))
        assert claim(engine) == []

    def test_neither_done_nor_dead(self, database: Database, engine: Engine) -> None:
        for column in ("done_at", "dead_at"):
            owe(database)
            change(engine, f"{column} = now()")
        assert claim(engine) == []

    def test_the_lease_doubles_to_a_quarter_of_an_hour(self, database: Database, engine: Engine) -> None:
        """A fixed lease shorter than the backlog would ring for the same duties again and again."""
        [duty] = owe(database)
        leases = []
        for _ in range(9):
            assert claim(engine) == [duty]
            leases.append(row(engine, duty)["lease"])
            change(engine, "next_at = now()")
        for lease, expected in zip(leases, (20, 40, 80, 160, 320, 640, 900, 900, 900), strict=True):
            assert expected - 15 < lease <= expected

    def test_two_relays_claim_different_ones(self, database: Database, engine: Engine) -> None:
        made = owe(database, 40)
        with engine.connect() as first, engine.connect() as second:
            one = {ring.id for ring in outbox.claim(first, ["test"], 20)}
            two = {ring.id for ring in outbox.claim(second, ["test"], 30)}  # while the first holds its own
            first.commit()
            second.commit()
        assert len(one) == len(two) == 20
        assert one | two == set(made)

    def test_many_relays_at_once(self, database: Database, engine: Engine) -> None:
        made = owe(database, 60)
        found = at_once(*[lambda: [*claim(engine, limit=7), *claim(engine, limit=7), *claim(engine)]] * 4)
        rung = [duty for part in found for duty in part]
        assert sorted(rung) == sorted(made)

    def test_a_relay_that_dies_while_claiming(self, database: Database, engine: Engine) -> None:
        made = owe(database, 3)
        with engine.connect() as connection:
            outbox.claim(connection, ["test"])
            connection.rollback()
        assert claim(engine) == made


class TestTake:
    def test_in_one_pair_of_hands(self, database: Database, engine: Engine) -> None:
        """The second waits for the first, and then finds that there is nothing left to settle."""
        [duty] = owe(database)

        def second() -> bool:
            with Session(engine) as session:
                return outbox.take(session, duty) is not None

        with Session(engine) as first, engine.connect() as watcher, ThreadPoolExecutor(1) as pool:
            assert outbox.take(first, duty) is not None
            later = pool.submit(second)
            until(lambda: waiting(watcher) == 1)
            with Session(engine) as third:
                assert outbox.peek(third, duty) is not None  # a look needs no lock
            outbox.mark_done(first, duty)
            first.commit()
            assert later.result() is False
            assert outbox.peek(first, duty) is None

    def test_unknown(self, engine: Engine) -> None:
        with Session(engine) as session:
            assert outbox.take(session, new_id()) is None
            assert outbox.peek(session, new_id()) is None


def fail(engine: Engine, duty: UUID, error: str = "it broke", *, final: bool = False) -> bool:
    with Session(engine) as session:
        dead = outbox.note_failure(session, duty, error, final=final)
        session.commit()
    return dead


class TestFailure:
    def test_put_off_longer_each_time_then_dead(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database)
        for number, wait in enumerate((1, 2, 4, 8, 16, 32, 64, 128), start=1):
            assert fail(engine, duty) is (number == outbox.MAX_FAILURES)
            found = row(engine, duty)
            assert found["failures"] == number
            assert wait - 15 < found["lease"] <= wait
            assert (found["dead_at"] is None) == (number < outbox.MAX_FAILURES)
        assert claim(engine) == []

    def test_final(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database)
        assert fail(engine, duty, final=True) is True
        assert row(engine, duty)["failures"] == 1

    def test_what_is_done_does_not_fail(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database)
        change(engine, "done_at = now()")
        assert fail(engine, duty, final=True) is False
        assert row(engine, duty)["dead_at"] is None

    def test_a_long_story_is_cut(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database)
        fail(engine, duty, "长" * 5_000)
        assert row(engine, duty)["last_error"] == "长" * 500

    def test_done_forgets_the_error(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database)
        fail(engine, duty)
        with Session(engine) as session:
            outbox.mark_done(session, duty)
            session.commit()
        assert row(engine, duty)["last_error"] is None
        assert row(engine, duty)["done_at"] is not None


class TestHousekeeping:
    def test_ring_everything_that_is_owed_and_due(self, database: Database, engine: Engine) -> None:
        done, dead, rung, failed, later = (owe(database)[0] for _ in range(5))
        with engine.begin() as connection:
            for statement, duty in (
                ("done_at = now()", done),
                ("dead_at = now()", dead),
                ("next_at = now() + interval '10 minutes'", rung),
                ("next_at = now() + interval '1 minute', failures = 3", failed),
                ("not_before = now() + interval '1 day', next_at = now() + interval '1 day'", later),
            ):
                connection.execute(text(f"UPDATE duty SET {statement} WHERE id = :id"), {"id": duty})
            assert outbox.ring_everything(connection) == 2
        assert claim(engine) == [rung, failed]

    def test_bury_the_silent(self, database: Database, engine: Engine) -> None:
        """A duty whose handler takes the worker down leaves no failure behind, only beginnings; rings do not count."""
        [duty] = owe(database)
        with engine.begin() as connection:
            connection.execute(text("UPDATE duty SET attempts = 1000"))
        with database.noting() as session:
            for number in range(outbox.MAX_BEGUN):
                assert list(outbox.silent(session)) == [], number
                assert outbox.begin(session, duty) is not None
            assert list(outbox.silent(session)) == [duty]

    def test_forget_what_is_long_done(self, database: Database, engine: Engine) -> None:
        old, older, dead, owed = (owe(database)[0] for _ in range(4))
        with engine.begin() as connection:
            for statement, duty in (
                ("done_at = now() - interval '6 days'", old),
                ("done_at = now() - interval '8 days'", older),
                ("dead_at = now() - interval '9 days'", dead),
                ("created_at = now() - interval '9 days'", owed),
            ):
                connection.execute(text(f"UPDATE duty SET {statement} WHERE id = :id"), {"id": duty})
        assert outbox.forget_done(engine, timedelta(days=7)) == 1
        with engine.connect() as connection:
            left = set(connection.execute(text("SELECT id FROM duty")).scalars())
        assert left == {old, dead, owed}


class TestVerification:
    def test_one_that_a_later_duty_has_done(self, database: Database, engine: Engine) -> None:
        """An offer that was retried: the first issuance is dead for ever, and nobody has anything to do."""
        first, second = owe(database, 2)
        change(engine, "dead_at = now(), last_error = 'it broke'")
        with engine.begin() as connection:
            connection.execute(text("UPDATE duty SET subject_id = (SELECT subject_id FROM duty LIMIT 1)"))
            connection.execute(text("UPDATE duty SET dead_at = NULL, done_at = now() WHERE id = :id"), {"id": second})
        for _ in range(2):
            with database.snapshot() as session:
                assert list(no_duty_overdue(session)) == []
            with database.reader() as session:
                assert outbox.owed(session, dead=True) == []
            with engine.begin() as connection:  # also when the later one is forgotten
                connection.execute(
                    text("UPDATE duty SET done_at = done_at - interval '8 days' WHERE id = :id"), {"id": second}
                )
            outbox.forget_done(engine, timedelta(days=7))
        assert row(engine, first)["done_at"] is not None

    @pytest.mark.parametrize(
        ("assignment", "check"),
        [
            ("dead_at = now(), last_error = 'it broke'", "duty_dead"),
            ("not_before = now() - interval '11 minutes'", "duty_overdue"),
            ("not_before = now() - interval '9 minutes'", None),
            ("done_at = now(), not_before = now() - interval '1 day'", None),
            (
                "not_before = now() - interval '1 day', next_at = now() + interval '1 minute', attempts = 7",
                "duty_overdue",
            ),
            ("not_before = now() - interval '1 day', next_at = now() + interval '1 minute', begun = 1", None),
            ("not_before = now() - interval '1 day', next_at = now() + interval '1 minute', failures = 3", None),
            ("not_before = now() - interval '1 day', begun = 1, failures = 3", "duty_overdue"),
            ("dead_at = now(), done_at = now()", None),
        ],
    )
    def test_named(self, database: Database, engine: Engine, assignment: str, check: str | None) -> None:
        [duty] = owe(database)
        change(engine, assignment)
        with database.snapshot() as session:
            found = list(no_duty_overdue(session))
        assert [(item.check, item.subject) for item in found] == ([(check, f"duty {duty}")] if check else [])
