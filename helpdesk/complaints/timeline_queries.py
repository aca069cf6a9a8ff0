"""Every select on a complaint's timeline. It is seen with the complaint; of offers only who may read them sees what was
offered, of other complaints that an event names only who may see those which they are, and of anything a complainant
nothing at all.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import String, and_, bindparam, cast, func, select, union_all
from sqlalchemy.orm import Session

from helpdesk.complaints import queries
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.named_queries import named_in, unseen, without_names
from helpdesk.complaints.summaries import Call, summary
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Team
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.taxonomy.in_force import in_force
from helpdesk.taxonomy.terms import label_in

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
    shown = for_reader(session, actor, rows)
    call = names_for(session, shown, language)
    shown = [row | {"summary": say(row, language, call)} for row in shown]
    return shown, cursor, total


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


def for_reader(session: Session, actor: Actor, rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Events, mappings with `type` and `payload`, as this actor may read them: with `withheld`, and in `payload` only what is for them."""
    found = list(rows)
    hidden = unseen(session, actor, ((row["type"], row["payload"]) for row in found))
    offers = actor.may("offer:read")
    return [withhold(row, offers=offers, hidden=hidden) for row in found]


def withhold(row: Mapping[str, Any], *, offers: bool, hidden: Collection[UUID]) -> dict[str, Any]:
    """`offers`: whether what was offered is told. `hidden`: complaints of which it is not told that they are meant."""
    if row["type"].startswith("offer.") and not offers:
        return {**row, "payload": None, "withheld": True}
    if named_in(row["type"], row["payload"]).isdisjoint(hidden):
        return {**row, "withheld": False}
    return {**row, "payload": without_names(row["type"], row["payload"]), "withheld": True}


def say(row: Mapping[str, Any], language: str, call: Call) -> str:
    """The line of an event that went through `withhold`. `call`: see `names_for`."""
    return summary(row["type"], row["payload"], language, withheld=row["withheld"], call=call)


_CODES: Final = {
    "category": "category",
    "issue": "issue",
    "cause": "root_cause",
    "root_cause": "root_cause",
    "contributing_causes": "root_cause",
    "channel": "channel",
}
"""Field of an event -> kind of the taxonomy."""
_IDS: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMES: Final = union_all(
    *(
        select(cast(table.id, String), name).where(table.id.in_(bindparam("ids", expanding=True)))
        for table, name in ((Agent, Agent.name), (Team, Team.name), (Complaint, Complaint.reference))
    )
)


def names_for(session: Session, rows: Iterable[Mapping[str, Any]], language: str) -> Call:
    """What agents, teams, complaints and codes in these rows are called now, in one statement at most. Of what went through
    `withhold`: a complaint that is still named is one that may be.
    """
    ids = {each for row in rows for each in _ids_in(row["payload"])}
    names = {row[0]: row[1] for row in session.execute(_NAMES, {"ids": sorted(ids)})} if ids else {}
    taxonomy = in_force()

    def call(name: str, value: str) -> str | None:
        if name in _CODES:
            term = taxonomy.known(_CODES[name]).get(value)
            return None if term is None else label_in(term.labels, language)
        return names.get(value)

    return call


def _ids_in(payload: Any) -> Iterator[UUID]:
    """Of the fields that changed."""
    for part in ("changes", "complaint_changes"):
        for name, change in ((payload or {}).get(part) or {}).items():
            for value in change if name.endswith(("_id", "_by")) and isinstance(change, list) else ():
                if isinstance(value, str) and _IDS.fullmatch(value):
                    yield UUID(value)


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
