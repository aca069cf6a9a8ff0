"""What a split looks up of the complaint that is split."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Message


def messages_of(session: Session, complaint_id: UUID, message_ids: Sequence[UUID]) -> Sequence[Message]:
    """Of these the ones that are in the complaint's thread."""
    if not message_ids:
        return []
    named = select(Message).where(Message.id.in_(message_ids), Message.complaint_id == complaint_id)
    return session.scalars(named.order_by(Message.id)).all()


def rows_of(session: Session, table: Any, complaint_id: UUID) -> Sequence[Any]:
    return session.scalars(select(table).where(table.complaint_id == complaint_id).order_by(table.id)).all()
