"""What follows from an edit of policies, calendars or rules: the open clocks of the complaints that it concerns are recomputed.

By a job that the edit begins in its own transaction (`begin`), and that its answer links to. Each complaint is locked and goes by
the ordinary door (`revising.revise`): its clocks follow from its facts and from what is in force when the job comes by, keeping
what was used, so that nothing depends on how often, in which order, or by how many workers it is done.

**Two edits in a row.** One that comes while the job of the one before still waits for a worker is done by that job, which then
concerns what both do. Once that has begun, the second has a job of its own: what the first has not come to yet it does by what is
in force, so that the second finds it done.

**Killed at any line** it goes on where it stood: how far it is, what it has counted and what it did are one transaction. Whoever
works on a complaint keeps nobody waiting: it is left for the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.identity.recognition import named_again
from helpdesk.kernel import faults, jobs
from helpdesk.kernel.events import Principal
from helpdesk.kernel.retrying import again
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.sla import (
    policies_in_force,
    queries,
    recompute_queries,
    regime_choosing,
    regime_clocks,
    regime_in_force,
    transitions,
)
from helpdesk.sla.models import Clock
from helpdesk.sla.outcomes import Followed, Tally, followed, stand_of
from helpdesk.sla.policy_spec import Policies
from helpdesk.sla.recompute_scope import Edits, Scope
from helpdesk.sla.regime_in_force import Regimes
from helpdesk.sla.revising import note_next_due, revise

log = structlog.get_logger()

KIND: Final = "sla.recompute"
TOPIC: Final = "sla.recompute"
TOGETHER: Final = 25
"""Complaints in one transaction, which is over in a fraction of a second."""
_NARROW: Final = 2_000
_SETTLING: Final = timedelta(seconds=2)
"""Whatever begins after the edit goes by it (`kernel.in_force`); what had begun before is committed by then, and visited too."""
IN_BATCH: Final = "sla.recompute.in_batch"
BETWEEN: Final = "sla.recompute.between"
FAULT_POINTS: Final = (IN_BATCH, BETWEEN)


def begin(uow: UnitOfWork, actor: Principal, *, wanted: bool = True) -> UUID | None:
    """After the edits of this unit of work: the job that recomputes what they concern; its id, None where they concern nothing, or
    the clocks are to be left by the versions that made them (`wanted`).
    """
    scope = uow.book(Edits).scope
    return begin_for(uow, actor, scope) if scope and wanted else None


def begin_for(uow: UnitOfWork, actor: Principal, scope: Scope) -> UUID:
    waiting = recompute_queries.waiting_job(uow.session, KIND, actor.id)
    if waiting is not None:
        both = Scope.from_json(waiting.given["scope"]) | scope
        waiting.given = {**waiting.given, "scope": both.as_json()}
        waiting.total = recompute_queries.count_of(uow.session, both)
        return waiting.id
    given: dict[str, Any] = {"scope": scope.as_json(), "after": None, "left": [], "tally": Tally().as_json()}
    total = recompute_queries.count_of(uow.session, scope)
    soon = uow.now + _SETTLING
    return jobs.begin(uow, actor, kind=KIND, topic=TOPIC, given=given, total=total, not_before=soon)


def follow(
    uow: UnitOfWork,
    complaint: Complaint,
    found: Sequence[Clock],
    policies: Policies,
    regimes: Regimes,
    *,
    choose: bool = False,
) -> Followed:
    """One complaint, by these policies and rules; its stream is known. `found`: its `queries.clocks_at_hand`. `choose`: which rules
    it goes by is judged anew too.
    """
    before = {clock.id: stand_of(clock) for clock in found}
    revise(uow, complaint, found, edited=policies)
    for clock in found:
        if clock.rule_id is not None:
            regime_clocks.recount(uow, clock, regimes)
    if choose and complaint.jurisdiction is not None:
        uow.session.flush()
        regime_choosing.choose_anew(uow, complaint, "rules")
        found = queries.clocks_at_hand(uow.session, complaint.id, complaint.round)
    note_next_due(uow, complaint, found)
    after = {clock.id: clock for clock in (*found, *queries.begun(uow.session, complaint.id))}
    return followed(complaint, before, list(after.values()), uow.now)


def run(database: Database, job_id: UUID) -> bool:
    """Do what is left of a job, and end it; whether it has ended. False where another worker is at it. Safe to run twice, and at
    once.
    """
    with database.reader() as session:
        job = session.get(jobs.Job, job_id)
        actor = named_again(session, None if job is None else job.created_by)
    with database.unit_of_work(actor) as uow:
        started = jobs.start(uow.session, job_id)
        if started is None:
            return True
        scope = Scope.from_json(started.given["scope"])
    work = _Work(database, job_id, scope, actor)
    if work.walk() and work.come_back():
        work.end()
    with database.reader() as session:
        return not jobs.is_under_way(session, job_id)


def _raise_where_away(error: Exception) -> None:
    """Where the database went away, the duty brings the rest back."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        raise error


