"""The relay: from duties that are due to rings, with a real Redis and without any.

How it can fail: something due is not rung for, or again and again; what Redis forgot is never rung for again; a Redis or
a queue that is full or away loses a duty; without Redis nothing is done at all.
"""

import contextlib
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.doorbell import QUEUES, AllowedJob, Doorbell, connect
from helpdesk.kernel.duties import Handlers, Outside, Performer
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.relay import Relay
from helpdesk.kernel.unit_of_work import Database
from tests.kernel.happenings import Said, told
from tests.racing import until


def note(database: Any, duty_id: UUID, subject: UUID) -> None:
    with database.unit_of_work(SYSTEM) as uow:
        uow.record(Said(thing_id=subject, words="done"))
        outbox.mark_done(uow.session, duty_id)


def stumble(*_: Any) -> None:
    raise RuntimeError("it broke")


HANDLERS: Handlers = {
    "test": Outside(note),
    "broken": Outside(stumble),
    "long": Outside(note, queue=QUEUES[1]),
    "post": Outside(note, queue=QUEUES[2]),
}


@pytest.fixture
def doorbell(redis_url: str) -> Iterator[Doorbell]:
    with contextlib.closing(connect(redis_url)) as connection:
        yield Doorbell(connection)


@pytest.fixture
def performer(database: Database) -> Performer:
    return Performer(database, HANDLERS, SYSTEM, database)


def owe(database: Database, *topics: str) -> list[str]:
    with database.unit_of_work(SYSTEM) as uow:
        for topic in topics:
            uow.duty(topic, new_id())
    with database.reader() as session:
        found = session.execute(text("SELECT id FROM duty ORDER BY number DESC LIMIT :n"), {"n": len(topics)})
        return [str(one) for one in found.scalars()][::-1]


def rung(doorbell: Doorbell, queue: str = QUEUES[0]) -> list[list[str]]:
    """The ids of every ring in a queue."""
    jobs = Queue(queue, connection=doorbell.connection, serializer=JSONSerializer, job_class=AllowedJob).jobs
    return [job.args[0] for job in jobs]


class TestWithRedis:
    def test_what_is_due_is_rung_for_once(self, database: Database, engine: Engine, doorbell: Doorbell) -> None:
        relay = Relay(engine, HANDLERS, doorbell, None)
        assert relay.step() is False
        made = owe(database, *["test"] * 45, "long", "post", "post")
        owe(database, "a topic nobody handles")
        assert relay.step() is True
        assert rung(doorbell) == [made[:20], made[20:40], made[40:45]]
        assert rung(doorbell, QUEUES[1]) == [made[45:46]]
        assert rung(doorbell, QUEUES[2]) == [[made[46]], [made[47]]]
        assert relay.step() is False
        assert len(rung(doorbell)) == 3

    def test_after_redis_forgot_everything_undone_is_rung_again(
        self, database: Database, engine: Engine, doorbell: Doorbell, performer: Performer
    ) -> None:
        relay = Relay(engine, HANDLERS, doorbell, None)
        done, *owed = owe(database, "test", "test", "long", "broken")
        relay.step()
        performer.perform([UUID(done), UUID(owed[2])])  # the last one fails and is put off
        doorbell.connection.flushall()
        assert rung(doorbell) == []
        assert relay.step() is True
        assert rung(doorbell) == [[owed[0], owed[2]]]
        assert rung(doorbell, QUEUES[1]) == [[owed[1]]]

    def test_a_relay_that_begins_after_redis_forgot(
        self, database: Database, engine: Engine, doorbell: Doorbell
    ) -> None:
        """It knows no earlier epoch; the leases bring back what was rung for."""
        [made] = owe(database, "test")
        Relay(engine, HANDLERS, doorbell, None).step()
        doorbell.connection.flushall()
        relay = Relay(engine, HANDLERS, doorbell, None)
        relay.step()
        assert rung(doorbell) == []
        with engine.begin() as connection:
            connection.execute(text("UPDATE duty SET next_at = now()"))  # the lease is over
        relay.step()
        assert rung(doorbell) == [[made]]

    def test_redis_away_claims_nothing(self, database: Database, engine: Engine) -> None:
        relay = Relay(engine, HANDLERS, Doorbell(connect("redis://127.0.0.1:1")), None)
        owe(database, "test")
        with pytest.raises(redis.RedisError):
            relay.step()
        with database.reader() as session:
            assert session.execute(text("SELECT attempts FROM duty")).scalar_one() == 0

    def test_a_full_queue_is_not_filled_further(self, database: Database, engine: Engine, doorbell: Doorbell) -> None:
        relay = Relay(engine, HANDLERS, doorbell, None)
        doorbell.connection.rpush(f"rq:queue:{QUEUES[0]}", *[str(number) for number in range(500)])
        _, long = owe(database, "test", "long")
        assert relay.step() is True
        assert rung(doorbell, QUEUES[1]) == [[long]]
        with database.reader() as session:
            assert session.execute(text("SELECT attempts FROM duty WHERE topic = 'test'")).scalar_one() == 0


