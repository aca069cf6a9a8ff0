"""Every select on queues: what a team has open, in the order in which it should be taken up.

Urgency is severity first, then the earliest open promise (`next_due_at`; what is overdue comes before what is not), then
the id. A queue is read and counted along `ix_complaint_queue` and `ix_complaint_unassigned`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, bindparam, exists, func, literal_column, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from helpdesk.complaints.choosing import Handler
from helpdesk.complaints.models import NOTHING_DUE, OPEN_STATES, Complaint, Person
from helpdesk.complaints.queries import visible_to
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Team
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_COMPLAINT, _TEAM, _PERSON = Complaint.__table__.c, Team.__table__.c, Person.__table__.c

IS_OPEN: Final = _COMPLAINT.status.in_([literal_column(f"'{state}'") for state in OPEN_STATES])
"""Literals, and not parameters, so that the planner sees the partial indexes to be enough."""

BY_URGENCY: Final = Order((_COMPLAINT.severity, _COMPLAINT.next_due_at, _COMPLAINT.id), (str, datetime, UUID))
_BY_TEAM: Final = Order((_TEAM.id,), (UUID,))

_ITEM: Final = (
    _COMPLAINT.id,
    _COMPLAINT.reference,
    _COMPLAINT.status,
    _COMPLAINT.channel,
    _COMPLAINT.subject,
    _COMPLAINT.severity,
    _COMPLAINT.waiting_on,
    _COMPLAINT.language,
    _COMPLAINT.team_id,
    _COMPLAINT.assignee_id,
    _COMPLAINT.assigned_at,
    _COMPLAINT.received_at,
    _COMPLAINT.acknowledged_at,
    _COMPLAINT.next_due_at,
    _COMPLAINT.escalation_level,
    _COMPLAINT.vulnerable,
    _COMPLAINT.awaits_agent,
    _COMPLAINT.required_skills,
    _COMPLAINT.version,
)


def of_team(team_id: UUID | None) -> ColumnElement[bool]:
    return _COMPLAINT.team_id.is_(None) if team_id is None else _COMPLAINT.team_id == team_id


def _figures(team_id: ColumnElement[Any] | None, actor: Actor) -> AnySelect:
    """What a queue holds, of what the actor may see."""
    unassigned = _COMPLAINT.assignee_id.is_(None)
    return select(
        func.count().label("open"),
        func.count().filter(unassigned).label("unassigned"),
        func.count().filter(_COMPLAINT.assignee_id == actor.id).label("mine"),
        func.count().filter(_COMPLAINT.waiting_on == "us").label("waiting_on_us"),
        func.count().filter(_COMPLAINT.next_due_at < func.now()).label("overdue"),
        func.count().filter(unassigned, _COMPLAINT.severity.in_(["S1", "S2"])).label("urgent_unassigned"),
        func.min(_COMPLAINT.next_due_at).label("next_due_at"),
        func.min(_COMPLAINT.received_at).label("oldest_received_at"),
    ).where(
        _COMPLAINT.team_id.is_(None) if team_id is None else _COMPLAINT.team_id == team_id, IS_OPEN, visible_to(actor)
    )


def list_queues(session: Session, actor: Actor, page: Page, given: Mapping[str, Any]) -> Listed:
    """The teams that the actor may see, each with the figures of its queue."""
    figures = _figures(_TEAM.id, actor).lateral("figures")
    statement: AnySelect = select(_TEAM.id, _TEAM.name, *figures.c).select_from(Team.__table__.join(figures, true()))
    statement = statement.where(or_(_TEAM.active, figures.c.open > 0))
    if not actor.sees_all:
        statement = statement.where(_TEAM.id.in_(actor.team_ids))
    rows, cursor, total = listed(session, page, statement, _BY_TEAM, given)
    return [_queue(row) for row in rows], cursor, total


def queue(session: Session, actor: Actor, team_id: UUID | None) -> dict[str, Any]:
    """Of one team, or of none. Raises `NotFound`."""
    if team_id is None:
        row = session.execute(_figures(None, actor)).mappings().one()
        return _queue({"id": None, "name": None, **row})
    figures = _figures(_TEAM.id, actor).lateral("figures")
    statement = select(_TEAM.id, _TEAM.name, *figures.c).select_from(Team.__table__.join(figures, true()))
    visible = actor.sees_all or team_id in actor.team_ids
    found = session.execute(statement.where(_TEAM.id == team_id)).mappings().one_or_none() if visible else None
    if found is None:
        raise NotFound
    return _queue(found)


def _queue(row: Any) -> dict[str, Any]:
    shown = dict(row)
    return {"team_id": shown.pop("id"), "team_name": shown.pop("name"), **shown, "next_due_at": due(row["next_due_at"])}


def due(at: datetime | None) -> datetime | None:
    """As it is shown: nothing for the time that stands for nothing."""
    return None if at == NOTHING_DUE else at


def visible_queue(session: Session, actor: Actor, team_id: UUID | None) -> UUID | None:
    """The team itself, if its queue is the actor's to see. Raises `NotFound`."""
    if team_id is None or team_id in actor.team_ids:
        return team_id
    if not actor.sees_all or session.execute(select(_TEAM.id).where(_TEAM.id == team_id)).first() is None:
        raise NotFound
    return team_id


def list_queued(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], team_id: UUID | None) -> Listed:
    """The most urgent first."""
    statement: AnySelect = select(*_ITEM).where(
        of_team(visible_queue(session, actor, team_id)), IS_OPEN, visible_to(actor)
    )
    if "unassigned" in given:
        nobody = _COMPLAINT.assignee_id.is_(None)
        statement = statement.where(nobody if given["unassigned"] else ~nobody)
    rows, cursor, total = listed(session, page, statement, BY_URGENCY, given)
    return [{**row, "next_due_at": due(row["next_due_at"])} for row in rows], cursor, total


_ABILITIES: Final = bindparam("abilities", type_=JSONB)
_ABOUT_THEM: Final = exists().where(
    _PERSON.complaint_id == _COMPLAINT.id,
    _PERSON.role == "subject",
    _PERSON.agent_id == bindparam("agent_id", type_=Uuid()),
)


def next_for_update(
    session: Session, actor: Actor, team_id: UUID | None, handler: Handler, severities: Sequence[str]
) -> Complaint | None:
    """The most urgent that nobody has, that waits for us, and that this handler can take; locked. What others are taking
    at this moment is passed over, not waited for.
    """
    statement = (
        select(Complaint)
        .where(
            of_team(team_id),
            IS_OPEN,
            visible_to(actor),
            _COMPLAINT.assignee_id.is_(None),
            _COMPLAINT.waiting_on == "us",
            or_(_COMPLAINT.required_skills.is_(None), _COMPLAINT.required_skills.contained_by(_ABILITIES)),
            ~_ABOUT_THEM,
        )
        .order_by(*BY_URGENCY.columns)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if len(severities) < len(SEVERITIES):
        statement = statement.where(_COMPLAINT.severity.in_(severities))
    known = languages(handler)
    if known:
        statement = statement.where(or_(_COMPLAINT.language.is_(None), PRIMARY_LANGUAGE.in_(known)))
    values = {"abilities": sorted(handler.abilities), "agent_id": handler.id}
    return session.execute(statement, values).scalar_one_or_none()


PRIMARY_LANGUAGE: Final = func.split_part(func.lower(_COMPLAINT.language), "-", 1)


def languages(handler: Handler) -> list[str]:
    """The primary subtags of what they know; nothing where it is not known what they know."""
    return sorted({ability.split(":")[1] for ability in handler.abilities if ability.startswith("lang:")})
