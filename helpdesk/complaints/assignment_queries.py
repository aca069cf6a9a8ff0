"""Who had a complaint, from when until when: read off its events, so that there is no second book."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, and_, cast, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.events import ComplaintAssigned, ComplaintReceived
from helpdesk.complaints.queries import visible_id
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import Listed, Order, Page, listed

_EVENT: Final = EventRow.__table__.c
_SAID: Final = _EVENT.payload
_LATER: Final = func.lead(_EVENT.occurred_at).over(order_by=_EVENT.stream_seq)


def _told(name: str) -> Any:
    """What holds after the event. Before events said so by themselves, it stood in their changes."""
    return func.coalesce(_SAID[name].astext, _SAID["changes"][name][1].astext)


def list_periods(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    """Oldest first; the last one has no end. Of an erased event only the times are left."""
    complaint_id = visible_id(session, actor, ref)
    periods = (
        select(
            _EVENT.stream_seq.label("sequence"),
            _told("assignee_id").label("assignee"),
            _told("team_id").label("team"),
            _EVENT.occurred_at.label("since"),
            _LATER.label("until"),
            _EVENT.type,
            _EVENT.actor_kind,
            _EVENT.actor_id,
            _SAID["how"].astext.label("how"),
            _SAID["reason"].astext.label("reason"),
            cast(_SAID["override"].astext, Boolean).label("override"),
        )
        .where(_EVENT.stream_id == complaint_id, _EVENT.type.in_([ComplaintReceived.type, ComplaintAssigned.type]))
        .subquery()
    )
    statement = select(periods, Agent.name.label("assignee_name")).outerjoin(
        Agent, and_(cast(Agent.id, periods.c.assignee.type) == periods.c.assignee)
    )
    rows, cursor, total = listed(session, page, statement, Order((periods.c.sequence,), (int,)), given)
    return [_period(row, names=actor.may("agent:read")) for row in rows], cursor, total


def _period(row: Any, *, names: bool) -> dict[str, Any]:
    received = row["type"] == ComplaintReceived.type
    lasted = None if row["until"] is None else int((row["until"] - row["since"]).total_seconds())
    return {
        **row,
        "assignee_id": row["assignee"] and UUID(row["assignee"]),
        "assignee_name": row["assignee_name"] if names else None,
        "team_id": row["team"] and UUID(row["team"]),
        "seconds": lasted,
        "how": "received" if received else row["how"] or "assigned",
        "override": bool(row["override"]),
    }
