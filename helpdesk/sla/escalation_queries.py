"""Selects on what follows from alarms: actions that are owed, agents who may be told, and the log."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, any_, exists, func, literal, select, true, tuple_, update
from sqlalchemy.orm import Session

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notification_models import Notification, NotificationPreference, Watcher
from helpdesk.complaints.profile_models import AgentAbsence, AgentProfile
from helpdesk.identity.actor_queries import active_actors
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Role, Team, TeamMember
from helpdesk.kernel.access import existing
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.escalation_models import Escalation, Notice, TeamCalendar
from helpdesk.sla.models import Alarm, Clock, SlaCalendar, SlaCalendarVersion
from helpdesk.sla.specs import already_compiled, compiled
from helpdesk.sla.working_times import Colleague

_LEADS: Final = literal("team:lead") == any_(Role.permissions)


def named(session: Session, complaint: Complaint, to: Collection[str], roles: Collection[str]) -> set[UUID]:
    """The active agents who are meant: by `to` (team_leads, team, watchers), and those of the roles who may see it."""
    asked = []
    of_team = select(Agent.id).join(TeamMember, TeamMember.agent_id == Agent.id).where(Agent.active)
    if complaint.team_id is not None and not {"team", "team_leads"}.isdisjoint(to):
        leads = true() if "team" in to else _LEADS
        mine = of_team.join(Role, Role.name == Agent.role).where(TeamMember.team_id == complaint.team_id, leads)
        asked.append(mine)
    if "watchers" in to:
        asked.append(select(Watcher.agent_id).where(Watcher.complaint_id == complaint.id))
    found = set[UUID]().union(*(session.scalars(statement).all() for statement in asked))
    if roles:
        of_roles = session.scalars(select(Agent.id).where(Agent.role.in_(roles), Agent.active)).all()
        actors = active_actors(session, of_roles)
        found |= {actor.id for actor in actors if actor.id is not None and complaints.sees(actor, complaint)}
    return found


def leads_of(session: Session, team_id: UUID) -> Sequence[UUID]:
    """The active agents who lead a team: its members with `team:lead`."""
    members = select(Agent.id).join(TeamMember, TeamMember.agent_id == Agent.id).join(Role, Role.name == Agent.role)
    return session.scalars(members.where(TeamMember.team_id == team_id, Agent.active, _LEADS).order_by(Agent.id)).all()


def leads_of_all(session: Session) -> Sequence[UUID]:
    """The active agents who lead and see every team: managers, as the roles are shipped."""
    all_ = select(Agent.id).join(Role, Role.name == Agent.role).where(Agent.active, _LEADS, Role.scope == "everything")
    return session.scalars(all_.order_by(Agent.id)).all()


def colleagues(session: Session, agent_ids: Collection[UUID]) -> dict[UUID, Colleague]:
    """Of these agents the active ones, with what tells whether they are at work and what they wish to be told."""
    if not agent_ids:
        return {}
    actors = {actor.id: actor for actor in active_actors(session, agent_ids) if actor.id is not None}
    now = func.now()
    here = and_(AgentAbsence.agent_id == Agent.id, AgentAbsence.starts_at <= now, AgentAbsence.ends_at > now)
    rows = session.execute(
        select(
            Agent.id,
            AgentProfile.working_hours,
            NotificationPreference.mail,
            NotificationPreference.muted,
            AgentAbsence.ends_at,
            AgentAbsence.substitute_id,
        )
        .outerjoin(AgentProfile, AgentProfile.agent_id == Agent.id)
        .outerjoin(NotificationPreference, NotificationPreference.agent_id == Agent.id)
        .outerjoin(AgentAbsence, here)
        .where(Agent.id.in_(actors.keys()))
        .order_by(Agent.id, AgentAbsence.ends_at, AgentAbsence.id)
    )
    return {
        row.id: Colleague(
            actors[row.id],
            row.working_hours,
            row.ends_at,
            row.substitute_id,
            frozenset(row.mail or ()),
            frozenset(row.muted or ()),
        )
        for row in rows  # of several absences at once the one that ends last
    }


def team_calendars(session: Session, team_ids: Collection[UUID]) -> Mapping[UUID, Calendar]:
    """Of these teams those that are active and have one, as it is now."""
    if not team_ids:
        return {}
    rows = session.execute(
        select(TeamCalendar.team_id, SlaCalendar.id, SlaCalendar.version)
        .join(SlaCalendar, SlaCalendar.id == TeamCalendar.calendar_id)
        .join(Team, Team.id == TeamCalendar.team_id)
        .where(TeamCalendar.team_id.in_(team_ids), Team.active)
    )
    return {row.team_id: _compiled(session, row.id, row.version) for row in rows}


def _compiled(session: Session, calendar_id: UUID, version: int) -> Calendar:
    known = already_compiled(calendar_id, version)
    if known is not None:
        return known
    row = session.execute(
        select(SlaCalendarVersion.spec, SlaCalendar.name)
        .join(SlaCalendar, SlaCalendar.id == SlaCalendarVersion.calendar_id)
        .where(SlaCalendarVersion.calendar_id == calendar_id, SlaCalendarVersion.version == version)
    ).one()
    return compiled(calendar_id, version, row.spec, row.name)


def told_of(session: Session, row: Escalation) -> set[UUID]:
    """Who was told of its alarm by another of the rung's actions, or is to be."""
    told = select(Notification.agent_id).where(Notification.event_id == row.event_id)
    held = select(Notice.agent_id).join(Escalation, Escalation.id == Notice.escalation_id)
    held = held.where(_same_alarm(row), Notice.outcome == "held")
    return set(session.scalars(told.union_all(held)))


