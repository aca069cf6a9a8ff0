"""Every select on a complaint's timeline. It is seen with the complaint; of offers only who may read them sees what was
offered, and of anything a complainant nothing at all.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints import queries
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.summaries import summary
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_SEQUENCE: Final = EventRow.stream_seq.label("sequence")
_BY_PLACE: Final = Order((_SEQUENCE,), (int,))
_ENTRY: Final[AnySelect] = select(
    EventRow.id,
    _SEQUENCE,
    EventRow.type,
    EventRow.occurred_at,
    EventRow.actor_kind,
    EventRow.actor_id,
    Agent.name.label("actor_name"),
    EventRow.payload,
    func.encode(EventRow.hash, "hex").label("hash"),
).outerjoin(Agent, and_(Agent.id == EventRow.actor_id, EventRow.actor_kind == "agent"))


def timeline(
    session: Session, actor: Actor, page: Page, given: Mapping[str, Any], ref: str, *, language: str
) -> Listed:
    """Events of one complaint, oldest first, with what they say in a line. Filters look through this one stream."""
    complaint_id = visible_timeline(session, actor, ref)
    statement = _ENTRY.where(EventRow.stream_id == complaint_id, *_conditions(given))
    rows, cursor, total = listed(session, page, statement, _BY_PLACE, given)
    return [told(row, actor, language) for row in rows], cursor, total


def visible_timeline(session: Session, actor: Actor, ref: str) -> UUID:
    if actor.kind == "complainant":
        raise NotFound
    return queries.visible_id(session, actor, ref)


def _conditions(given: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []
    if "type" in given:
        found.append(EventRow.type.in_(given["type"]))
    found += [getattr(EventRow, name) == given[name] for name in ("actor_kind", "actor_id") if name in given]
    if "occurred_from" in given:
        found.append(EventRow.occurred_at >= given["occurred_from"])
    if "occurred_before" in given:
        found.append(EventRow.occurred_at < given["occurred_before"])
    return found


def told(row: Mapping[str, Any], actor: Actor, language: str) -> dict[str, Any]:
    withheld = row["type"].startswith("offer.") and not actor.may("offer:read")
    payload = None if withheld else row["payload"]
    said = summary(row["type"], payload, language, withheld=withheld)
    return {**row, "payload": payload, "withheld": withheld, "summary": said}


def whole_timeline(session: Session, complaint_id: UUID) -> Any:
    """All of it, a few hundred at a time, for the program itself."""
    statement = _ENTRY.where(EventRow.stream_id == complaint_id).order_by(EventRow.stream_seq)
    return session.execute(statement.execution_options(yield_per=200)).mappings()


_CHAIN: Final = (
    select(Complaint.id, Complaint.event_count, Complaint.event_head, EventRow)
    .outerjoin(EventRow, EventRow.stream_id == Complaint.id)
    .order_by(EventRow.stream_seq)
)


def chain_of(session: Session, actor: Actor, ref: str) -> tuple[Any, list[EventRow]]:
    """A complaint's `id`, `event_count` and `event_head`, and all its events, of one moment: in two statements, an event
    recorded between them would look like tampering.
    """
    rows = session.execute(_CHAIN.where(Complaint.id == visible_timeline(session, actor, ref))).all()
    if not rows:
        raise NotFound
    return rows[0], [row.EventRow for row in rows if row.EventRow is not None]
