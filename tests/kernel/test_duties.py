"""Doing what is owed.

How it can fail: a duty delivered twice acts twice; two workers do it at once, when the first is slow or its connection
breaks; one whose worker was killed stays fenced off; one that fails stops the others, leaves half its work, or is never
tried again; one that cannot succeed is tried for ever.
"""

import contextlib
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.duties import GiveUp, Handlers, Outside, Performer
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from tests.kernel.happenings import Said, told
from tests.racing import at_once, until, waiting

Work = Callable[[UnitOfWork, UUID], None]


def note(uow: UnitOfWork, subject: UUID) -> None:
    uow.record(Said(thing_id=subject, words="done"))


def break_down(uow: UnitOfWork, subject: UUID) -> None:
    note(uow, subject)
    uow.duty("test", new_id())
    raise RuntimeError("it broke")


def settling(database: Database, work: Work) -> Outside:
    """A handler without any effect elsewhere: work and settlement in one transaction."""

    def perform(_tools: Any, duty_id: UUID, subject_id: UUID) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            work(uow, subject_id)
            assert outbox.take(uow.session, duty_id) is not None
            outbox.mark_done(uow.session, duty_id)

    return Outside(perform)


def performer(database: Database, *, renewed: float = 60, **handlers: Any) -> Performer:
    made: Handlers = {name: settling(database, work) if callable(work) else work for name, work in handlers.items()}
    return Performer(database, made, SYSTEM, tools="the tools", renewed=renewed)


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


class TestPerform:
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
        assert failed["last_error"] == "RuntimeError"
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
        assert state(database, made[0])["last_error"] == "KeyError"

    def test_unknown_duty_and_none(self, database: Database) -> None:
        worker = performer(database, test=note)
        assert worker.perform([new_id()]) == {"done": 0, "skipped": 1, "failed": 0}
        assert worker.perform([]) == {"done": 0, "skipped": 0, "failed": 0}

    def test_a_statement_that_fails_in_the_database(self, database: Database) -> None:
        def wrong(uow: UnitOfWork, _subject: UUID) -> None:
            uow.session.execute(text("SELECT 1 / 0"))

        [duty] = owe(database, "test")
        assert performer(database, test=wrong).perform([duty])["failed"] == 1
        assert state(database, duty)["last_error"] == "DataError (DivisionByZero) [22012]"

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (smtplib.SMTPRecipientsRefused({"li.wei@example.com": (550, b"no li.wei here")}), "[550]"),
            (smtplib.SMTPDataError(451, b"li.wei@example.com: later"), "[451]"),
            (ValueError("li.wei@example.com"), "ValueError"),
        ],
    )
    def test_no_words_of_others(self, database: Database, error: Exception, said: str) -> None:
        """They quote the recipient or the row, and are shown to operators."""

        def work(_uow: UnitOfWork, _subject: UUID) -> None:
            raise error

        [duty] = owe(database, "test")
        performer(database, test=work).perform([duty])
        shown = state(database, duty)["last_error"]
        assert said in shown
        assert "li.wei" not in shown


class Stuck:
    """A handler that stands in the middle of its effect until it is let go, and counts who was there with it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.begun, self.go_on = Flag(), Flag()
        self.effects = 0

    def __call__(self, _tools: Any, duty_id: UUID, _subject: UUID) -> None:
        self.effects += 1
        self.begun.set()
        assert self.go_on.wait(30)
        with self.database.unit_of_work(SYSTEM) as uow:
            assert outbox.take(uow.session, duty_id) is not None
            outbox.mark_done(uow.session, duty_id)


@contextlib.contextmanager
def performing(worker: Performer, duty: UUID, stuck: Stuck) -> Iterator[Future[dict[str, int]]]:
    """The worker is inside its handler; let go at the end, when it must have done it."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker.perform, [duty])
        try:
            assert stuck.begun.wait(30)
            yield running
        finally:
            stuck.go_on.set()
        assert running.result()["done"] == 1


FENCED = text(
    "SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted "
    "AND a.datname = current_database()"
)

KILLED = """
import sys
from uuid import UUID
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.db import make_engine
from helpdesk.kernel.duties import Outside, Performer
from helpdesk.kernel.unit_of_work import Consequences, Database

def stand_still(*_):
    print("begun", flush=True)
    sys.stdin.read()

database = Database(make_engine(sys.argv[1]), Consequences())
Performer(database, {"test": Outside(stand_still)}, SYSTEM, None).perform([UUID(sys.argv[2])])
"""


