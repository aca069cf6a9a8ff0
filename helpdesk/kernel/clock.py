"""Time as text, the way the API writes it: RFC 3339 in UTC. Which time it is, the database says (`UnitOfWork.now`)."""

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def rfc3339(value: datetime) -> str:
    """`2026-03-01T09:30:00Z`, with microseconds where there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Raises ValueError for anything that is not a full date, time and offset."""
    if not _RFC3339.fullmatch(text):  # `fromisoformat` alone takes a week, half a time, or a NUL at the end
        raise ValueError("write a full RFC 3339 time with an offset, for example 2026-03-01T09:30:00Z")
    return datetime.fromisoformat(text.upper()).astimezone(UTC)
