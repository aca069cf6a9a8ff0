"""Every select on complaints, and `visible_to`: which of them exist for whom.

Lists, reads, writes, counts and everything that hangs on a complaint (clocks, offers, timeline) go through the same
condition, so there is no side door. Nobody is told that a row they may not see exists: it is `NotFound`.
"""

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, literal_column, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.models import Complaint, Issue, Message, Need, Person
from helpdesk.complaints.taxonomy import REGULATOR_CHANNELS
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.ids import parse_reference
from helpdesk.kernel.pagination import AnySelect, Order, Page


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Agents: their teams', their own, and what no team has yet. Complainants: the one their link is for."""
    if actor.kind in {"agent", "system"} and actor.sees_all:
        return true()
    if actor.kind == "agent" and actor.may("complaint:read"):
        mine = or_(Complaint.assignee_id == actor.id, Complaint.team_id.is_(None))
        return or_(mine, Complaint.team_id.in_(actor.team_ids)) if actor.team_ids else mine
    if actor.kind == "complainant":
        return Complaint.id == actor.id
    return false()


def by_ref(ref: str) -> ColumnElement[bool]:
    """A path's `ref`: an id, or a reference as somebody typed it. Raises `NotFound` for what can be neither."""
    reference = parse_reference(ref)
    if reference is not None:
        return Complaint.reference == reference
    try:
        return Complaint.id == UUID(ref)
    except ValueError:
        raise NotFound from None


def complaint_for_update(session: Session, actor: Actor, ref: str) -> Complaint:
    """The row, locked, if this actor may see it. Lock order: complaint, then what hangs on it."""
    statement = select(Complaint).where(by_ref(ref), visible_to(actor)).with_for_update()
    row = session.execute(statement).scalar_one_or_none()
    if row is None:
        raise NotFound
    return row


def complaint_by_id_for_update(session: Session, complaint_id: UUID) -> Complaint:
    """For the program itself: no visibility."""
    return session.execute(select(Complaint).where(Complaint.id == complaint_id).with_for_update()).scalar_one()


def get_visible(session: Session, actor: Actor, ref: str) -> Complaint:
    row = session.execute(select(Complaint).where(by_ref(ref), visible_to(actor))).scalar_one_or_none()
    if row is None:
        raise NotFound
    return row


def visible_id(session: Session, actor: Actor, ref: str) -> UUID:
    found = session.execute(select(Complaint.id).where(by_ref(ref), visible_to(actor))).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


_SUMMARY: Final = (
    Complaint.id,
    Complaint.reference,
    Complaint.status,
    Complaint.channel,
    Complaint.subject,
    Complaint.severity,
    Complaint.track,
    Complaint.waiting_on,
    Complaint.team_id,
    Complaint.assignee_id,
    Complaint.customer_id,
    Complaint.source,
    Complaint.external_id,
    Complaint.received_at,
    Complaint.acknowledged_at,
    Complaint.resolved_at,
    Complaint.updated_at,
    Complaint.escalation_level,
    Complaint.stage,
    Complaint.vulnerable,
    Complaint.version,
)


def _children(model: type[Any], order: Any, *names: str) -> Any:
    """A sub-resource as one JSON array column, so that a complaint with all that belongs to it is one statement."""
    pairs: list[Any] = []
    for name in names:
        pairs += [literal_column(f"'{name}'"), getattr(model, name)]
    rows = (
        select(func.json_build_object(*pairs).label("item"))
        .where(model.complaint_id == Complaint.id)
        .order_by(order)
        .correlate(Complaint)
        .subquery()
    )
    return select(func.coalesce(func.json_agg(rows.c.item), func.json_build_array())).scalar_subquery()


_ISSUES = _children(
    Issue, Issue.position, "id", "category", "issue", "detail", "finding", "evidence", "cause", "outcome"
).label("issues")
_PEOPLE = _children(
    Person,
    Person.id,
    "id",
    "role",
    "name",
    "email",
    "phone",
    "language",
    "region",
    "postcode",
    "authority",
    "customer_id",
    "agent_id",
).label("people")
_NEEDS = _children(Need, Need.id, "id", "flag", "adjustment", "consent", "ground", "expires_at").label("needs")

