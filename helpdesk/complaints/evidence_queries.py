"""Every select for evidence packs, and on what goes into one. A pack is seen with its complaint; one that tells of needs,
offers or other complaints only by who may read those.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, false, func, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints import queries
from helpdesk.complaints.evidence_models import Evidence
from helpdesk.complaints.models import Complaint, Message
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_PACK: Final = Evidence.__table__.c
_SHOWN: Final = tuple(column for column in _PACK if column.name not in {"file_id", "tells_of"})
_NEWEST_FIRST: Final = Order((Evidence.id,), (UUID,), descending=True)


def open_to(actor: Actor) -> ColumnElement[bool]:
    """Of a visible complaint's packs, those that tell nothing that this actor may not read."""
    if actor.kind == "complainant":
        return false()
    needs = true() if actor.may("evidence:needs") else _PACK.needs.is_(False)
    offers = true() if actor.may("offer:read") else _PACK.offers.is_(False)
    return and_(needs, offers, _others_seen(actor))


def _others_seen(actor: Actor) -> ColumnElement[bool]:
    if queries.sight(actor)[0] == "everything":
        return true()
    other = func.unnest(_PACK.tells_of).table_valued("id", name="other").render_derived()
    seen = select(Complaint.id).where(Complaint.id == other.c.id, queries.visible_to(actor)).correlate(other)
    unseen = select(other.c.id).where(~seen.exists()).correlate(Evidence.__table__)
    return and_(_PACK.tells_of.is_not(None), ~unseen.exists())


def list_packs(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], ref: str) -> Listed:
    complaint_id = queries.visible_id(session, actor, ref)
    statement = select(*_SHOWN).where(_PACK.complaint_id == complaint_id, open_to(actor))
    return listed(session, page, statement, _NEWEST_FIRST, given)


def pack_detail(session: Session, actor: Actor, ref: str, evidence_id: UUID) -> dict[str, Any]:
    complaint_id = queries.visible_id(session, actor, ref)
    return _one(session, select(*_SHOWN), complaint_id, evidence_id, actor)


def pack_to_give(session: Session, actor: Actor, complaint_id: UUID, evidence_id: UUID) -> dict[str, Any]:
    """For a link that is used: the pack as it is now, if this actor may still have it. Raises `NotFound`."""
    visible = queries.visible_id(session, actor, str(complaint_id))
    statement = select(*_PACK, Complaint.__table__.c.reference).join(
        Complaint.__table__, Complaint.__table__.c.id == _PACK.complaint_id
    )
    return _one(session, statement, visible, evidence_id, actor)


def _one(session: Session, statement: AnySelect, complaint_id: UUID, evidence_id: UUID, actor: Actor) -> dict[str, Any]:
    belongs = statement.where(_PACK.id == evidence_id, _PACK.complaint_id == complaint_id, open_to(actor))
    row = session.execute(belongs).mappings().one_or_none()
    if row is None:
        raise NotFound
    return dict(row)


def being_made(session: Session, complaint_id: UUID) -> UUID | None:
    """The job of the pack that is being made of this complaint, whose lock is held."""
    found = select(Evidence.job_id).where(Evidence.complaint_id == complaint_id, Evidence.state == "building")
    return session.execute(found).scalar_one_or_none()


def pack_of_job(session: Session, job_id: UUID) -> Evidence | None:
    return session.scalars(select(Evidence).where(Evidence.job_id == job_id)).one_or_none()


def pack_for_update(session: Session, complaint_id: UUID, evidence_id: UUID) -> tuple[Complaint, Evidence]:
    """Both locked, the complaint first, as everywhere."""
    complaint = queries.complaint_by_id_for_update(session, complaint_id)
    return complaint, session.scalars(select(Evidence).where(Evidence.id == evidence_id).with_for_update()).one()


def over(session: Session, limit: int) -> Sequence[Any]:
    """`(complaint_id, id)` of packs whose time is over."""
    found = select(Evidence.complaint_id, Evidence.id).where(
        Evidence.state == "ready", Evidence.expires_at <= func.now()
    )
    return session.execute(found.order_by(Evidence.expires_at).limit(limit)).all()


def still_over(session: Session, evidence_id: UUID) -> bool:
    found = select(Evidence.id).where(
        Evidence.id == evidence_id, Evidence.state == "ready", Evidence.expires_at <= func.now()
    )
    return session.execute(found).first() is not None


_FEW: Final = 100


def thread_of(session: Session, complaint_id: UUID) -> Iterator[Mapping[str, Any]]:
    """Every message, oldest first, a few at a time."""
    said = select(*Message.__table__.c, Agent.name.label("author_name")).outerjoin(
        Agent, and_(Agent.id == Message.author_id, Message.author_kind == "agent")
    )
    ordered = said.where(Message.complaint_id == complaint_id).order_by(Message.id)
    rows: Iterable[Any] = session.execute(ordered.execution_options(yield_per=_FEW)).mappings()
    yield from rows


def chain_of(session: Session, complaint_id: UUID) -> Iterator[EventRow]:
    """Every event, in order, a few at a time; none of them stays in the session."""
    ordered = select(EventRow).where(EventRow.stream_id == complaint_id).order_by(EventRow.stream_seq)
    for row in session.scalars(ordered.execution_options(yield_per=_FEW)):
        yield row
        session.expunge(row)


TEXT_SALT: Final = select(Complaint.text_salt).where(Complaint.id == bindparam("complaint_id"))


def end_of_chain(session: Session, complaint_id: UUID) -> Any:
    """`reference`, `event_count` and `event_head`, as the complaint has them."""
    return session.execute(
        select(Complaint.reference, Complaint.event_count, Complaint.event_head).where(Complaint.id == complaint_id)
    ).one()
