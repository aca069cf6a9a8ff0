"""Steps that the tests of edits of policies, calendars and rules share."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint, Issue
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import jobs
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import (
    clocks,
    dry_running,
    policy_queries,
    recomputing,
)
from helpdesk.sla.dry_running import Edit
from helpdesk.sla.models import Clock, SlaPolicy
from helpdesk.sla.recompute_scope import EVERY
from tests.complaints.steps import GOOD
from tests.sla.watching import Story

HOUR: Final = timedelta(hours=1)
OFFICE: Final = {
    "timezone": "UTC",
    "weekly_hours": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "holidays": [],
    "working_days": {},
}


def default_policy(database: Database) -> SlaPolicy:
    with Session(database.engine) as session:
        return session.scalars(select(SlaPolicy).where(SlaPolicy.is_default)).one()


def calendar_id(database: Database) -> UUID:
    with Session(database.engine) as session:
        return UUID(str(policy_queries.policy_detail(session, default_policy(database).id)["calendar_id"]))


def carried_out(database: Database, edit: Edit, now: Any = None, *, wanted: bool = True) -> UUID | None:
    """The edit itself, and the job that follows from it."""
    with database.unit_of_work(SYSTEM, now=now) as uow:
        dry_running.EDITS[edit.name](uow, edit)
        return recomputing.begin(uow, SYSTEM, wanted=wanted)


def worked(database: Database, job_id: UUID | None) -> dict[str, Any]:
    """The job done; its result."""
    assert job_id is not None
    assert recomputing.run(database, job_id)
    with Session(database.engine) as session:
        job = session.get_one(jobs.Job, job_id)
        assert (job.state, job.failed) == ("done", 0)
        assert job.done == job.total
        return dict(job.result or {})


def new_targets(database: Database, **more: Any) -> Edit:
    """Of the default policy, those of S3 changed."""
    policy = default_policy(database)
    with Session(database.engine) as session:
        present = policy_queries.policy_detail(session, policy.id)["targets"]
    targets = {**present, "S3": {**present["S3"], **more}}
    return Edit("change_policy", policy.id, {"targets": targets})


def with_holiday(database: Database, *days: str) -> Edit:
    return Edit("change_calendar", calendar_id(database), {**OFFICE, "holidays": list(days)})


class Now:
    """What time it is in these tests."""

    at: Any = None


def with_time(_database: Database, now: Any) -> None:
    Now.at = now


def ring_everything(database: Database, now: Any) -> None:
    with database.unit_of_work(SYSTEM, now=now) as uow:
        for complaint in uow.session.scalars(select(Complaint).order_by(Complaint.id).with_for_update()):
            uow.know_stream(complaint)
        for clock in uow.session.scalars(select(Clock).where(Clock.stopped_at.is_(None))):
            clocks.ring(uow, clock, now)


def issue(database: Database, story: Story) -> dict[str, Any]:
    with Session(database.engine) as session:
        return {"issue_id": session.scalars(select(Issue.id).where(Issue.complaint_id == story.id)).one()}


def finding(database: Database, story: Story) -> dict[str, Any]:
    return {**GOOD["investigate"], "findings": [{**GOOD["investigate"]["findings"][0], **issue(database, story)}]}


def decision(database: Database, story: Story) -> dict[str, Any]:
    return {**GOOD["resolve"], "outcomes": [{"outcome": "upheld", **issue(database, story)}]}


def every(database: Database) -> UUID:
    with database.unit_of_work(SYSTEM) as uow:
        return recomputing.begin_for(uow, SYSTEM, EVERY)
