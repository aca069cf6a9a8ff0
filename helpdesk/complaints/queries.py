"""Every select on complaints, and `visible_to`: which of them exist for whom.

Lists, reads, writes, counts and everything that hangs on a complaint (clocks, offers, timeline) go through the same
condition, so there is no side door. Nobody is told that a row they may not see exists: it is `NotFound`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Result,
    Uuid,
    any_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.custom_field_models import CustomField
from helpdesk.complaints.errors import ComplaintMerged
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.link_models import Link
from helpdesk.complaints.models import NOTHING_DUE, Complaint, Issue
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import MovedMeanwhile, NotFound
from helpdesk.kernel.ids import parse_reference
from helpdesk.kernel.pagination import AnySelect

_COMPLAINT: Final = Complaint.__table__.c
"""Columns as the table has them: a row of columns is read without SQLAlchemy's ORM around it."""


def _sights(actor_id: Any, actor_teams: Any) -> dict[str, ColumnElement[bool]]:
    """Every kind of sight there is, by name."""
    return {
        "everything": true(),
        "own and open to all": or_(
            _COMPLAINT.assignee_id == actor_id, _COMPLAINT.team_id.is_(None), _COMPLAINT.team_id == any_(actor_teams)
        ),
        "own": _COMPLAINT.assignee_id == actor_id,
        "one": _COMPLAINT.id == actor_id,
        "nothing": false(),
    }


SIGHTS: Final = _sights(bindparam("actor_id"), bindparam("actor_teams", type_=ARRAY(Uuid())))
"""With places for the values, for statements that are kept."""

_READERS: Final = frozenset({"agent", "integration", "automation", "system"})


def sight(actor: Actor, team_id: UUID | None = None) -> tuple[str, dict[str, Any]]:
    """Which of `SIGHTS` is the actor's, and the values it takes. `team_id`: only that team's complaints are looked for, of
    which the actor sees all or none but its own: then PostgreSQL need not find that out row by row.
    """
    if actor.kind == "complainant":
        return "one", {"actor_id": actor.id}
    if actor.kind not in _READERS or not actor.may("complaint:read"):
        return "nothing", {}
    if actor.scope == "everything":
        return "everything", {}
    if actor.scope == "own":
        return "own", {"actor_id": actor.id}
    if team_id is not None:
        return ("everything", {}) if team_id in actor.team_ids else ("own", {"actor_id": actor.id})
    return "own and open to all", {"actor_id": actor.id, "actor_teams": list(actor.team_ids)}


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Agents, by the scope of their role: everything; their teams', their own, and what no team has yet; their own.
    Complainants: the one their link is for.
    """
    name, _ = sight(actor)
    return _sights(literal(actor.id, Uuid()), literal(list(actor.team_ids), ARRAY(Uuid())))[name]


_SEES: Final[dict[str, Callable[[Actor, Complaint], bool]]] = {
    "everything": lambda _actor, _row: True,
    "own and open to all": lambda actor, row: (
        row.assignee_id == actor.id or row.team_id is None or row.team_id in actor.team_ids
    ),
    "own": lambda actor, row: row.assignee_id == actor.id,
    "one": lambda actor, row: row.id == actor.id,
    "nothing": lambda _actor, _row: False,
}
"""`_sights` once more, for a row in hand. A test compares the two."""


def sees(actor: Actor, row: Complaint) -> bool:
    """`visible_to`, asked of a row as it stands in this transaction, written yet or not."""
    name, _ = sight(actor)
    return _SEES[name](actor, row)


def sees_held(session: Session, actor: Actor, complaint_id: UUID) -> bool:
    """`sees`, of one that this transaction has locked, so that it is at hand."""
    return sees(actor, session.get_one(Complaint, complaint_id))


_NAMED: Final[dict[str, ColumnElement[bool]]] = {
    "id": _COMPLAINT.id == bindparam("named"),
    "reference": _COMPLAINT.reference == bindparam("named"),
}


def _naming(ref: str) -> tuple[str, str | UUID]:
    """A path's `ref`: an id, or a reference as somebody typed it. Raises `NotFound` for what can be neither."""
    reference = parse_reference(ref)
    if reference is not None:
        return "reference", reference
    try:
        return "id", UUID(ref)
    except ValueError:
        raise NotFound from None


