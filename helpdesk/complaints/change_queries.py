"""What happened to a complaint while somebody looked at it: told with every 409 and 412, so that who lost a race need not
search for the reason.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.named_queries import named_in, unseen, without_names
from helpdesk.complaints.pair_queries import Pair
from helpdesk.complaints.queries import Part
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.event_log import EventRow

MOST: Final = 20
LATELY: Final = timedelta(minutes=10)
"""Whoever did not say which version they looked at is told what others did since then: who lost a race learns to whom, and
who is merely refused is not told old things, or their own, as if they were news.
"""

_LAST: Final = (
    select(
        EventRow.stream_seq.label("sequence"),
        EventRow.stream_version,
        EventRow.type,
        EventRow.occurred_at,
        EventRow.actor_kind,
        EventRow.actor_id,
        Agent.name.label("actor_name"),
        EventRow.payload,
    )
    .outerjoin(Agent, and_(Agent.id == EventRow.actor_id, EventRow.actor_kind == "agent"))
    .where(EventRow.stream_id == bindparam("complaint_id"))
    .order_by(EventRow.stream_seq.desc())
    .limit(MOST + 1)
)
_BY_OTHERS: Final = _LAST.where(
    EventRow.occurred_at > func.now() - LATELY,
    or_(
        EventRow.actor_kind != bindparam("actor_kind"),
        EventRow.actor_id.is_distinct_from(bindparam("actor_id", type_=Uuid)),
    ),
)


def changes_since(session: Session, actor: Actor, row: Any, version: int | None) -> Mapping[str, Any]:
    """`changes`, oldest first, and whether some were left off. `row`: the complaint, or something of it that knows it
    (`.complaint`); a part with a version of its own says nothing of the complaint's, so that what others did lately is told.

    Complainants learn nothing here: what is internal is not theirs.
    """
    complaint = row if isinstance(row, Complaint) else getattr(row, "complaint", None)
    if not isinstance(complaint, Complaint) or actor.kind == "complainant" or not actor.may("complaint:read"):
        return {}
    since = version if isinstance(row, Complaint | Part | Pair) else None
    found = _events(session, actor, complaint.id, since)
    told = [event for event in found[:MOST] if event.type.partition(".")[0] != "offer" or _sees_offers(actor)]
    hidden = unseen(session, actor, ((event.type, event.payload) for event in told))
    return {"changes": [_shown(event, hidden) for event in told][::-1], "changes_left_off": len(found) > MOST}


def _events(session: Session, actor: Actor, complaint_id: UUID, since: int | None) -> list[Any]:
    """The newest first. Versions only grow along a stream, so what is new stands at its end."""
    if since is None:
        by = {"actor_kind": actor.kind, "actor_id": actor.id}
        return list(session.execute(_BY_OTHERS, {"complaint_id": complaint_id} | by).all())
    rows = session.execute(_LAST, {"complaint_id": complaint_id}).all()
    return [row for row in rows if (row.stream_version or 0) > since]


def _sees_offers(actor: Actor) -> bool:
    return actor.may("offer:read")


def _shown(event: Any, hidden: frozenset[UUID]) -> dict[str, Any]:
    said = event.payload or {}
    if not hidden.isdisjoint(named_in(event.type, event.payload)):
        said = without_names(event.type, said)
    return {
        "sequence": event.sequence,
        "type": event.type,
        "occurred_at": rfc3339(event.occurred_at),
        "actor_kind": event.actor_kind,
        "actor_id": None if event.actor_id is None else str(event.actor_id),
        "actor_name": event.actor_name,
        "changes": {**(said.get("changes") or {}), **(said.get("complaint_changes") or {})},
    }
