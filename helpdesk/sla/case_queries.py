"""Complaints of the database as they went, to be replayed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint, Issue, Message, TransitionRow
from helpdesk.customers.models import Customer
from helpdesk.identity.models import Team
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.sla.models import Clock
from helpdesk.sla.simulating import Case

_TOGETHER: Final = 1_000
_ISSUES: Final = ("category", "issue")
_ON_THE_ROW: Final = (
    "channel",
    "impact",
    "urgency",
    "track",
    "stage",
    "escalation_level",
    "language",
    "jurisdiction",
    "sector",
    "source",
    "tags",
    "team_id",
    "assignee_id",
    "customer_id",
    "vulnerable",
    "safety",
    "double_deviation",
    "reopened_count",
    "issue_count",
)


def _first(*states: str) -> ColumnElement[datetime]:
    """When it first came into one of these states."""
    return (
        select(func.min(TransitionRow.at))
        .where(
            TransitionRow.complaint_id == Complaint.id,
            TransitionRow.to_status.in_(states),
            TransitionRow.from_status.not_in(states),
        )
        .scalar_subquery()
    )


_REPLIED: Final = (
    select(func.min(Message.created_at))
    .where(Message.complaint_id == Complaint.id, Message.kind == "public_reply", Message.purpose == "message")
    .scalar_subquery()
)
_PAUSES: Final = (
    select(func.jsonb_agg(Clock.pauses))
    .where(Clock.complaint_id == Complaint.id, Clock.round == 1, Clock.pausable)
    .scalar_subquery()
)


def _issue(name: str) -> ColumnElement[Any]:
    column = Issue.__table__.c[name]
    ordered = aggregate_order_by(cast(column, String), Issue.position)
    return (
        select(func.jsonb_agg(ordered))
        .where(Issue.complaint_id == Complaint.id, column.is_not(None))
        .scalar_subquery()
        .label(f"{name}_list")
    )


_CASES: Final[Select[Any]] = (
    select(
        Complaint.id,
        Complaint.received_at,
        Complaint.severity,
        Complaint.acknowledged_at,
        *(Complaint.__table__.c[name] for name in _ON_THE_ROW),
        Team.name.label("team"),
        Customer.tier.label("tier"),
        Customer.kind.label("customer_kind"),
        _first("investigated").label("investigated"),
        _first("resolved").label("resolved"),
        _first("followed_up").label("followed_up"),
        _first("withdrawn", "dismissed").label("ended"),
        _REPLIED.label("replied"),
        cast(_PAUSES, JSONB).label("paused"),
        *(_issue(name) for name in _ISSUES),
    )
    .outerjoin(Team, Team.id == Complaint.team_id)
    .outerjoin(Customer, Customer.id == Complaint.customer_id)
    .where(Complaint.record_type == "complaint")
    .order_by(Complaint.id)
    .limit(_TOGETHER)
)


def cases(session: Session, since: datetime | None = None) -> Iterator[Case]:
    """Every complaint's first round, up to its first reopening, as it went; `since`: of those received at or after. In
    pieces, so that any number of them takes the memory of a few.
    """
    last: UUID | None = None
    statement = _CASES if since is None else _CASES.where(Complaint.received_at >= since)
    while True:
        rows: Sequence[Any] = session.execute(statement if last is None else statement.where(Complaint.id > last)).all()
        for row in rows:
            yield _case(row)
        if len(rows) < _TOGETHER:
            return
        last = rows[-1].id


def _case(row: Any) -> Case:
    facts = {name: getattr(row, name) for name in _ON_THE_ROW}
    facts |= {"categories": row.category_list or [], "issues": row.issue_list or []}
    facts |= {"category": (row.category_list or [None])[0], "issue": (row.issue_list or [None])[0]}
    facts["customer_kind"] = row.customer_kind
    resolved, ended = row.resolved, row.ended
    return Case(
        received=row.received_at,
        severity=row.severity,
        done={
            "acknowledge": row.acknowledged_at,
            "first_response": row.replied,
            "investigate": row.investigated,
            "resolve": resolved,
            "follow_up": row.followed_up,
        },
        tier=row.tier,
        team=row.team,
        pauses=sorted(_pauses(row.paused), key=lambda pause: pause[0]),
        ended=ended if resolved is None or (ended is not None and ended < resolved) else None,
        facts={name: value for name, value in facts.items() if value is not None},
    )


def _pauses(written: Sequence[Sequence[Sequence[str | None]]] | None) -> Iterator[tuple[datetime, datetime | None]]:
    """Those of all its clocks: they are united where they are counted."""
    for clock in written or ():
        for since, until in clock:
            yield parse_rfc3339(str(since)), parse_rfc3339(until) if until else None