@cache
def of_one(statement: AnySelect, naming: str, sight: str) -> AnySelect:
    """The statement for one complaint, if it is visible. Kept: putting one together again, and SQLAlchemy's finding out
    that it has seen it before, take longer than everything else that a request does with it.
    """
    return statement.where(_NAMED[naming], SIGHTS[sight])


def find(session: Session, statement: AnySelect, actor: Actor, ref: str) -> Result[Any]:
    """What a statement on complaints gives of the one that a path names, if the actor may see it. Raises `NotFound` for a
    `ref` that can be none.
    """
    naming, named = _naming(ref)
    kind, values = sight(actor)
    return session.execute(of_one(statement, naming, kind), {"named": named, **values})


_ROW: Final = select(Complaint)
_FIELD: Final = CustomField.__table__.c
DEMANDED: Final = (
    select(
        func.coalesce(
            func.json_agg(
                func.json_build_object(
                    literal_column("'key'"),
                    _FIELD.key,
                    literal_column("'label'"),
                    _FIELD.label,
                    literal_column("'required_for'"),
                    _FIELD.required_for,
                )
            ),
            func.json_build_array(),
        )
    )
    .where(_FIELD.active, func.cardinality(_FIELD.required_for) > 0)
    .scalar_subquery()
    .label("demanded")
)
"""The custom fields that actions wait for. It is asked for with the complaint, so that it costs no statement."""

_LOCKED: Final = select(Complaint, DEMANDED).with_for_update(of=Complaint)
_ID: Final = select(_COMPLAINT.id)


def complaint_for_update(session: Session, actor: Actor, ref: str) -> Complaint:
    """The row, locked, if this actor may see it. Lock order: complaint, then what hangs on it."""
    return demanding(existing(find(session, _LOCKED, actor, ref).one_or_none()))


def complaint_by_id_for_update(session: Session, complaint_id: UUID) -> Complaint:
    """For the program itself: no visibility."""
    return demanding(session.execute(of_one(_LOCKED, "id", "everything"), {"named": complaint_id}).one())


def demanding(row: Any) -> Complaint:
    """The complaint of a row that has `DEMANDED` beside it."""
    complaint: Complaint = row[0]
    complaint.demanded = row[1]
    return complaint


def know_demands(session: Session, complaint: Complaint) -> None:
    """For whoever locked the row in another way."""
    if complaint.demanded is None:
        complaint.demanded = session.execute(select(DEMANDED)).scalar_one()


@cache
def _thread(naming: str, sight: str) -> Any:
    """One complaint and, where it was merged, the one in which it goes on; kept, as in `of_one`."""
    either = func.unnest(array([_COMPLAINT.id, _COMPLAINT.merged_into_id]))
    return select(_THERE).where(_THERE.id.in_(of_one(select(either), naming, sight))).order_by(_THERE.id)


_THERE: Final = aliased(Complaint)


def thread_for_update(session: Session, actor: Actor, ref: str) -> Complaint:
    """As `complaint_for_update`, for what may be about to be written in another thread: the complaint in which a merged one
    goes on is locked with it, in the order of ids, and `survivor_of` gives it. Raises `MovedMeanwhile`.
    """
    naming, named = _naming(ref)
    kind, values = sight(actor)
    rows = session.scalars(_thread(naming, kind).with_for_update(), {"named": named, **values}).all()
    row: Complaint | None = next((row for row in rows if named in {row.id, row.reference}), None)
    if row is None:
        raise NotFound
    if row.merged_into_id is not None and all(other.id != row.merged_into_id for other in rows):
        raise MovedMeanwhile
    return row


def survivor_of(session: Session, complaint: Complaint) -> Complaint:
    """Where a merged complaint goes on, locked; any other is its own."""
    if complaint.merged_into_id is None:
        return complaint
    return complaint_by_id_for_update(session, complaint.merged_into_id)


def get_one(session: Session, complaint_id: UUID) -> Complaint:
    """For the program itself: no visibility, no lock."""
    row: Complaint = session.execute(of_one(_ROW, "id", "everything"), {"named": complaint_id}).scalar_one()
    return row


def get_visible(session: Session, actor: Actor, ref: str) -> Complaint:
    row: Complaint | None = find(session, _ROW, actor, ref).scalar_one_or_none()
    return existing(row)


def visible_id(session: Session, actor: Actor, ref: str) -> UUID:
    found: UUID | None = find(session, _ID, actor, ref).scalar_one_or_none()
    return existing(found)