_DETAIL = select(
    *_SUMMARY,
    Complaint.description,
    Complaint.language,
    Complaint.impact,
    Complaint.urgency,
    Complaint.triaged_at,
    Complaint.investigated_at,
    Complaint.followed_up_at,
    Complaint.created_at,
    Complaint.double_deviation,
    Complaint.dismissal,
    Complaint.outcome,
    Complaint.fault,
    Complaint.root_cause,
    Complaint.contributing_causes,
    Complaint.no_remedy_reason,
    Complaint.remedies_undelivered,
    Complaint.issue_count,
    Complaint.safety,
    Complaint.price_minor,
    Complaint.loss_minor,
    Complaint.currency,
    Complaint.jurisdiction,
    Complaint.sector,
    Complaint.source_data,
    _ISSUES,
    _PEOPLE,
    _NEEDS,
)


def detail(session: Session, actor: Actor, ref: str | UUID) -> dict[str, Any]:
    """A complaint with its issues, people, needs, and what this caller can do with it; one statement.

    By id (`UUID`) it is shown to whoever has just changed it, even where the change (another team) took it out of
    their sight; by `ref` only to whom it is visible.
    """
    condition = Complaint.id == ref if isinstance(ref, UUID) else and_(by_ref(ref), visible_to(actor))
    row = session.execute(_DETAIL.where(condition)).mappings().one_or_none()
    if row is None:
        raise NotFound
    shown = dict(row)
    currency = shown.pop("currency")
    for name in ("price", "loss"):
        minor = shown.pop(f"{name}_minor")
        shown[name] = None if minor is None else (minor, currency)
    facts = SimpleNamespace(**shown, regulator=shown["channel"] in REGULATOR_CHANNELS)
    shown["allowed_actions"] = LIFECYCLE.allowed(shown["status"], facts, actor.may)
    return shown


_SORTS: Final = {
    "-received_at": Order((Complaint.received_at, Complaint.id), (datetime, UUID), descending=True),
    "received_at": Order((Complaint.received_at, Complaint.id), (datetime, UUID)),
}
SORTS: Final = tuple(_SORTS)

_EQUAL: Final = {
    "status": Complaint.status,
    "severity": Complaint.severity,
    "channel": Complaint.channel,
    "waiting_on": Complaint.waiting_on,
    "team_id": Complaint.team_id,
    "assignee_id": Complaint.assignee_id,
    "customer_id": Complaint.customer_id,
    "source": Complaint.source,
    "stage": Complaint.stage,
}


def list_complaints(
    session: Session, actor: Actor, page: Page, given: dict[str, Any]
) -> tuple[Sequence[Any], str | None, int | None]:
    """`(rows, next_cursor, total)`; total only when asked for, since counting reads every row that matches."""
    condition = and_(visible_to(actor), *_conditions(actor, given))
    order = _SORTS[given.get("sort", "-received_at")]
    rows = session.execute(page.narrow(select(*_SUMMARY).where(condition), order)).mappings().all()
    shown, cursor = page.cut(rows, lambda row: (row["received_at"], row["id"]))
    return shown, cursor, _total(session, given, Complaint, condition)