class TestWithoutRedis:
    def test_it_does_the_work_itself(self, database: Database, engine: Engine, performer: Performer) -> None:
        relay = Relay(engine, HANDLERS, None, performer)
        owe(database, "test", "broken", "long")
        assert relay.step() is True
        assert len(told(database)) == 2
        assert relay.step() is False

    def test_one_or_the_other(self, engine: Engine, performer: Performer) -> None:
        for doorbell, inline in ((None, None), (Doorbell(connect("redis://127.0.0.1:1")), performer)):
            with pytest.raises(ValueError, match="doorbell or an inline performer"):
                Relay(engine, HANDLERS, doorbell, inline)


@contextlib.contextmanager
def running(relay: Relay) -> Iterator[None]:
    thread = Thread(target=relay.run)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join(30)
    assert not thread.is_alive()


class TestRunning:
    def test_until_it_is_stopped(self, database: Database, engine: Engine, performer: Performer) -> None:
        """A thread of its own that is woken by each commit; a connection that dies is made anew."""
        with running(Relay(engine, HANDLERS, None, performer)):
            for number in (1, 2, 3):
                owe(database, "test")
                until(lambda number=number: len(told(database)) == number)  # type: ignore[misc]
            with engine.connect() as connection:
                killed = connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                        "WHERE application_name = 'helpdesk-relay' AND datname = current_database()"
                    )
                )
                assert killed.scalars().all() == [True] * len(QUEUES)  # a thread for each
            owe(database, "test")
            until(lambda: len(told(database)) == 4)

    def test_a_long_import_keeps_no_mail_waiting(self, database: Database, engine: Engine) -> None:
        """Without Redis: the one queue's work stands still in the middle, the other's goes on."""
        begun, go_on = Event(), Event()

        def slow(tools: Any, duty_id: UUID, subject: UUID) -> None:
            begun.set()
            assert go_on.wait(30)
            note(tools, duty_id, subject)

        handlers = {**HANDLERS, "long": Outside(slow, queue=QUEUES[1])}
        relay = Relay(engine, handlers, None, Performer(database, handlers, SYSTEM, database))
        with running(relay):
            owe(database, "long")
            assert begun.wait(30)
            owe(database, "test")
            until(lambda: len(told(database)) == 1)
            go_on.set()
            until(lambda: len(told(database)) == 2)

    def test_what_breaks_one_thread_ends_the_whole(self, database: Database, engine: Engine) -> None:
        """Its supervisor starts it again; half a relay would look alive."""

        class Broken(BaseException):
            """Nothing that a worker would take for a failed duty."""

        def break_down(*_: Any) -> None:
            raise Broken

        handlers = {**HANDLERS, "broken": Outside(break_down)}
        owe(database, "broken")
        with pytest.raises(Broken):
            Relay(engine, handlers, None, Performer(database, handlers, SYSTEM, database)).run()