def is_visible(session: Session, actor: Actor, ref: str) -> bool:
    return find(session, _ID, actor, ref).first() is not None


_NEXT_DUE: Final = literal_column(
    f"nullif(complaint.next_due_at, timestamptz '{NOTHING_DUE.isoformat()}')", DateTime(timezone=True)
).label("next_due_at")
"""As it is shown: nothing where nothing is due."""

SUMMARY: Final = (
    _COMPLAINT.id,
    _COMPLAINT.reference,
    _COMPLAINT.record_type,
    _COMPLAINT.status,
    _COMPLAINT.channel,
    _COMPLAINT.subject,
    _COMPLAINT.severity,
    _COMPLAINT.track,
    _COMPLAINT.waiting_on,
    _COMPLAINT.team_id,
    _COMPLAINT.assignee_id,
    _COMPLAINT.customer_id,
    _COMPLAINT.source,
    _COMPLAINT.external_id,
    _COMPLAINT.received_at,
    _COMPLAINT.acknowledged_at,
    _COMPLAINT.resolved_at,
    _COMPLAINT.updated_at,
    _NEXT_DUE,
    _COMPLAINT.escalation_level,
    _COMPLAINT.stage,
    _COMPLAINT.vulnerable,
    _COMPLAINT.tags,
    _COMPLAINT.custom_fields,
    _COMPLAINT.version,
)


_REFERENCE: Final = select(_COMPLAINT.id, _COMPLAINT.reference)


def reference_of(session: Session, actor: Actor, complaint_id: UUID) -> dict[str, Any] | None:
    """`id` and `reference` of another complaint, None for who may not see it."""
    row = find(session, _REFERENCE, actor, str(complaint_id)).mappings().one_or_none()
    return None if row is None else dict(row)


def refuse_merged(session: Session, actor: Actor, complaint: Complaint) -> None:
    """For what would be overlooked on a complaint that goes on in another. Raises `ComplaintMerged`."""
    if complaint.merged_into_id is None:
        return
    goes_on = reference_of(session, actor, complaint.merged_into_id)
    if goes_on is None:
        raise ComplaintMerged
    raise ComplaintMerged(f"It goes on in {goes_on['reference']}.", merged_into=goes_on)


def open_children(session: Session, actor: Actor, complaint_id: UUID) -> int:
    """How many of those that the actor may see are open."""
    statement = (
        select(func.count())
        .select_from(Link)
        .join(Complaint, Complaint.id == Link.from_id)
        .where(Link.to_id == complaint_id, Link.kind == "child_of", Complaint.status.in_(OPEN), visible_to(actor))
    )
    return session.execute(statement).scalar_one()


def issues_of(session: Session, complaint_id: UUID) -> Sequence[Issue]:
    """In order of position; the complaint is locked by the caller when they are to be changed."""
    return session.scalars(select(Issue).where(Issue.complaint_id == complaint_id).order_by(Issue.position)).all()


def last_position(session: Session, complaint_id: UUID) -> int:
    """Of the complaint's issues; 0 when it has none."""
    highest = select(func.coalesce(func.max(Issue.position), 0)).where(Issue.complaint_id == complaint_id)
    return session.execute(highest).scalar_one()


PartRow = TypeVar("PartRow")


@dataclass(frozen=True, slots=True)
class Part(Generic[PartRow]):
    """A row that belongs to a complaint, with the complaint, which is locked and whose version counts."""

    complaint: Complaint
    row: PartRow

    @property
    def version(self) -> int:
        return self.complaint.version

    @property
    def etag(self) -> str:
        return self.complaint.etag


def part_for_update(session: Session, actor: Actor, ref: str, table: Any, part_id: UUID) -> Part[Any]:
    """A row of `table` with its complaint, which is locked. Raises `NotFound`."""
    complaint = complaint_for_update(session, actor, ref)
    belongs = select(table).where(table.id == part_id, table.complaint_id == complaint.id)
    return Part(complaint, existing(session.scalars(belongs).one_or_none()))


def known_external_ids(session: Session, source: str, external_ids: Sequence[str]) -> dict[str, str]:
    """external_id -> reference, of those received before."""
    rows = session.execute(
        select(Complaint.external_id, Complaint.reference).where(
            Complaint.source == source, Complaint.external_id.in_(list(external_ids))
        )
    )
    return {row.external_id: row.reference for row in rows if row.external_id is not None}
