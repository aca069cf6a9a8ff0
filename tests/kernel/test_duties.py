"""Doing what is owed.

How it can fail: a duty delivered twice acts twice; two workers do it at once; one that fails stops the others, leaves
half its work, or is never tried again; one that cannot succeed is tried for ever.
"""

from collections.abc import Callable
from dataclasses import replace
from threading import Event as Flag
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.duties import GiveUp, Handlers, Local, Outside, Performer
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from tests.kernel.happenings import Said, told
from tests.racing import at_once

Work = Callable[[UnitOfWork, UUID], None]


def note(uow: UnitOfWork, subject: UUID) -> None:
    uow.record(Said(thing_id=subject, words="done"))


def break_down(uow: UnitOfWork, subject: UUID) -> None:
    note(uow, subject)
    uow.duty("test", new_id())
    raise RuntimeError("it broke")


def performer(database: Database, **handlers: Any) -> Performer:
    made: Handlers = {name: Local(work) if callable(work) else work for name, work in handlers.items()}
    return Performer(database, made, SYSTEM, tools="the tools")


def owe(database: Database, *topics: str) -> list[UUID]:
    with database.unit_of_work(SYSTEM) as uow:
        for topic in topics:
            uow.duty(topic, new_id())
    with database.reader() as session:
        found = session.execute(text("SELECT id FROM duty ORDER BY number DESC LIMIT :n"), {"n": len(topics)})
        return list(found.scalars())[::-1]


def state(database: Database, duty: UUID) -> Any:
    with database.reader() as session:
        return session.execute(text("SELECT * FROM duty WHERE id = :id"), {"id": duty}).mappings().one()


class TestLocal:
    def test_run_twice_acts_once(self, database: Database) -> None:
        [duty] = owe(database, "test")
        worker = performer(database, test=note)
        assert worker.perform([duty]) == {"done": 1, "skipped": 0, "failed": 0}
        assert worker.perform([duty, duty]) == {"done": 0, "skipped": 2, "failed": 0}
        assert len(told(database)) == 1
        assert state(database, duty)["done_at"] is not None

    def test_two_workers_at_once_act_once(self, database: Database) -> None:
        """The first stands in the middle of its work while the second comes with the same duty."""
        [duty] = owe(database, "test")
        begun, go_on = Flag(), Flag()

        def slow(uow: UnitOfWork, subject: UUID) -> None:
            begun.set()
            assert go_on.wait(30)
            note(uow, subject)

        def second() -> dict[str, int]:
            assert begun.wait(30)
            try:
                return performer(database, test=note).perform([duty])
            finally:
                go_on.set()

        first = performer(database, test=slow)
        assert at_once(lambda: first.perform([duty]), second) == [
            {"done": 1, "skipped": 0, "failed": 0},
            {"done": 0, "skipped": 1, "failed": 0},
        ]
        assert len(told(database)) == 1

    def test_many_workers_many_duties(self, database: Database) -> None:
        made = owe(database, *["test"] * 20)
        worker = performer(database, test=note)
        counts = at_once(*[lambda: worker.perform(made)] * 4)
        assert sum(count["done"] for count in counts) == 20
        assert len(told(database)) == 20

    def test_a_failure_leaves_nothing_and_the_others_go_on(self, database: Database) -> None:
        made = owe(database, "test", "broken", "test")
        worker = performer(database, test=note, broken=break_down)
        assert worker.perform(made) == {"done": 2, "skipped": 0, "failed": 1}
        assert [words for _, words in told(database)] == ["done", "done"]
        failed = state(database, made[1])
        assert (failed["failures"], failed["dead_at"], failed["done_at"]) == (1, None, None)
        assert failed["last_error"] == "RuntimeError: it broke"
        assert failed["next_at"] > failed["not_before"]

    def test_tried_again_until_it_works(self, database: Database) -> None:
        [duty] = owe(database, "test")
        for _ in range(outbox.MAX_FAILURES - 1):
            assert performer(database, test=break_down).perform([duty])["failed"] == 1
        assert performer(database, test=note).perform([duty])["done"] == 1
        assert state(database, duty)["last_error"] is None

    def test_dead_after_the_last(self, database: Database) -> None:
        [duty] = owe(database, "test")
        for _ in range(outbox.MAX_FAILURES):
            performer(database, test=break_down).perform([duty])
        assert state(database, duty)["dead_at"] is not None
        assert performer(database, test=note).perform([duty]) == {"done": 0, "skipped": 1, "failed": 0}
        assert told(database) == []

    def test_give_up_dies_at_once(self, database: Database) -> None:
        def hopeless(_uow: UnitOfWork, _subject: UUID) -> None:
            raise GiveUp("the address does not exist")

        [duty] = owe(database, "test")
        assert performer(database, test=hopeless).perform([duty])["failed"] == 1
        dead = state(database, duty)
        assert (dead["failures"], dead["last_error"]) == (1, "GiveUp: the address does not exist")
        assert dead["dead_at"] is not None

    def test_a_topic_nobody_handles(self, database: Database) -> None:
        made = owe(database, "unknown", "test")
        assert performer(database, test=note).perform(made) == {"done": 1, "skipped": 0, "failed": 1}
        assert state(database, made[0])["last_error"] == "KeyError: 'unknown'"

    def test_unknown_duty_and_none(self, database: Database) -> None:
        worker = performer(database, test=note)
        assert worker.perform([new_id()]) == {"done": 0, "skipped": 1, "failed": 0}
        assert worker.perform([]) == {"done": 0, "skipped": 0, "failed": 0}

    def test_a_statement_that_fails_in_the_database(self, database: Database) -> None:
        def wrong(uow: UnitOfWork, _subject: UUID) -> None:
            uow.session.execute(text("SELECT 1 / 0"))

        [duty] = owe(database, "test")
        assert performer(database, test=wrong).perform([duty])["failed"] == 1
        assert "DivisionByZero" in state(database, duty)["last_error"]