class TestFence:
    """One duty, one worker, however long it takes."""

    def test_nobody_else_while_a_slow_one_is_at_it(self, database: Database, engine: Engine) -> None:
        """Its lease is over, Redis has forgotten everything, it was rung for again: it is still in good hands."""
        [duty] = owe(database, "test")
        stuck = Stuck(database)
        with performing(performer(database, test=Outside(stuck)), duty, stuck):
            with engine.begin() as connection:
                connection.execute(text("UPDATE duty SET next_at = now() - interval '1 hour'"))
                assert outbox.ring_everything(connection) == 1
                assert [ring.id for ring in outbox.claim(connection, ["test"])] == [duty]
            assert performer(database, test=Outside(stuck)).perform([duty]) == {"done": 0, "skipped": 1, "failed": 0}
            assert state(database, duty)["begun"] == 1
        assert stuck.effects == 1
        assert state(database, duty)["done_at"] is not None

    def test_the_lease_is_renewed_meanwhile(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database, "test")
        stuck = Stuck(database)
        with performing(performer(database, renewed=0.01, test=Outside(stuck)), duty, stuck):
            for _ in range(2):
                with engine.begin() as connection:
                    connection.execute(text("UPDATE duty SET next_at = now()"))
                until(lambda: state(database, duty)["next_at"] > datetime.now(UTC) + timedelta(seconds=10))
            assert state(database, duty)["attempts"] == 0

    def test_a_connection_that_breaks_meanwhile(self, database: Database, engine: Engine) -> None:
        [duty] = owe(database, "test")
        stuck = Stuck(database)
        with performing(performer(database, renewed=0.01, test=Outside(stuck)), duty, stuck):
            with engine.connect() as connection:
                [pid] = connection.execute(FENCED).scalars().all()
                connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

            def fenced_anew() -> bool:
                with engine.connect() as connection:
                    return bool(set(connection.execute(FENCED).scalars()) - {pid})

            until(fenced_anew)
            assert performer(database, test=Outside(stuck)).perform([duty])["skipped"] == 1
        assert stuck.effects == 1

    def test_a_killed_worker_leaves_it_to_the_next(self, database: Database, database_url: str) -> None:
        [duty] = owe(database, "test")
        command = [sys.executable, "-c", KILLED, database_url, str(duty)]
        worker = performer(database, test=note)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            try:
                assert child.stdout is not None
                assert child.stdout.readline() == "begun\n"
                assert worker.perform([duty])["skipped"] == 1
            finally:
                child.kill()
        until(lambda: worker.perform([duty])["done"] == 1)
        assert told(database) == [("test.said", "done")]

    def test_nothing_stays_locked(self, database: Database, engine: Engine) -> None:
        made = owe(database, "test", "broken", "test")
        performer(database, test=note, broken=break_down).perform(made)
        with engine.connect() as connection:
            assert connection.execute(FENCED).scalars().all() == []

    def test_one_at_work_is_not_buried(self, database: Database, engine: Engine) -> None:
        """Its tenth beginning may be the one that succeeds."""
        [duty] = owe(database, "test")
        with engine.begin() as connection:
            connection.execute(text("UPDATE duty SET begun = :n"), {"n": outbox.MAX_BEGUN - 1})
        stuck = Stuck(database)
        worker = performer(database, test=Outside(stuck))
        with performing(worker, duty, stuck):
            assert worker.bury_silent() == 0
        assert state(database, duty)["dead_at"] is None

    def test_a_claim_at_the_same_moment_leaves_nothing_unsettled(self, database: Database, engine: Engine) -> None:
        """The relay holds the row while the handler wants to settle it: what is done must be marked done."""
        [duty] = owe(database, "test")
        stuck = Stuck(database)
        with (
            performing(performer(database, test=Outside(stuck)), duty, stuck),
            engine.connect() as relay,
            engine.connect() as watcher,
        ):
            relay.execute(text("SELECT 1 FROM duty WHERE id = :id FOR UPDATE"), {"id": duty})
            stuck.go_on.set()
            until(lambda: waiting(watcher) == 1)
            relay.rollback()
        assert state(database, duty)["done_at"] is not None


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

    def test_one_that_cannot_be_given_up_keeps_none_of_the_others(self, database: Database, engine: Engine) -> None:
        def give_up(_uow: UnitOfWork, subject: UUID, _reason: str) -> None:
            if subject == state(database, first)["subject_id"]:
                raise RuntimeError("it cannot be told")

        first, second, third = owe(database, "test", "test", "test")
        with engine.begin() as connection:
            connection.execute(text("UPDATE duty SET begun = :n"), {"n": outbox.MAX_BEGUN})
        worker = performer(database, test=Outside(lambda *_: None, give_up=give_up))
        assert worker.bury_silent() == 2
        assert [state(database, one)["dead_at"] is None for one in (first, second, third)] == [True, False, False]

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
        assert told(database) == [("test.said", "RuntimeError" if type(error) is RuntimeError else "GiveUp: never")]
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
