"""The events of a stretch of time, for trials."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.automation.happenings import Happened, happened
from helpdesk.automation.moment_queries import within
from helpdesk.automation.queries import EVENT_COLUMNS
from helpdesk.kernel.event_log import EventRow

_EVENT: Final = EventRow.__table__.c


def events(session: Session, types: Collection[str], after: datetime, until: datetime, limit: int) -> list[Happened]:
    """Of these types, in `(after, until]`, the oldest first."""
    told = select(*EVENT_COLUMNS).where(*within(after, until), _EVENT.type.in_(types), _EVENT.stream_id.is_not(None))
    return [happened(row) for row in session.execute(told.order_by(_EVENT.id).limit(limit))]