def _same_alarm(row: Escalation) -> ColumnElement[bool]:
    return and_(
        Escalation.clock_id == row.clock_id, Escalation.generation == row.generation, Escalation.rung == row.rung
    )


def told_newer(session: Session, row: Escalation) -> set[UUID]:
    """Who was told, or is to be, of a later alarm of its clock: a rung that gives the complaint to another has gone before."""
    later = and_(Escalation.clock_id == row.clock_id, Escalation.planned_for > row.planned_for)
    told = select(Notice.agent_id).join(Escalation, Escalation.id == Notice.escalation_id)
    return set(session.scalars(told.where(later, Notice.outcome.in_(("sent", "held")))))


def was_told(session: Session, event_id: UUID, agent_id: UUID | None) -> bool:
    told = exists().where(Notification.event_id == event_id, Notification.agent_id == agent_id)
    return session.execute(select(told)).scalar_one()


def supersede_held(session: Session, told: Collection[tuple[UUID, UUID]], now: datetime) -> None:
    """`told`: clock and agent, who is told more of it now than what was held for them."""
    old = select(Notice.id).join(Escalation, Escalation.id == Notice.escalation_id)
    mine = tuple_(Escalation.clock_id, Notice.agent_id).in_(told)
    statement = update(Notice).where(Notice.id.in_(old.where(mine, Notice.outcome == "held")))
    session.execute(statement.values(outcome="superseded", settled_at=now).execution_options(synchronize_session=False))


def still_owed(session: Session, complaint_ids: Collection[UUID]) -> set[UUID]:
    """Of these complaints the ones that actions are owed of."""
    owed = select(Escalation.complaint_id).where(
        Escalation.complaint_id.in_(complaint_ids), Escalation.outcome == "owed"
    )
    return set(session.scalars(owed))


def held_complaint(session: Session, complaint_id: UUID) -> Complaint | None:
    """Locked, for the program itself; None where it is not there any more."""
    found = select(Complaint).where(Complaint.id == complaint_id).with_for_update()
    return session.scalars(found).one_or_none()


_IN_ORDER: Final = (Escalation.planned_for, Escalation.clock_id, Escalation.generation, Escalation.place, Escalation.id)


def owed_of(session: Session, complaint_id: UUID) -> Sequence[Escalation]:
    """In the order in which they are to be done; the complaint is locked."""
    mine = select(Escalation).where(Escalation.complaint_id == complaint_id, Escalation.outcome == "owed")
    return session.scalars(mine.order_by(*_IN_ORDER)).all()


def owed_one(session: Session, escalation_id: UUID) -> Escalation | None:
    mine = select(Escalation).where(Escalation.id == escalation_id, Escalation.outcome == "owed")
    return session.scalars(mine).one_or_none()


def done_before(session: Session, row: Escalation) -> bool:
    """Whether this rung of the clock has done the same already, before the clock was counted anew."""
    same = and_(Escalation.clock_id == row.clock_id, Escalation.rung == row.rung, Escalation.step == row.step)
    before = exists().where(same, Escalation.outcome == "done", Escalation.generation < row.generation)
    return session.execute(select(before)).scalar_one()


def late_seconds_of(session: Session, row: Escalation) -> int:
    this = and_(Alarm.clock_id == row.clock_id, Alarm.generation == row.generation, Alarm.rung == row.rung)
    return session.execute(select(Alarm.late_seconds).where(this)).scalar_one()


