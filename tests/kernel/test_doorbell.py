"""Redis and RQ as a doorbell, with a real Redis and our real worker.

How it can fail: whoever writes to Redis runs a function of theirs; what is rung for does not arrive; a sweep is asked
for a thousand times while nobody sweeps, or never again; a Redis that lost its memory is not noticed; a mail server that
does not answer keeps an alarm waiting; RQ interrupts a ring before its duties could be done.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy import text

from helpdesk import worker
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.doorbell import MAIL, PERFORM, QUEUES, SWEEP, AllowedJob, Doorbell, NotAnEntryPoint, connect
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.relay import Relay
from helpdesk.kernel.settings import Settings
from helpdesk.wiring import HANDLERS, Program, assemble


@pytest.fixture
def doorbell(redis_url: str) -> Iterator[Doorbell]:
    with contextlib.closing(connect(redis_url)) as connection:
        yield Doorbell(connection)


@pytest.fixture
def ringing(settings: Settings, redis_url: str) -> Iterator[Program]:
    program = assemble(replace(settings, redis_url=redis_url))
    yield program
    program.engine.dispose()
    assert program.doorbell is not None
    program.doorbell.connection.close()


def waiting(doorbell: Doorbell, queue: str = QUEUES[0]) -> list[Any]:
    """Name and arguments of every job in a queue."""
    jobs = Queue(queue, connection=doorbell.connection, serializer=JSONSerializer, job_class=AllowedJob).jobs
    return [(job.func_name, job.args) for job in jobs]


def mail_duty(program: Program) -> UUID:
    with program.database.unit_of_work(SYSTEM) as uow:
        queue_mail(uow, subject_id=new_id(), reason="test", recipient="a@x.example", subject="s", body="b")
    with program.database.reader() as session:
        return UUID(str(session.execute(text("SELECT id FROM duty ORDER BY number DESC LIMIT 1")).scalar_one()))


def done(program: Program) -> int:
    with program.database.reader() as session:
        found: int = session.execute(text("SELECT count(*) FROM duty WHERE done_at IS NOT NULL")).scalar_one()
    return found


class TestRinging:
    def test_only_ids_travel(self, doorbell: Doorbell) -> None:
        ids = [new_id(), new_id()]
        doorbell.ring(QUEUES[0], ids)
        assert waiting(doorbell) == [(PERFORM, [[str(one) for one in ids]])]
        assert waiting(doorbell, QUEUES[1]) == []

    def test_the_worker_performs(self, ringing: Program) -> None:
        assert ringing.doorbell is not None
        duty = mail_duty(ringing)
        ringing.doorbell.ring(QUEUES[0], [duty])
        ringing.doorbell.ring(QUEUES[0], [duty, new_id()])
        worker.run(ringing, burst=True)
        assert done(ringing) == 1
        assert waiting(ringing.doorbell) == []

    @pytest.mark.parametrize("queue", QUEUES)
    def test_a_ring_may_take_as_long_as_its_duties(self, doorbell: Doorbell, queue: str) -> None:
        """Mail: a server that takes fifteen seconds for each of ten answers is slow, and is waited for."""
        doorbell.ring(queue, [new_id() for _ in range(25)])
        jobs = Queue(queue, connection=doorbell.connection, serializer=JSONSerializer, job_class=AllowedJob).jobs
        assert sum(len(job.args[0]) for job in jobs) == 25
        for job in jobs:
            assert (job.timeout or 0) >= (150 if queue == MAIL else 60) * len(job.args[0])

    def test_mail_stands_in_front_of_nothing(self, ringing: Program) -> None:
        """The worker of alarms and issuance is not the one that waits for a mail server."""
        assert ringing.doorbell is not None
        mail_duty(ringing)
        Relay(ringing.engine, HANDLERS, ringing.doorbell, None).step()
        ringing.doorbell.sweep("sla.ring_due", 1)
        assert [name for name, _ in waiting(ringing.doorbell)] == [SWEEP]
        worker.run(ringing, burst=True)
        assert done(ringing) == 0
        worker.run(ringing, MAIL, burst=True)
        assert done(ringing) == 1

    def test_the_same_ring_twice_is_two_jobs(self, doorbell: Doorbell) -> None:
        """A stable job id would stay refused after a killed worker."""
        duty = new_id()
        for _ in range(2):
            doorbell.ring(QUEUES[0], [duty])
        assert len(waiting(doorbell)) == 2

    def test_a_worker_of_one_queue_leaves_the_other(self, ringing: Program) -> None:
        assert ringing.doorbell is not None
        ringing.doorbell.ring(QUEUES[1], [mail_duty(ringing)])
        worker.run(ringing, QUEUES[0], burst=True)
        assert done(ringing) == 0
        worker.run(ringing, QUEUES[1], burst=True)
        assert done(ringing) == 1

    def test_room(self, doorbell: Doorbell) -> None:
        assert doorbell.has_room(QUEUES[0])
        doorbell.connection.rpush(f"rq:queue:{QUEUES[0]}", *[str(number) for number in range(500)])
        assert not doorbell.has_room(QUEUES[0])
        assert doorbell.has_room(QUEUES[1])

    def test_room_for_a_few_rings_of_each_worker_where_duties_come_together(self, ringing: Program) -> None:
        """Whatever sweeps wait; a mail comes alone anyhow."""
        doorbell = ringing.doorbell
        assert doorbell is not None
        for number in range(9):
            assert doorbell.sweep(f"sweep {number}", 1)
        for _ in range(4):
            assert doorbell.has_room(QUEUES[0])
            doorbell.ring(QUEUES[0], [new_id()])
            doorbell.ring(MAIL, [new_id()])
        assert not doorbell.has_room(QUEUES[0])
        assert doorbell.has_room(MAIL)
        listening: list[Any] = [worker.HelpdeskWorker([QUEUES[0]], connection=doorbell.connection) for _ in range(2)]
        for one in listening:
            one.register_birth()
        assert doorbell.has_room(QUEUES[0])
        for one in listening:
            one.register_death()
        assert not doorbell.has_room(QUEUES[0])

    def test_redis_away(self) -> None:
        doorbell = Doorbell(connect("redis://127.0.0.1:1"))
        for call in (
            lambda: doorbell.ring(QUEUES[0], [new_id()]),
            lambda: doorbell.has_room(QUEUES[0]),
            lambda: doorbell.sweep("x", 1),
            doorbell.epoch,
        ):
            with pytest.raises(redis.RedisError):
                call()


class TestAllowedJobs:
    @pytest.mark.parametrize(
        "name",
        [
            "os.system",
            "subprocess.run",
            "builtins.exec",
            "helpdesk.worker.run",
            "helpdesk.worker.perform.x",
            "helpdesk.worker._loaded",
            "",
        ],
    )
    def test_no_other_name_is_called(self, doorbell: Doorbell, name: str) -> None:
        job = AllowedJob(id="j", connection=doorbell.connection, serializer=JSONSerializer)
        job.func_name = name
        with pytest.raises(NotAnEntryPoint):
            _ = job.func

    def test_ours_are(self, doorbell: Doorbell) -> None:
        job = AllowedJob(id="j", connection=doorbell.connection, serializer=JSONSerializer)
        job.func_name = PERFORM
        assert job.func is worker.perform

    def test_the_worker_refuses_a_command_and_goes_on(self, ringing: Program, tmp_path: Path) -> None:
        """Somebody can write to Redis: a plain RQ job with a shell command, in our queue."""
        assert ringing.doorbell is not None
        connection = ringing.doorbell.connection
        mark = tmp_path / "broken-into"
        evil = Queue(QUEUES[0], connection=connection, serializer=JSONSerializer)
        job: Job = evil.enqueue_call(func="os.system", args=(f"touch {mark}",), failure_ttl=60)
        ringing.doorbell.ring(QUEUES[0], [mail_duty(ringing)])
        worker.run(ringing, burst=True)
        assert not mark.exists()
        assert job.is_failed
        assert done(ringing) == 1

    def test_pickles_are_not_read(self, ringing: Program, tmp_path: Path) -> None:
        """RQ's own serializer is pickle, which runs what it reads."""
        assert ringing.doorbell is not None
        mark = tmp_path / "broken-into"
        Queue(QUEUES[0], connection=ringing.doorbell.connection).enqueue_call(func="os.system", args=(f"touch {mark}",))
        ringing.doorbell.ring(QUEUES[0], [mail_duty(ringing)])
        worker.run(ringing, burst=True)
        assert not mark.exists()
        assert done(ringing) == 1


