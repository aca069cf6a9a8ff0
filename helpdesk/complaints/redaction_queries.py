"""Every select on redactions, and on what may hold a copy of what is redacted."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from helpdesk.complaints.draft_models import Draft
from helpdesk.complaints.form_models import Quarantined
from helpdesk.complaints.merge_models import Merge, MergedRow
from helpdesk.complaints.models import Complaint, Message, TransitionRow
from helpdesk.complaints.queries import Part, complaint_for_update, visible_id, visible_to
from helpdesk.complaints.redaction_models import Redaction
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_SHOWN: Final[AnySelect] = select(
    Redaction.id,
    Redaction.part,
    Redaction.message_id,
    Redaction.field_key.label("custom_field"),
    Redaction.counter_id,
    Redaction.whole,
    Redaction.places,
    Redaction.reason,
    Redaction.actor_kind,
    Redaction.actor_id,
    func.encode(Redaction.digest, "hex").label("digest"),
    Redaction.mail,
    Redaction.erased_events,
    Redaction.created_at,
)
_BY_ID: Final = Order((Redaction.id,), (UUID,))


def list_redactions(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    statement = _SHOWN.where(Redaction.complaint_id == visible_id(session, actor, ref))
    return listed(session, page, statement, _BY_ID, given)


def redaction(session: Session, redaction_id: UUID) -> dict[str, Any]:
    """For whoever has just made it: no visibility."""
    return dict(session.execute(_SHOWN.where(Redaction.id == redaction_id)).mappings().one())


def message_for_update(session: Session, actor: Actor, ref: str, message_id: UUID) -> Part[Message]:
    complaint = complaint_for_update(session, actor, ref)
    belongs = select(Message).where(Message.id == message_id, Message.complaint_id == complaint.id).with_for_update()
    row = session.scalars(belongs).one_or_none()
    if row is None:
        raise NotFound
    return Part(complaint, row)


def events_at(session: Session, complaint_ids: Collection[UUID], at: datetime) -> Sequence[Any]:
    """`(id, payload)` of what was recorded of complaints in one transaction, erased ones left out."""
    found = select(EventRow.id, EventRow.payload).where(
        EventRow.stream_id.in_(complaint_ids), EventRow.occurred_at == at, EventRow.payload.is_not(None)
    )
    return session.execute(found).all()


def events_that_changed(session: Session, complaint_id: UUID, field: str) -> Sequence[Any]:
    """`(id, payload)` of what tells of a field before and after."""
    found = select(EventRow.id, EventRow.payload).where(
        EventRow.stream_id == complaint_id,
        EventRow.payload.is_not(None),
        or_(EventRow.payload["changes"].has_key(field), EventRow.payload["given"].has_key(field)),
    )
    return session.execute(found).all()


def rewrite_brought(session: Session, complaint_id: UUID, key: str, value: Any) -> None:
    """What merges noted that a complaint brought, or was given, in a custom field: so that undoing one brings nothing back."""
    merges = select(Merge.id).where(or_(Merge.source_id == complaint_id, Merge.survivor_id == complaint_id))
    row = MergedRow.__table__.c
    noted = update(MergedRow).where(
        row.merge_id.in_(merges), row.kind == "complaint_custom_value", row.before["key"].astext == key
    )
    session.execute(noted.values(before={"key": key, "value": value}))


def transitions_at(session: Session, complaint_ids: Collection[UUID], at: datetime) -> Sequence[TransitionRow]:
    found = select(TransitionRow).where(TransitionRow.complaint_id.in_(complaint_ids), TransitionRow.at == at)
    return session.scalars(found.with_for_update()).all()


def drafts_on(session: Session, complaint_id: UUID) -> Sequence[Any]:
    return session.execute(select(Draft.id, Draft.body).where(Draft.complaint_id == complaint_id)).all()


MOST_READ: Final = 2_000


def messages_beside(session: Session, actor: Actor, kin: Sequence[UUID], message_id: UUID | None) -> Sequence[Any]:
    """`(reference, message_id, body)` of the other messages on these complaints that the caller may see; the newest."""
    found = (
        select(Complaint.reference, Message.id.label("message_id"), Message.body)
        .join(Complaint, Complaint.id == Message.complaint_id)
        .where(Message.complaint_id.in_(kin), visible_to(actor), Message.id.is_distinct_from(message_id))
    )
    return session.execute(found.order_by(Message.id.desc()).limit(MOST_READ)).all()


def submission_of(session: Session, complaint_id: UUID) -> Quarantined | None:
    """What a form's trap had caught before it became this complaint: both have one id."""
    return session.scalars(select(Quarantined).where(Quarantined.id == complaint_id).with_for_update()).one_or_none()