def complaint_of_notice(session: Session, notice_id: UUID) -> UUID | None:
    """None: it is not held any more."""
    statement = select(Escalation.complaint_id).join(Notice, Notice.escalation_id == Escalation.id)
    return session.scalars(statement.where(Notice.id == notice_id, Notice.outcome == "held")).one_or_none()


def held_notice(session: Session, notice_id: UUID) -> tuple[Notice, Escalation, Clock] | None:
    """With what it is about; the complaint is locked."""
    statement = (
        select(Notice, Escalation, Clock)
        .join(Escalation, Escalation.id == Notice.escalation_id)
        .join(Clock, Clock.id == Escalation.clock_id)
        .where(Notice.id == notice_id, Notice.outcome == "held")
    )
    row = session.execute(statement).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


_LOG: Final = (
    Alarm.clock_id,
    Alarm.generation,
    Alarm.rung,
    Alarm.threshold,
    Alarm.planned_for,
    Alarm.fired_at,
    Alarm.late_seconds,
    Clock.kind,
    Clock.round,
)
_BY_TIME: Final = Order(
    (Alarm.fired_at, Alarm.planned_for, Alarm.clock_id, Alarm.generation, Alarm.rung),
    (datetime, datetime, UUID, int, str),
    descending=True,
)


def log_of(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], ref: str) -> Listed:
    """Every alarm of a complaint's clocks with what followed, the newest first."""
    complaint_id = complaints.visible_id(session, actor, ref)
    statement = select(*_LOG).join(Clock, Clock.id == Alarm.clock_id).where(Clock.complaint_id == complaint_id)
    if "clock_id" in given:
        statement = statement.where(Clock.id == given["clock_id"])
    rows, cursor, total = listed(session, page.within(str(complaint_id)), statement, _BY_TIME, given)
    actions = actions_of(session, rows)
    return [{**row, "actions": actions.get(alarm_of(row), [])} for row in rows], cursor, total


def alarm_of(row: Any) -> tuple[Any, ...]:
    """What tells one alarm from all others."""
    return row["clock_id"], row["generation"], row["rung"]


def actions_of(session: Session, alarms: Sequence[Any]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """By alarm, in their order, with everybody who was `told`."""
    wanted = [alarm_of(row) for row in alarms]
    if not wanted:
        return {}
    this = tuple_(Escalation.clock_id, Escalation.generation, Escalation.rung).in_(wanted)
    rows = session.execute(select(*Escalation.__table__.c).where(this).order_by(Escalation.place)).mappings().all()
    told: dict[UUID, list[Any]] = {}
    notices = select(*Notice.__table__.c).where(Notice.escalation_id.in_([row["id"] for row in rows]))
    for notice in session.execute(notices.order_by(Notice.agent_id)).mappings():
        told.setdefault(notice["escalation_id"], []).append(_only(notice, _TOLD_SHOWN))
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        shown = _only(row, _ACTION_SHOWN) | {"told": told.get(row["id"], [])}
        found.setdefault(alarm_of(row), []).append(shown)
    return found


_ACTION_SHOWN: Final = ("step", "given", "outcome", "reason", "detail", "settled_at")
_TOLD_SHOWN: Final = ("agent_id", "outcome", "reason", "until", "settled_at")


def _only(row: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


_TEAM: Final = select(
    Team.id.label("team_id"), TeamCalendar.calendar_id, func.coalesce(TeamCalendar.version, 0).label("version")
)


def team_calendar(session: Session, team_id: UUID) -> Any:
    """Version 0: nobody has said anything. Raises `NotFound` for a team that is not there."""
    statement = _TEAM.outerjoin(TeamCalendar, TeamCalendar.team_id == Team.id).where(Team.id == team_id)
    return existing(session.execute(statement).mappings().one_or_none())


def team_calendar_for_update(session: Session, _actor: Actor, team_id: UUID) -> TeamCalendar:
    """The team is locked, so that of two that find none the second sees what the first has written."""
    existing(session.execute(select(Team.id).where(Team.id == team_id).with_for_update(key_share=True)).one_or_none())
    return session.get(TeamCalendar, team_id) or TeamCalendar(team_id=team_id, calendar_id=None, version=0)


def calendar_exists(session: Session, calendar_id: UUID) -> bool:
    return session.execute(select(exists().where(SlaCalendar.id == calendar_id))).scalar_one()


def unknown_roles(session: Session, names: Collection[str]) -> set[str]:
    return set(names) - set(session.scalars(select(Role.name).where(Role.name.in_(names))))
