"""Every select on routing rules, on decisions made by them, and on complaints that wait for somebody."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints.events import ComplaintRouted
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_id
from helpdesk.complaints.queue_queries import BY_URGENCY, IS_OPEN, of_team
from helpdesk.complaints.routing_models import RoutingRule, RoutingRuleVersion
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_RULE, _VERSION, _COMPLAINT = RoutingRule.__table__.c, RoutingRuleVersion.__table__.c, Complaint.__table__.c
_EVENT: Final = EventRow.__table__.c

_IN_FORCE: Final = (
    select(_RULE.id, _RULE.version, _RULE.name, _RULE.team_id, _RULE.spec)
    .where(_RULE.active, _RULE.removed_at.is_(None))
    .order_by(_RULE.position, _RULE.id)
)


def rules_in_force(session: Session) -> Sequence[Any]:
    """In their order."""
    return session.execute(_IN_FORCE).all()


_BY_POSITION: Final = Order((_RULE.position, _RULE.id), (int, UUID))
_RULES: Final = select(
    _RULE.id,
    _RULE.name,
    _RULE.team_id,
    _RULE.position,
    _RULE.active,
    _RULE.spec["condition"].label("condition"),
    _RULE.spec["result"].label("result"),
    _RULE.removed_at,
    _RULE.created_at,
    _RULE.version,
)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Everybody's rules, and those of the teams that the actor sees."""
    return true() if actor.sees_all else or_(_RULE.team_id.is_(None), _RULE.team_id.in_(actor.team_ids))


def list_rules(session: Session, actor: Actor, page: Page, given: Mapping[str, Any]) -> Listed:
    """Those that were not taken away, in their order."""
    statement: AnySelect = _RULES.where(visible_to(actor), _RULE.removed_at.is_(None))
    if "team_id" in given:
        statement = statement.where(_RULE.team_id == given["team_id"])
    return listed(session, page, statement, _BY_POSITION, given)


def rule_detail(session: Session, actor: Actor, rule_id: UUID) -> Any:
    return existing(session.execute(_RULES.where(_RULE.id == rule_id, visible_to(actor))).mappings().one_or_none())


def rule_for_update(session: Session, actor: Actor, rule_id: UUID) -> RoutingRule:
    """One that is there. Raises `NotFound`."""
    statement = select(RoutingRule).where(_RULE.id == rule_id, _RULE.removed_at.is_(None), visible_to(actor))
    return existing(session.execute(statement.with_for_update()).scalar_one_or_none())


_BY_VERSION: Final = Order((_VERSION.version,), (int,), descending=True)


def list_versions(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], rule_id: UUID) -> Listed:
    """The newest first, also of a rule that was taken away."""
    rule_detail(session, actor, rule_id)
    names = ("name", "team_id", "position", "active", "condition", "result")
    told = [_VERSION.spec[name].label(name) for name in names]
    statement: AnySelect = select(_VERSION.version, _VERSION.created_at, *told).where(_VERSION.rule_id == rule_id)
    return listed(session, page, statement, _BY_VERSION, given)


def last_position(session: Session) -> int:
    """0 where there is no rule."""
    found: int = session.execute(select(func.coalesce(func.max(_RULE.position), 0))).scalar_one()
    return found


_NEWEST: Final = Order((_EVENT.stream_seq.label("sequence"),), (int,), descending=True)


def list_decisions(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], ref: str) -> Listed:
    """The newest first; who was considered only for whoever may see agents."""
    complaint_id = visible_id(session, actor, ref)
    statement: AnySelect = select(_NEWEST.columns[0], _EVENT.occurred_at, _EVENT.payload).where(
        _EVENT.stream_id == complaint_id, _EVENT.type == ComplaintRouted.type
    )
    rows, cursor, total = listed(session, page, statement, _NEWEST, given)
    shown = [{"sequence": row["sequence"], "at": row["occurred_at"], **(row["payload"] or {})} for row in rows]
    return [told_to(actor, decision) for decision in shown], cursor, total


def told_to(actor: Actor, decision: Mapping[str, Any]) -> dict[str, Any]:
    return {**decision, "candidates": decision.get("candidates") if actor.may("agent:read") else None}


def teams_waiting(session: Session) -> Sequence[UUID | None]:
    """Whose open complaints wait for somebody."""
    waiting = select(_COMPLAINT.team_id).where(_COMPLAINT.awaits_agent, IS_OPEN).distinct()
    return session.scalars(waiting).all()


Urgency = tuple[str, datetime, UUID]


def waiting(session: Session, team_id: UUID | None, after: Urgency | None, limit: int) -> Sequence[Any]:
    """`id`, `severity`, `next_due_at`, `required_skills` of complaints that wait, the most urgent first."""
    statement: AnySelect = select(
        _COMPLAINT.id, _COMPLAINT.severity, _COMPLAINT.next_due_at, _COMPLAINT.required_skills
    ).where(_COMPLAINT.awaits_agent, _COMPLAINT.assignee_id.is_(None), IS_OPEN, of_team(team_id))
    if after is not None:
        statement = statement.where(BY_URGENCY.after(after))
    return session.execute(BY_URGENCY.apply(statement).limit(limit)).all()


_WAITING: Final = (
    select(Complaint)
    .where(_COMPLAINT.id == bindparam("id"), _COMPLAINT.awaits_agent, _COMPLAINT.assignee_id.is_(None), IS_OPEN)
    .with_for_update(skip_locked=True)
)


def waiting_for_update(session: Session, complaint_id: UUID) -> Complaint | None:
    """None when it waits no more, or somebody is at work on it."""
    found: Complaint | None = session.execute(_WAITING, {"id": complaint_id}).scalar_one_or_none()
    return found
