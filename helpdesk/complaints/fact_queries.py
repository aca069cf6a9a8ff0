"""What conditions ask about a complaint that does not stand on its row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.custom_field_models import CustomField
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


_FIELD: Final = CustomField.__table__.c
_FIELDS: Final = select(_FIELD.key, _FIELD.type, _FIELD.label, _FIELD.options).order_by(_FIELD.position, _FIELD.key)


def custom_fields(session: Session) -> Sequence[Any]:
    """Every definition, of fields that are out of use too: complaints still have values in them."""
    return session.execute(_FIELDS).all()