def _conditions(actor: Actor, given: dict[str, Any]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [column == given[name] for name, column in _EQUAL.items() if name in given]
    if given.get("mine"):
        found.append(Complaint.assignee_id == actor.id)
    if given.get("unassigned"):
        found.append(Complaint.assignee_id.is_(None))
    if "received_from" in given:
        found.append(Complaint.received_at >= given["received_from"])
    if "received_before" in given:
        found.append(Complaint.received_at < given["received_before"])
    if "external_id" in given:
        found.append(Complaint.external_id.in_(given["external_id"]))
    if "ref" in given:
        found.append(Complaint.reference.in_([parse_reference(ref) or "" for ref in given["ref"]]))
    if "category" in given or "issue" in given:
        of_issue = select(Issue.complaint_id).where(
            *([Issue.category == given["category"]] if "category" in given else []),
            *([Issue.issue == given["issue"]] if "issue" in given else []),
        )
        found.append(Complaint.id.in_(of_issue))
    return found


def issues_of(session: Session, complaint_id: UUID) -> Sequence[Issue]:
    """In order of position; the complaint is locked by the caller when they are to be changed."""
    return session.scalars(select(Issue).where(Issue.complaint_id == complaint_id).order_by(Issue.position)).all()


def complainant_of(session: Session, complaint_id: UUID) -> Person | None:
    """Whom to write to: the representative with authority where there is one, else the complainant."""
    rows = session.scalars(
        select(Person)
        .where(Person.complaint_id == complaint_id, Person.role.in_(["representative", "complainant"]))
        .order_by(Person.role.desc(), Person.id)
    ).all()
    return next((row for row in rows if row.role == "complainant" or row.authority), None)


def is_subject(session: Session, complaint_id: UUID, agent_id: UUID) -> bool:
    """Whether the complaint is about this agent."""
    statement = select(Person.id).where(
        Person.complaint_id == complaint_id, Person.role == "subject", Person.agent_id == agent_id
    )
    return session.execute(statement).first() is not None


_BY_MESSAGE = Order((Message.id,), (UUID,))
_BY_PLACE = Order((EventRow.stream_seq,), (int,))


def list_messages(
    session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str
) -> tuple[Sequence[Any], str | None, int | None]:
    complaint_id = visible_id(session, actor, ref)
    statement = select(Message).where(Message.complaint_id == complaint_id)
    rows = session.scalars(page.narrow(statement, _BY_MESSAGE)).all()
    shown, cursor = page.cut(rows, lambda row: (row.id,))
    return shown, cursor, _total(session, given, Message, Message.complaint_id == complaint_id)


def _total(session: Session, given: dict[str, Any], table: Any, condition: ColumnElement[bool]) -> int | None:
    """Only when asked for, since counting reads every row that matches."""
    if not given.get("count"):
        return None
    return session.execute(select(func.count()).select_from(table).where(condition)).scalar_one()


def timeline(
    session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str
) -> tuple[Sequence[Any], str | None, int | None]:
    """Events of one complaint, oldest first; an erased payload is None."""
    complaint_id = visible_id(session, actor, ref)
    statement: AnySelect = select(
        EventRow.id,
        EventRow.stream_seq.label("sequence"),
        EventRow.type,
        EventRow.occurred_at,
        EventRow.actor_kind,
        EventRow.actor_id,
        EventRow.payload,
        func.encode(EventRow.hash, "hex").label("hash"),
    ).where(EventRow.stream_id == complaint_id)
    rows = session.execute(page.narrow(statement, _BY_PLACE)).mappings().all()
    shown, cursor = page.cut(rows, lambda row: (row["sequence"],))
    return shown, cursor, _total(session, given, EventRow, EventRow.stream_id == complaint_id)


def chain_of(session: Session, actor: Actor, ref: str) -> tuple[Any, list[EventRow]]:
    """A complaint's `id`, `event_count` and `event_head`, and all its events, of one moment: in two statements, an event
    recorded between them would look like tampering.
    """
    statement = (
        select(Complaint.id, Complaint.event_count, Complaint.event_head, EventRow)
        .outerjoin(EventRow, EventRow.stream_id == Complaint.id)
        .where(by_ref(ref), visible_to(actor))
        .order_by(EventRow.stream_seq)
    )
    rows = session.execute(statement).all()
    if not rows:
        raise NotFound
    return rows[0], [row.EventRow for row in rows if row.EventRow is not None]


def known_external_ids(session: Session, source: str, external_ids: Sequence[str]) -> dict[str, str]:
    """external_id -> reference, of those received before."""
    rows = session.execute(
        select(Complaint.external_id, Complaint.reference).where(
            Complaint.source == source, Complaint.external_id.in_(list(external_ids))
        )
    )
    return {row.external_id: row.reference for row in rows if row.external_id is not None}
