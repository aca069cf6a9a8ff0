"""Complaints whose one clock climbs a ladder at the hour that a test says."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notification_models import Notification
from helpdesk.complaints.working_hours import DAYS
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import alarms, clocks, escalating, policies, queries
from helpdesk.sla.escalation_models import Escalation, Notice
from helpdesk.sla.ladder_schemas import read_ladder
from helpdesk.sla.models import SlaPolicy
from tests.sla.watching import MONDAY, Story

AROUND_THE_CLOCK: Final = {
    "timezone": "UTC",
    "weekly": {day: [["00:00", "24:00"]] for day in DAYS},
}
TELL: Final = {"step": "notify", "given": {"to": ["assignee"]}}


def rung(at: str, *actions: Any, **more: Any) -> dict[str, Any]:
    """`actions`: whole ones, or the names of those that need nothing."""
    return {"at": at, "actions": [{"step": each} if isinstance(each, str) else each for each in actions], **more}


def set_ladder(
    database: Database,
    *rungs: dict[str, Any],
    thresholds: Sequence[int] = (),
    target: tuple[int, str] = (240, "minutes"),
) -> None:
    """The default policy promises an acknowledgement, and that alone, whatever the severity: in four business hours."""
    with database.unit_of_work(SYSTEM) as uow:
        policy = uow.session.scalars(select(SlaPolicy).where(SlaPolicy.is_default).with_for_update()).one()
        targets = {f"S{level}": {"acknowledge": list(target)} for level in range(1, 6)}
        given = {"thresholds": list(thresholds), "ladder": read_ladder(list(rungs)), "targets": targets}
        policies.change(uow, policy, given)


def after(**passed: float) -> datetime:
    """Since Monday, nine o'clock."""
    return MONDAY + timedelta(**passed)


def ring(story: Story, at: datetime) -> int:
    """As a sweep does that looks at that time."""
    with story.database.unit_of_work(SYSTEM, now=at) as uow:
        uow.know_stream(uow.session.get_one(Complaint, story.id, with_for_update=True))
        found = queries.open_clocks_for_update(uow.session, [story.id])
        alarms.look_up(uow, [clock.id for clock in found])
        return sum(clocks.ring(uow, clock, at) for clock in found)


def give(story: Story, agent_id: UUID | None, team_id: UUID | None = None) -> None:
    with story.database.engine.begin() as connection:
        values = {"assignee_id": agent_id, "assigned_at": None if agent_id is None else MONDAY, "team_id": team_id}
        connection.execute(update(Complaint).where(Complaint.id == story.id).values(values))


def set_hours(database: Database, agent_id: UUID, hours: dict[str, Any]) -> None:
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO agent_profile (agent_id, working_hours) VALUES (:id, CAST(:hours AS jsonb)) "
                "ON CONFLICT (agent_id) DO UPDATE SET working_hours = EXCLUDED.working_hours"
            ),
            {"id": agent_id, "hours": orjson.dumps(hours).decode()},
        )


def complaint_of(story: Story) -> Complaint:
    with Session(story.database.engine) as session:
        return session.get_one(Complaint, story.id)


def actions(story: Story) -> list[tuple[str, str, str, str | None]]:
    """Rung, step, outcome and why, in the order in which they are to be done."""
    with Session(story.database.engine) as session:
        rows = session.scalars(
            select(Escalation)
            .where(Escalation.complaint_id == story.id)
            .order_by(Escalation.generation, Escalation.planned_for, Escalation.place)
        )
        return [(row.rung, row.step, row.outcome, row.reason) for row in rows]


def notices(story: Story) -> list[tuple[str, UUID, str, str | None]]:
    """Rung, agent, outcome and why."""
    with Session(story.database.engine) as session:
        rows = session.execute(
            select(Escalation.rung, Notice.agent_id, Notice.outcome, Notice.reason)
            .join(Escalation, Escalation.id == Notice.escalation_id)
            .where(Escalation.complaint_id == story.id)
            .order_by(Escalation.planned_for, Escalation.place, Notice.agent_id)
        )
        return [(row.rung, row.agent_id, row.outcome, row.reason) for row in rows]


def held(story: Story) -> list[Notice]:
    with Session(story.database.engine) as session:
        rows = select(Notice).join(Escalation, Escalation.id == Notice.escalation_id)
        return list(session.scalars(rows.where(Escalation.complaint_id == story.id, Notice.outcome == "held")))


def told(story: Story, agent_id: UUID) -> list[Notification]:
    with Session(story.database.engine) as session:
        mine = select(Notification).where(Notification.complaint_id == story.id, Notification.agent_id == agent_id)
        return list(session.scalars(mine.where(Notification.kind.like("sla%")).order_by(Notification.id)))


def said(story: Story, *kinds: str) -> list[str]:
    """The types of the events of these kinds, in order."""
    with Session(story.database.engine) as session:
        rows = select(EventRow.type).where(EventRow.stream_id == story.id, EventRow.type.in_(kinds))
        return list(session.scalars(rows.order_by(EventRow.stream_seq)))


def climb(story: Story, **passed: float) -> None:
    """The sweep so long after Monday, nine o'clock, and the worker right after."""
    ring(story, after(**passed))
    escalating.escalate(story.database, story.id)