@dataclass(frozen=True, slots=True)
class _Work:
    """A job at work."""

    database: Database
    job_id: UUID
    scope: Scope
    actor: Actor

    def walk(self) -> bool:
        """All that nobody is working on, in batches; False where somebody has ended the job, or another worker has."""
        while True:
            with self.database.reader() as session:
                if not jobs.is_wanted(session, self.job_id):
                    return False
                job = session.get_one(jobs.Job, self.job_id)
                after = None if job.given["after"] is None else UUID(job.given["after"])
                ids = recompute_queries.concerned(session, self.scope, after, _NARROW)
            if not ids:
                return True
            for start in range(0, len(ids), TOGETHER):
                if not self._batch(ids[start : start + TOGETHER], after):
                    return False
                after = ids[min(start + TOGETHER, len(ids)) - 1]
                faults.point(BETWEEN)

    def _batch(self, ids: Sequence[UUID], after: UUID | None) -> bool:
        try:
            return again(partial(self._try, ids, after), what="batch of a recompute")
        except Exception as error:
            _raise_where_away(error)
            log.warning("a batch of a recompute failed; one by one now", rows=len(ids), exc_info=True)
        for complaint_id in ids:
            try:
                wanted = again(partial(self._try, [complaint_id], after), what="recompute")
            except Exception as error:
                _raise_where_away(error)
                log.exception("a complaint cannot be recomputed", name=str(complaint_id))
                wanted = self._skip(complaint_id, after)
            if not wanted:
                return False
            after = complaint_id
        return True

    def _try(self, ids: Sequence[UUID], after: UUID | None) -> bool:
        with self.database.unit_of_work(self.actor) as uow:
            job = self._mine(uow, after)
            if job is None:
                return False
            free = queries.free_complaints_for_update(uow.session, ids)
            tally = Tally.from_json(job.given["tally"])
            for complaint in free:
                tally.add(self._follow(uow, complaint))
            busy = [str(each) for each in ids if each not in {complaint.id for complaint in free}]
            given = {"after": str(ids[-1]), "left": [*job.given["left"], *busy], "tally": tally.as_json()}
            _advance(job, len(free), given)
            uow.finish()
            faults.point(IN_BATCH)
        return True

    def _mine(self, uow: UnitOfWork, after: UUID | None) -> jobs.Job | None:
        """The job, locked, where it is still wanted and stands where this worker left it: of two at once one goes on."""
        job = jobs.start(uow.session, self.job_id)
        stands = None if job is None or job.given["after"] is None else UUID(job.given["after"])
        return job if stands == after else None

    def _follow(self, uow: UnitOfWork, complaint: Complaint) -> Followed:
        uow.know_stream(complaint)
        transitions.by_job(uow, self.job_id)
        found = queries.clocks_at_hand(uow.session, complaint.id, complaint.round)
        policies = policies_in_force.in_force(uow.session)
        regimes = regime_in_force.in_force(uow.session)
        return follow(uow, complaint, found, policies, regimes, choose=self.scope.choose)

    def _skip(self, complaint_id: UUID, after: UUID | None) -> bool:
        """One that cannot be recomputed keeps none of the others from it; the job names it."""
        with self.database.unit_of_work(self.actor) as uow:
            job = self._mine(uow, after)
            if job is None:
                return False
            _advance(job, 0, {"after": str(complaint_id)})
            self._note_failed(uow, complaint_id)
        return True

    def come_back(self) -> bool:
        """To those that somebody was working on, each by itself, waiting for them."""
        while True:
            with self.database.reader() as session:
                if not jobs.is_wanted(session, self.job_id):
                    return False
                left = session.get_one(jobs.Job, self.job_id).given["left"]
            if not left:
                return True
            one = UUID(left[0])
            try:
                again(partial(self._try_left, one), what="recompute")
            except Exception as error:
                _raise_where_away(error)
                log.exception("a complaint cannot be recomputed", name=str(one))
                with self.database.unit_of_work(self.actor) as uow:
                    job = jobs.start(uow.session, self.job_id)
                    if job is not None and str(one) in job.given["left"]:
                        _advance(job, 0, {"left": [each for each in job.given["left"] if each != str(one)]})
                        self._note_failed(uow, one)

    def _try_left(self, complaint_id: UUID) -> None:
        with self.database.unit_of_work(self.actor) as uow:
            complaint = complaints.complaint_by_id_for_update(uow.session, complaint_id)
            job = jobs.start(uow.session, self.job_id)
            if job is None or str(complaint_id) not in job.given["left"]:
                return
            tally = Tally.from_json(job.given["tally"])
            tally.add(self._follow(uow, complaint))
            left = [each for each in job.given["left"] if each != str(complaint_id)]
            _advance(job, 1, {"left": left, "tally": tally.as_json()})

    def _note_failed(self, uow: UnitOfWork, complaint_id: UUID) -> None:
        uow.session.flush()  # the job's row is counted up by a statement
        place = uow.session.get_one(jobs.Job, self.job_id).failed
        reference = complaints.get_one(uow.session, complaint_id).reference
        jobs.note_item(uow.session, self.job_id, place, reference, 500, code="internal_error")

    def end(self) -> None:
        with self.database.unit_of_work(self.actor) as uow:
            job = jobs.start(uow.session, self.job_id)
            if job is not None:
                jobs.end(uow.session, self.job_id, "done", result=Tally.from_json(job.given["tally"]).shown())


def _advance(job: jobs.Job, by: int, given: Mapping[str, Any]) -> None:
    """Of a locked job. More may be concerned by now than there were."""
    job.done += by
    job.given = {**job.given, **given}
    if job.total is not None:
        job.total = max(job.total, job.done)
