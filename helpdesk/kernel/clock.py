"""Time as text, the way the API writes it: RFC 3339 in UTC. Which time it is, the database says (`UnitOfWork.now`)."""

from datetime import UTC, datetime


def rfc3339(value: datetime) -> str:
    """`2026-03-01T09:30:00Z`, with microseconds where there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Raises ValueError for anything that is not a full date, time and offset."""
    value = datetime.fromisoformat(text)
    if value.tzinfo is None or "T" not in text.upper():
        raise ValueError("write a full RFC 3339 time with an offset, for example 2026-03-01T09:30:00Z")
    return value.astimezone(UTC)