class TestSilence:
    """A handler that takes its worker down each time leaves nothing behind but that it was begun."""

    def test_given_up_after_many_beginnings(self, database: Database, engine: Engine) -> None:
        told_of: list[str] = []
        worker = performer(
            database, test=Outside(lambda *_: None, give_up=lambda _uow, _subject, reason: told_of.append(reason))
        )
        [duty], [other] = owe(database, "test"), owe(database, "test")
        for _ in range(outbox.MAX_BEGUN):
            assert worker.bury_silent() == 0
            with engine.begin() as connection:
                assert outbox.begin(connection, duty) is not None
        assert worker.bury_silent() == 1
        assert state(database, duty)["dead_at"] is not None
        assert state(database, other)["dead_at"] is None
        assert told_of == ["GiveUp: the worker died each time"]
        assert worker.bury_silent() == 0

    def test_rings_without_a_worker_are_no_silence(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database, "test")
        with engine.begin() as connection:
            connection.execute(text("UPDATE duty SET attempts = 1000"))
        assert performer(database, test=note).bury_silent() == 0
        assert performer(database, test=note).perform([duty])["done"] == 1

    def test_an_outcome_ends_the_silence(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database, "test")
        with engine.begin() as connection:
            for _ in range(outbox.MAX_BEGUN - 1):
                outbox.begin(connection, duty)
        performer(database, test=break_down).perform([duty])
        assert state(database, duty)["begun"] == 0


class TestOutside:
    def test_its_own_patience(self, database: Database) -> None:
        def work(*_: Any) -> None:
            raise RuntimeError("down")

        [duty] = owe(database, "test")
        worker = performer(database, test=Outside(work, patience=2))
        worker.perform([duty])
        assert state(database, duty)["dead_at"] is None
        worker.perform([duty])
        assert state(database, duty)["dead_at"] is not None

    def test_no_transaction_is_open_meanwhile(self, database: Database, engine: Engine) -> None:
        seen: list[Any] = []

        def work(tools: Any, duty_id: UUID, subject_id: UUID) -> None:
            with engine.connect() as connection:
                seen.append(
                    connection.execute(
                        text(
                            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                            "AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
                        )
                    ).scalar_one()
                )
            seen.append((tools, subject_id))
            with database.unit_of_work(SYSTEM) as uow:
                outbox.mark_done(uow.session, duty_id)

        [duty] = owe(database, "test")
        worker = performer(database, test=Outside(work))
        assert worker.perform([duty])["done"] == 1
        assert seen == [0, ("the tools", state(database, duty)["subject_id"])]
        assert worker.perform([duty])["skipped"] == 1

    def test_repeated_until_it_settles_itself(self, database: Database) -> None:
        calls: list[UUID] = []
        [duty] = owe(database, "test")
        worker = performer(database, test=Outside(lambda _tools, duty_id, _subject: calls.append(duty_id)))
        worker.perform([duty])
        worker.perform([duty])
        assert calls == [duty, duty]
        assert state(database, duty)["done_at"] is None

    @pytest.mark.parametrize("error", [RuntimeError("down"), GiveUp("never")])
    def test_the_end_is_told(self, database: Database, error: Exception) -> None:
        def work(*_: Any) -> None:
            raise error

        def give_up(uow: UnitOfWork, subject: UUID, reason: str) -> None:
            uow.record(Said(thing_id=subject, words=reason))

        [duty] = owe(database, "test")
        worker = performer(database, test=Outside(work, give_up=give_up))
        for _ in range(outbox.MAX_FAILURES):
            worker.perform([duty])
        assert told(database) == [("test.said", f"{type(error).__name__}: {error}")]
        assert state(database, duty)["dead_at"] is not None

    def test_an_end_that_cannot_be_told_is_no_end(self, database: Database) -> None:
        """Dead and told are one transaction: the duty is not dead while `give_up` has not been written."""

        def work(*_: Any) -> None:
            raise GiveUp("never")

        def give_up(_uow: UnitOfWork, _subject: UUID, _reason: str) -> None:
            raise RuntimeError("this too")

        [duty] = owe(database, "test")
        worker = performer(database, test=Outside(work, give_up=give_up))
        assert worker.perform([duty, new_id()]) == {"done": 0, "skipped": 1, "failed": 1}  # and the rest go on
        assert state(database, duty)["dead_at"] is None
        quiet = replace(worker, handlers={"test": Outside(work)})
        quiet.perform([duty])
        assert state(database, duty)["dead_at"] is not None
