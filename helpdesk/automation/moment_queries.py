"""Which complaints a timed trigger has to look at, and from when on: found by indexes, asked one by one afterwards.

Ids are made of the time, so that a stretch of time is a range of the log's primary key. The clocks of the machines that
make ids may differ: the range is wider by a margin, and the event's own time, which is the database's, decides.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from helpdesk.automation.timing import Anchor
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.ids import id_at

MARGIN: Final = timedelta(minutes=5)

_COMPLAINT, _EVENT = Complaint.__table__.c, EventRow.__table__.c


def starts(session: Session, anchor: Anchor, after: datetime, until: datetime, limit: int) -> Sequence[Any]:
    """`(complaint_id, at)`: of complaints whose time of this name may lie in `(after, until]`, the oldest first."""
    if anchor.column is not None:
        return _by_column(session, anchor.column, after, until, limit)
    told = select(_EVENT.stream_id.label("complaint_id"), _EVENT.occurred_at.label("at")).where(
        *within(after, until), _EVENT.type.in_(anchor.events), _EVENT.stream_id.is_not(None)
    )
    for name, value in (anchor.where or {}).items():
        told = told.where(_EVENT.payload[name].astext == value)
    return session.execute(told.order_by(_EVENT.occurred_at, _EVENT.id).limit(limit)).all()


def within(after: datetime, until: datetime) -> list[ColumnElement[bool]]:
    """Events of `(after, until]`, by the range of their ids."""
    return [
        _EVENT.id.between(id_at(after - MARGIN), id_at(until + MARGIN)),
        _EVENT.occurred_at > after,
        _EVENT.occurred_at <= until,
    ]


def changed(session: Session, after: datetime, until: datetime, limit: int) -> Sequence[Any]:
    """`(complaint_id, at)`: of complaints of which anything changed last in `(after, until]`: what did not hold may hold now."""
    return _by_column(session, "updated_at", after, until, limit)


def _by_column(session: Session, name: str, after: datetime, until: datetime, limit: int) -> Sequence[Any]:
    column: Any = _COMPLAINT[name]
    found = select(_COMPLAINT.id.label("complaint_id"), column.label("at")).where(column > after, column <= until)
    return session.execute(found.order_by(column, _COMPLAINT.id).limit(limit)).all()


_HORIZON: Final = select(
    func.clock_timestamp().label("now"),
    text(
        # Also of those that have only read so far: what they write later bears the time at which they began.
        "(SELECT min(xact_start) FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND datname = current_database() AND pid <> pg_backend_pid()) AS oldest"
    ),
)


def horizon(session: Session) -> tuple[datetime, datetime]:
    """What now is, and since when a transaction runs that may still write: what it writes bears that time, and is not there
    yet. Now, where there is none.
    """
    row = session.execute(_HORIZON).one()
    return row.now, min(row.now, row.oldest or row.now)
