"""What conditions ask about a complaint that does not stand on its row."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Message

_MESSAGE: Final = Message.__table__.c
_LAST: Final = (
    select(_MESSAGE.kind, func.max(_MESSAGE.created_at).label("at"))
    .where(_MESSAGE.complaint_id == bindparam("complaint_id"))
    .group_by(_MESSAGE.kind)
)


def last_messages(session: Session, complaint_id: UUID) -> dict[str, datetime]:
    """When the last one of each kind was written."""
    return {row.kind: row.at for row in session.execute(_LAST, {"complaint_id": complaint_id})}
