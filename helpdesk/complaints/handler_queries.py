"""Agents as handlers: what they can do, whether they are there, and how much they have.

**The lock.** Whoever gives somebody a complaint holds the lock of the agent's row first and counts after that, in a
statement of its own: a count in the statement that waited for the lock would be of the time before the wait, and two
who give at once would fill an agent beyond their capacity. Lock order: complaint, then agents by id.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, column, exists, func, literal_column, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints.choosing import Handler, abilities
from helpdesk.complaints.models import OPEN_STATES, Complaint, Person
from helpdesk.complaints.profile_models import AgentAbsence, AgentProfile
from helpdesk.complaints.working_hours import is_working
from helpdesk.identity.models import Agent, Role, TeamMember
from helpdesk.kernel.pagination import AnySelect

NEEDED: Final = frozenset({"complaint:read", "complaint:claim"})
"""What a role must allow before anybody in it is given a complaint."""

_AGENT, _PROFILE, _ABSENCE = Agent.__table__.c, AgentProfile.__table__.c, AgentAbsence.__table__.c
_MEMBER, _ROLE, _PERSON, _COMPLAINT = (
    TeamMember.__table__.c,
    Role.__table__.c,
    Person.__table__.c,
    Complaint.__table__.c,
)

_PRESENT_ABSENCE: Final = (
    select(_ABSENCE.id, _ABSENCE.substitute_id)
    .where(_ABSENCE.agent_id == _AGENT.id, _ABSENCE.starts_at <= func.now(), _ABSENCE.ends_at > func.now())
    .order_by(_ABSENCE.substitute_id.is_(None), _ABSENCE.starts_at, _ABSENCE.id)
    .limit(1)
    .lateral("present_absence")
)
_SUBJECT: Final = exists().where(
    _PERSON.complaint_id == bindparam("complaint_id", type_=Uuid()),
    _PERSON.role == "subject",
    _PERSON.agent_id == _AGENT.id,
)
_HANDLERS: Final = (
    select(
        _AGENT.id,
        _ROLE.permissions,
        _PROFILE.skills,
        _PROFILE.languages,
        _PROFILE.capacity,
        _PROFILE.weights,
        _PROFILE.working_hours,
        and_(
            _PROFILE.availability == "away", or_(_PROFILE.away_until.is_(None), _PROFILE.away_until > func.now())
        ).label("away"),
        _PRESENT_ABSENCE.c.id.label("absence_id"),
        _PRESENT_ABSENCE.c.substitute_id,
        _SUBJECT.label("is_subject"),
        func.now().label("now"),
    )
    .select_from(Agent.__table__)
    .join(Role.__table__, _ROLE.name == _AGENT.role)
    .outerjoin(AgentProfile.__table__, _PROFILE.agent_id == _AGENT.id)
    .outerjoin(_PRESENT_ABSENCE, true())
    .where(_AGENT.active)
    .order_by(_AGENT.id)
)
_OF_TEAM: Final = _HANDLERS.where(
    _AGENT.id.in_(select(_MEMBER.agent_id).where(_MEMBER.team_id == bindparam("team_id")))
)
_NAMED: Final = _HANDLERS.where(_AGENT.id == any_(bindparam("agent_ids", type_=ARRAY(Uuid()))))


def _locking(statement: AnySelect) -> AnySelect:
    # Not FOR UPDATE: a complaint that refers to the agent may be written meanwhile, an edit of the agent may not.
    return statement.with_for_update(key_share=True, of=Agent.__table__)


_LOCKED_OF_TEAM: Final = _locking(_OF_TEAM)
_LOCKED_NAMED: Final = _locking(_NAMED)

_ASKED: Final = (
    func.unnest(bindparam("agent_ids", type_=ARRAY(Uuid())))
    .table_valued(column("agent_id", Uuid()), name="asked")
    .render_derived()
)
_OPEN: Final = (
    select(_COMPLAINT.severity, func.count().label("amount"), func.max(_COMPLAINT.assigned_at).label("newest"))
    .where(
        _COMPLAINT.assignee_id == _ASKED.c.agent_id,
        _COMPLAINT.status.in_(literal_column(f"'{state}'") for state in OPEN_STATES),
        _COMPLAINT.id != bindparam("complaint_id", type_=Uuid()),
    )
    .group_by(_COMPLAINT.severity)
    .lateral("open")
)
_LAST: Final = (
    select(func.max(_COMPLAINT.assigned_at))
    .where(_COMPLAINT.assignee_id == _ASKED.c.agent_id, _COMPLAINT.id != bindparam("complaint_id", type_=Uuid()))
    .scalar_subquery()
)
_LOADS: Final = select(
    _ASKED.c.agent_id, _OPEN.c.severity, _OPEN.c.amount, _OPEN.c.newest, _LAST.label("last_given")
).select_from(_ASKED.outerjoin(_OPEN, true()))
"""States are literals, and not parameters, so that the planner sees the partial index to be enough."""

_NO_COMPLAINT: Final = UUID(int=0)


def handlers_of_team(session: Session, team_id: UUID, complaint_id: UUID | None, *, lock: bool = True) -> list[Handler]:
    """The team's active agents, locked, with their loads; two statements. `complaint_id`: what they might take, whose
    subjects they may be, and which does not count.
    """
    statement = _LOCKED_OF_TEAM if lock else _OF_TEAM
    return _with_loads(session, statement, {"team_id": team_id}, complaint_id)


def handlers(
    session: Session,
    agent_ids: Iterable[UUID],
    complaint_id: UUID | None,
    *,
    lock: bool = True,
    always: bool = False,
) -> dict[UUID, Handler]:
    """As `handlers_of_team`. Who is not there, or not active, is left out. Only where somebody has a limit, or
    `always`, loads are counted.
    """
    statement = _LOCKED_NAMED if lock else _NAMED
    found = _with_loads(session, statement, {"agent_ids": list(agent_ids)}, complaint_id, always=always)
    return {handler.id: handler for handler in found}


def _with_loads(
    session: Session, statement: AnySelect, values: dict[str, Any], complaint_id: UUID | None, *, always: bool = True
) -> list[Handler]:
    this = {"complaint_id": complaint_id or _NO_COMPLAINT}
    rows = session.execute(statement, values | this).all()
    if not rows or not (always or any(row.capacity is not None for row in rows)):
        return [_handler(row, ()) for row in rows]
    loads: dict[UUID, list[Any]] = {}
    for load in session.execute(_LOADS, {"agent_ids": [row.id for row in rows]} | this):
        loads.setdefault(load.agent_id, []).append(load)
    return [_handler(row, loads.get(row.id, ())) for row in rows]


def _handler(row: Any, loads: Sequence[Any]) -> Handler:
    weights = row.weights or {}
    opened = [load for load in loads if load.severity is not None]
    return Handler(
        id=row.id,
        may_handle=NEEDED.issubset(row.permissions),
        is_subject=row.is_subject,
        away=bool(row.away),
        absent=row.absence_id is not None,
        off_hours=row.working_hours is not None and not is_working(row.working_hours, row.now),
        abilities=abilities(row.skills or (), row.languages or ()),
        capacity=row.capacity,
        weights=weights,
        load=sum(load.amount * weights.get(load.severity, 1) for load in opened),
        newest_open=max((load.newest for load in opened if load.newest is not None), default=None),
        last_given=next((load.last_given for load in loads), None),
        substitute_id=row.substitute_id,
    )


_SUBSTITUTE: Final = (
    select(_ABSENCE.substitute_id)
    .where(
        _ABSENCE.agent_id == bindparam("agent_id"),
        _ABSENCE.starts_at <= func.now(),
        _ABSENCE.ends_at > func.now(),
        _ABSENCE.substitute_id.is_not(None),
    )
    .order_by(_ABSENCE.starts_at, _ABSENCE.id)
    .limit(1)
)


def substitute_of(session: Session, agent_id: UUID) -> UUID | None:
    """Who stands in for an agent now; None where they are there, or nobody does."""
    found: UUID | None = session.execute(_SUBSTITUTE, {"agent_id": agent_id}).scalar_one_or_none()
    return found
