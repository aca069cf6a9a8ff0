"""What an import brought, and not what happened since: only a trigger that asks for imports answers to it.

Who imports last year's complaints wants nobody to be written to because of that. Of an import are the events that were recorded
with the complaint; warnings and breaches of promises whose time had come by then; and every moment that counts from a time
before it. What happens to the complaint afterwards is as with any other.
"""

from datetime import datetime, timedelta

from helpdesk.automation.guard import Cause
from helpdesk.automation.happenings import Happened


def brought(imported_at: datetime | None, cause: Cause) -> bool:
    """`imported_at`: of the complaint; None where it came in otherwise."""
    if imported_at is None:
        return False
    if cause.event is not None:
        return _had_come(cause.event) <= imported_at
    return cause.occurrence_at is not None and cause.occurrence_at <= imported_at


def _had_come(event: Happened) -> datetime:
    """When it should have been said, if it was said late."""
    late = event.told.get("late_seconds") if event.type.startswith("sla.") else None
    return event.occurred_at - timedelta(seconds=late or 0)
