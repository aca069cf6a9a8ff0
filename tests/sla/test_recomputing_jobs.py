"""The job that has open clocks follow an edit.

How it can fail: the worker dies in a batch or between two, or the database does; two workers have one job, two jobs have one complaint;
somebody is working on a complaint; one that cannot be computed stops all others; an edit is left half done.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, jobs
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import (
    recomputing,
    revising,
)
from helpdesk.sla.models import Alarm, Clock
from helpdesk.sla.recompute_scope import EVERY
from helpdesk.sla.sweep import ring_due
from helpdesk.wiring import Program
from tests.racing import LOCKS, at_once, until
from tests.recovery import helpers as offers
from tests.sla.editing import (
    HOUR,
    carried_out,
    new_targets,
    ring_everything,
    with_holiday,
    worked,
)
from tests.sla.test_transitions import differences, told
from tests.sla.watching import AGENT, MONDAY, Story


@pytest.mark.usefixtures("tuesday")
class TestJob:
    """One that is killed, doubled, met by others, or meets something broken."""

    def many(self, database: Database, number: int = 7) -> list[Story]:
        return [Story(database, MONDAY + timedelta(minutes=place)) for place in range(number)]

    def resolved_in(self, database: Database) -> set[int]:
        with Session(database.engine) as session:
            return set(session.scalars(select(Clock.target_amount).where(Clock.kind == "resolve")))

    @pytest.mark.parametrize("place", recomputing.FAULT_POINTS)
    def test_the_worker_dies(self, program: Program, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        """In the middle of a batch nothing of it is left behind; between two it goes on with the next. Nothing is done twice."""
        database = program.database
        monkeypatch.setattr(recomputing, "TOGETHER", 2)
        stories = self.many(database)
        job_id = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        offers.execute(database, "UPDATE duty SET next_at = now(), not_before = now()")
        child = os.fork()
        if child == 0:
            os.environ[faults.VARIABLE] = place
            try:
                offers.perform(program, recomputing.TOPIC)
            finally:
                os._exit(1)  # it did not come so far
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == faults.EXIT_STATUS
        left = {story.clock("resolve").target_amount for story in stories[:2]}
        assert left == ({5} if place == recomputing.IN_BATCH else {10})
        until(lambda: offers.scalar(database, LOCKS) == 0)
        offers.execute(database, "UPDATE duty SET next_at = now()")
        offers.perform(program, recomputing.TOPIC)
        assert self.resolved_in(database) == {10}
        with Session(database.engine) as session:
            job = session.get_one(jobs.Job, job_id)
            assert (job.state, job.done, job.total, job.failed) == ("done", 7, 7, 0)
            assert (job.result or {})["clocks"]["later"] == 7
        assert offers.duties(database, recomputing.TOPIC) == []
        assert all(len(told(database, story.id, "sla.recomputed")) == 1 for story in stories)
        assert {story.clock("resolve").generation for story in stories} == {2}
        assert differences(database) == []

    def test_a_database_that_goes_away(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """As when it is restarted: the sessions are cut in the middle of a batch."""
        monkeypatch.setattr(recomputing, "TOGETHER", 2)
        stories = self.many(database)
        job_id = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        assert job_id is not None
        cut: list[str] = []

        def cutting(place: str) -> None:
            if place == recomputing.IN_BATCH and not cut:
                cut.append(place)
                with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
                    other.execute(
                        text(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'helpdesk%'"
                        )
                    )

        monkeypatch.setattr(faults, "point", cutting)
        with pytest.raises(DBAPIError):
            recomputing.run(database, job_id)
        assert self.resolved_in(database) == {5}
        database.engine.dispose()
        worked(database, job_id)
        assert self.resolved_in(database) == {10}
        assert all(len(told(database, story.id, "sla.recomputed")) == 1 for story in stories)

    def test_two_workers_at_one_job(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recomputing, "TOGETHER", 1)
        stories = self.many(database)
        job_id = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        assert job_id is not None
        results = at_once(*[lambda: recomputing.run(database, job_id)] * 2)
        assert any(results)
        assert recomputing.run(database, job_id)
        with Session(database.engine) as session:
            job = session.get_one(jobs.Job, job_id)
            assert (job.state, job.done, (job.result or {})["clocks"]["later"]) == ("done", 7, 7)
        assert all(len(told(database, story.id, "sla.recomputed")) == 1 for story in stories)

    def test_two_jobs_at_once(self, database: Database) -> None:
        """What the first has not come to yet it does by what is in force, and the second finds it done."""
        stories = self.many(database)
        first = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        with database.unit_of_work(SYSTEM) as uow:
            assert first is not None
            jobs.start(uow.session, first)
        second = carried_out(database, new_targets(database, resolve=[20, "business_days"]))
        assert second not in {None, first}
        at_once(lambda: recomputing.run(database, first), lambda: recomputing.run(database, second))
        assert self.resolved_in(database) == {20}
        assert all(len(told(database, story.id, "sla.recomputed")) == 1 for story in stories)

    def test_two_edits_before_a_worker_comes_are_one_job(self, database: Database) -> None:
        self.many(database, 2)
        first = carried_out(database, with_holiday(database, "2026-03-04"))
        second = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        assert first == second
        worked(database, first)
        assert self.resolved_in(database) == {10}
        with Session(database.engine) as session:
            assert set(session.scalars(select(Clock.calendar_version).where(Clock.kind == "resolve"))) == {2}

    def test_of_another_person_it_is_another_job(self, database: Database) -> None:
        """Who may not see the first would be sent to what is not there for them."""
        self.many(database, 1)
        first = carried_out(database, with_holiday(database, "2026-03-04"))
        with database.unit_of_work(AGENT) as uow:
            assert recomputing.begin_for(uow, AGENT, EVERY) != first

    def test_whoever_works_on_a_complaint_keeps_none_of_the_others_waiting(self, database: Database) -> None:
        stories = self.many(database, 3)
        job_id = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        assert job_id is not None

        def others_are_done() -> bool:
            return [story.clock("resolve").target_amount for story in stories] == [5, 10, 10]

        with Session(database.engine) as holder, ThreadPoolExecutor(1) as pool:
            holder.get_one(Complaint, stories[0].id, with_for_update=True)
            running = pool.submit(recomputing.run, database, job_id)
            until(others_are_done)
            holder.rollback()
            assert running.result()
        assert self.resolved_in(database) == {10}
        with Session(database.engine) as session:
            job = session.get_one(jobs.Job, job_id)
            assert (job.done, job.total, job.failed) == (3, 3, 0)

    def test_one_that_cannot_be_computed_stops_no_other(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stories = self.many(database, 3)
        job_id = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        assert job_id is not None
        real = revising.revise

        def breaking(uow: Any, complaint: Any, *rest: Any, **more: Any) -> None:
            if complaint.id == stories[1].id:
                raise ArithmeticError("no such day")
            real(uow, complaint, *rest, **more)

        monkeypatch.setattr("helpdesk.sla.recomputing.revise", breaking)
        assert recomputing.run(database, job_id)
        assert [story.clock("resolve").target_amount for story in stories] == [10, 5, 10]
        with Session(database.engine) as session:
            job = session.get_one(jobs.Job, job_id)
            assert (job.state, job.done, job.failed) == ("done", 3, 1)
            (item,) = jobs.outcomes(session, job_id)
            assert (item["status"], item["code"]) == (500, "internal_error")

    def test_cancelled_on_the_way(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recomputing, "TOGETHER", 2)
        stories = self.many(database, 4)
        job_id = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        assert job_id is not None

        def cancelling(place: str) -> None:
            if place == recomputing.BETWEEN:
                with database.unit_of_work(SYSTEM) as uow:
                    jobs.end(uow.session, job_id, "cancelled")

        monkeypatch.setattr(faults, "point", cancelling)
        assert recomputing.run(database, job_id)
        assert [story.clock("resolve").target_amount for story in stories] == [10, 10, 5, 5]

    def test_an_alarm_of_before_is_no_alarm(self, database: Database) -> None:
        """Delivered twice, and late: the sweep had read the clock when it was recomputed."""
        story = Story(database)
        ring_everything(database, MONDAY + 2 * HOUR + HOUR / 2)
        assert story.rang("acknowledge") == [50]
        stale = story.clock("resolve")
        worked(database, carried_out(database, new_targets(database, resolve=[10, "business_days"])))
        assert stale.next_alarm_at is not None
        ring_everything(database, stale.next_alarm_at)
        ring_everything(database, stale.next_alarm_at)
        assert story.rang("resolve") == []
        with Session(database.engine) as session:
            rang = session.execute(select(Alarm.generation).where(Alarm.clock_id == stale.id)).all()
        assert rang == []

    def test_while_the_sweep_rings(self, database: Database) -> None:
        """Both lock the complaint; whichever is first, the other looks again."""
        stories = self.many(database, 6)
        job_id = carried_out(database, new_targets(database, resolve=[10, "business_days"]))
        assert job_id is not None
        at_once(lambda: recomputing.run(database, job_id), lambda: ring_due(database), lambda: ring_due(database))
        ring_due(database)
        assert differences(database) == []
        for story in stories:
            breaches = [
                (payload["clock_id"], payload["generation"]) for _, payload in told(database, story.id, "sla.breached")
            ]
            assert len(breaches) == len(set(breaches))