class TestSweeps:
    def test_asked_once_until_it_begins(self, ringing: Program) -> None:
        doorbell = ringing.doorbell
        assert doorbell is not None
        assert doorbell.sweep("duties.forget_done", 1) is True
        assert doorbell.sweep("duties.forget_done", 1) is False
        assert doorbell.sweep("sla.ring_due", 1) is True
        assert len(waiting(doorbell)) == 2
        worker.run(ringing, burst=True)
        assert doorbell.sweep("duties.forget_done", 1) is True

    def test_a_marker_left_behind_expires(self, doorbell: Doorbell) -> None:
        """A worker that was killed with the sweep in its hands."""
        doorbell.sweep("a", 1)
        doorbell.sweep("b", 300)
        ttl = {name: int(doorbell.connection.ttl(Doorbell.marker(name))) for name in "ab"}
        assert 0 < ttl["a"] <= 10
        assert 10 < ttl["b"] <= 3000


class TestEpoch:
    def test_lives_as_long_as_the_memory(self, doorbell: Doorbell, redis_url: str) -> None:
        first = doorbell.epoch()
        assert doorbell.epoch() == first
        with contextlib.closing(connect(redis_url)) as other:
            assert Doorbell(other).epoch() == first
        doorbell.connection.flushall()
        second = doorbell.epoch()
        assert second != first
        assert doorbell.epoch() == second
