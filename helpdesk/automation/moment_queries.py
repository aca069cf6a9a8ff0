"""Which complaints a timed trigger has to look at: found by indexes, asked one by one afterwards.

Ids are made of the time, so that a stretch of time is a range of the log's primary key. The clocks of the machines that
make ids may differ: the range is wider by a margin, and the event's own time, which is the database's, decides.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from helpdesk.automation.timing import Anchor
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.ids import id_at

MARGIN: Final = timedelta(minutes=5)

_COMPLAINT, _EVENT = Complaint.__table__.c, EventRow.__table__.c


def started(session: Session, anchor: Anchor, after: datetime, until: datetime) -> Sequence[UUID]:
    """Complaints whose time of this name may lie in `(after, until]`."""
    if anchor.column is not None:
        column: Any = _COMPLAINT[anchor.column]
        return session.scalars(select(_COMPLAINT.id).where(column > after, column <= until).order_by(column)).all()
    found = select(_EVENT.stream_id).where(*_set(anchor, after, until), _EVENT.stream_id.is_not(None)).distinct()
    return [complaint_id for complaint_id in session.scalars(found) if complaint_id is not None]


def starts(session: Session, anchor: Anchor, after: datetime, until: datetime, limit: int) -> Sequence[Any]:
    """`(complaint_id, at)` of each, the oldest first."""
    if anchor.column is not None:
        column: Any = _COMPLAINT[anchor.column]
        found = select(_COMPLAINT.id.label("complaint_id"), column.label("at")).where(column > after, column <= until)
        return session.execute(found.order_by(column, _COMPLAINT.id).limit(limit)).all()
    told = select(_EVENT.stream_id.label("complaint_id"), _EVENT.occurred_at.label("at"))
    return session.execute(told.where(*_set(anchor, after, until)).order_by(_EVENT.id).limit(limit)).all()


def _set(anchor: Anchor, after: datetime, until: datetime) -> list[ColumnElement[bool]]:
    told = [_EVENT.payload[name].astext == value for name, value in (anchor.where or {}).items()]
    return [*within(after, until), _EVENT.type.in_(anchor.events), *told]


def within(after: datetime, until: datetime) -> list[ColumnElement[bool]]:
    """Events of `(after, until]`, by the range of their ids."""
    return [
        _EVENT.id.between(id_at(after - MARGIN), id_at(until + MARGIN)),
        _EVENT.occurred_at > after,
        _EVENT.occurred_at <= until,
    ]


def changed(session: Session, after: datetime, until: datetime) -> Sequence[UUID]:
    """Complaints of which anything changed last in `(after, until]`: what did not hold may hold now."""
    column = _COMPLAINT.updated_at
    return session.scalars(select(_COMPLAINT.id).where(column > after, column <= until).order_by(column)).all()
